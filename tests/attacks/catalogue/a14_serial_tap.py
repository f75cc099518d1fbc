# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A14: a tap on the pad's line waits for a PIN, or an account number."""

import re

from device_profiles.model import AbecsSession, PanPolicy
from tests.attacks.abecs_counter import AbecsCounter, ManInTheMiddle, abecs_counter
from tests.attacks.counter import Counter, PluggedPad, counter, own_load
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.pad import ClearEngine
from tests.device_profiles.twins.pads import ABECS_IDENTITY, TEST_PAN, TEST_PIN

_REQUEST = re.compile(rb"Z60\.([0-9]{8,19})")
_REPLY = re.compile(rb"710[0-9A-F]{20}([0-9A-F]{16})")


def _pins(sent: bytes, said: bytes) -> set[str]:
    """Every PIN that the captured octets give away: as digits, or as a format 0 block that opens with the PAN."""
    found = {TEST_PIN} if TEST_PIN.encode() in re.sub(rb"[0-9A-F]{16,}", b"", sent + said) else set()
    for pan, block in zip(_REQUEST.findall(sent), _REPLY.findall(said), strict=False):
        account = bytes.fromhex("0000" + pan[-13:-1].decode())
        field = bytes(a ^ b for a, b in zip(bytes.fromhex(block.decode()), account, strict=True)).hex().upper()
        digits = field[2 : 2 + int(field[1], 16)]
        if field[0] == "0" and digits.isdigit() and set(field[2 + len(digits) :]) == {"F"}:
            found.add(digits)
    return found


async def cut_the_line_and_listen(target: Counter) -> bool:
    """Cut the line to put a tap in between, let a customer pay, and look for the PIN in all that went over it."""
    await target.plug_in(target.pad)
    assert await target.pay() is not None, "the tap changes nothing"
    assert target.line is not None
    return TEST_PIN in _pins(bytes(target.line.sent), bytes(target.line.said))


async def cut_the_line_and_listen_for_account_numbers(target: AbecsCounter) -> bool:
    """The same at an ABECS pad, and look for the account number: as digits, or packed as a card has it."""
    await target.put_between(ManInTheMiddle(target.abecs_pad))
    assert await target.pay() is not None, "the tap changes nothing"
    assert target.line is not None
    wire = bytes(target.line.sent + target.line.said)
    return TEST_PAN.digits.encode() in wire or bytes.fromhex(TEST_PAN.digits) in wire


ATTACK = Attack(
    id="A14",
    title="Tap on a PIN pad's line",
    reference="Valtman and Watson, Black Hat 2016: card data and PINs on the wires of a checkout counter",
    attacker="has the counter to himself for minutes and a tap to leave behind; wants PINs and account numbers",
    soft="a pad that sends the PIN block as it is; an ABECS session in clear",
    defence="the pad enciphers the PIN under a key of its own for each entry, and no message of a driver could carry "
    "one in clear. Putting the tap in cuts the line, which is told at once; one that is clamped on without a cut is "
    "not noticed, and gets no more. The account number is off the wire of an ABECS pad that has proven who it is: "
    "their session is enciphered. Packet Z60 of the IPP family carries it in clear, and so does any card on its way "
    "through a reader: guard those cables",
    cases=(
        Case(
            "the PIN, IPP",
            soft=lambda folder: counter(folder, PluggedPad(own_load(), ClearEngine)),
            hardened=counter,
            strike=cut_the_line_and_listen,
            alert="it was unplugged",
            told="head office, as the reason of device.lost",
        ),
        Case(
            "the account number, ABECS",
            soft=lambda folder: abecs_counter(folder, AbecsSession.PLAIN, PanPolicy.GUARDED),
            hardened=lambda folder: abecs_counter(folder, AbecsSession.SEALED, PanPolicy.TRUSTED, ABECS_IDENTITY),
            strike=cut_the_line_and_listen_for_account_numbers,
            alert="it was unplugged",
            told="head office, as the reason of device.lost",
        ),
    ),
)
