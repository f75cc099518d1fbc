# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Equal answers for equal causes, by code and by time: whatever is wrong with an enciphered PIN, whichever digit of a
value is wrong, the unit answers the same and takes the same steps, call by call.

Steps are counted and not timed: what a machine does meanwhile changes no step. A step is a call of a function of ours
or of the interpreter's, a cipher operation among them; comparisons inside one are left to :mod:`hmac`.
"""

import gc
import sys
from collections.abc import Iterator
from types import FrameType

import pytest
from cryptography.hazmat.primitives.ciphers.modes import ECB

from protocols.hsm.commands import COMMANDS
from tests.hsm_sim import live, oracle
from tests.hsm_sim.test_session import ENGINE
from tests.hsm_sim.units import Heard, unit

HEADER = b"head"
PIN_BLOCK = b"20"
FAULTS = {
    "no PIN at all": "00FFFFFFFFFFFFFF",
    "a PIN too short": "03123FFFFFFFFFFF",
    "a PIN too long": "0D1234567890123F",
    "a length of letters": "0F12345678901234",
    "another format": "141234FFFFFFFFFF",
    "no format at all": "F41234FFFFFFFFFF",
    "a letter for the first digit": "04A234FFFFFFFFFF",
    "a letter for the last digit": "04123AFFFFFFFFFF",
    "a fill in the PIN": "04F234FFFFFFFFFF",
    "a digit for the first fill": "0412345FFFFFFFFF",
    "a digit for the last fill": "041234FFFFFFFFF5",
    "digits for all of it": "0412345678901234",
    "nothing": "0000000000000000",
    "noise": "8D3B5AE1740C96F2",
}
"""PIN fields of format 0 before the account is added."""
DUKPT_PIN_KEY = bytes(
    one ^ two
    for one, two in zip(
        oracle.dukpt_keys(live.BDK, bytes.fromhex(live.KSN)), bytes.fromhex("00000000000000FF" * 2), strict=True
    )
)
KEYS = {oracle.block_0(key, live.PIN, live.ACCOUNT): key for key in (live.TPK, live.ZPK)} | {
    oracle.dukpt_block(live.BDK, bytes.fromhex(live.KSN), live.PIN, live.ACCOUNT): DUKPT_PIN_KEY
}
"""The keys of the blocks in our messages."""
TAKES_BLOCKS = sorted(
    code for code, command in live.COMMANDS.items() if any(block.encode() in command for block in KEYS)
)


def changed(command: bytes, at: int) -> bytes:
    """The same with another digit at a place."""
    digit = b"1" if command[at : at + 1] != b"1" else b"2"
    return command[:at] + digit + command[at + 1 :]


def found_at(code: str, value: str | bytes) -> tuple[int, int]:
    octets = value.encode() if isinstance(value, str) else value
    start = live.COMMANDS[code].index(octets)
    return start, start + len(octets) - 1


REFERENCES = {
    "CM": found_at("CM", live.PVV),
    "DC": found_at("DC", live.PVV),
    "EC": found_at("EC", live.PVV),
    "GQ": found_at("GQ", live.PVV),
    "CK": found_at("CK", live.OFFSET[:4]),
    "DA": found_at("DA", live.OFFSET[:4]),
    "EA": found_at("EA", live.OFFSET[:4]),
    "GO": found_at("GO", live.OFFSET[:4]),
    "CY": found_at("CY", oracle.cvv(live.CVK, live.PAN, "2812", "201")),
    "M8": found_at("M8", oracle.retail_mac(live.TAK, live.DATA).hex().upper()),
    "MC": found_at("MC", oracle.cbc_mac(live.TAK, live.DATA)[:4].hex().upper()),
}
"""Commands that verify, and where in our messages the first and the last digit of what they verify stand."""


def enciphered(key: bytes, field: str) -> bytes:
    """A PIN field with the account added, under a key."""
    account = int(live.ACCOUNT, 16)
    clear = (int(field, 16) ^ account).to_bytes(8, "big")
    return oracle.tdes(key, ECB(), clear).hex().upper().encode()


def with_faults(code: str) -> Iterator[bytes]:
    command = live.COMMANDS[code]
    block = next(block for block in KEYS if block.encode() in command)
    for field in FAULTS.values():
        yield command.replace(block.encode(), enciphered(KEYS[block], field))


def steps(command: bytes) -> tuple[bytes, list[str]]:
    """What is answered behind the response code, and every call on the way, once all keys are at hand."""
    asked = unit(ENGINE, len(HEADER), heard=Heard())
    asked.answer(HEADER + command)
    taken: list[str] = []

    def hear(frame: FrameType, event: str, arg: object) -> None:
        name = getattr(arg, "__qualname__", "") if event.startswith("c_") else frame.f_code.co_qualname
        taken.append(f"{event} {name}")

    gc.disable()
    sys.setprofile(hear)
    try:
        answer = asked.answer(HEADER + command)
    finally:
        sys.setprofile(None)
        gc.enable()
    return answer[len(HEADER) + 2 :], taken


def test_every_command_with_an_enciphered_pin_is_here() -> None:
    assert set(TAKES_BLOCKS) >= {
        "BC", "BE", "BK", "CA", "CC", "CI", "CK", "CM", "CU", "DA", "DC", "DU", "EA", "EC", "FW", "G0", "GO", "GQ",
        "JC", "JE",
    }  # fmt: skip
    assert set(TAKES_BLOCKS) <= set(COMMANDS)


@pytest.mark.parametrize("code", TAKES_BLOCKS)
def test_whatever_is_wrong_with_a_pin_block_the_steps_are_the_same(code: str) -> None:
    first, *others = (steps(command) for command in with_faults(code))
    assert first[0] == PIN_BLOCK
    assert any("update" in step for step in first[1]), "no cipher operation was seen"
    assert steps(live.COMMANDS[code])[1] != first[1], "what goes well takes no step more"
    for name, other in zip(list(FAULTS)[1:], others, strict=True):
        assert other == first, name


@pytest.mark.parametrize("code", sorted(REFERENCES))
def test_whichever_digit_of_a_value_is_wrong_the_steps_are_the_same(code: str) -> None:
    places = REFERENCES[code]
    first, last = (steps(changed(live.COMMANDS[code], place)) for place in places)
    right = steps(live.COMMANDS[code])
    assert right[0][:2] == b"00"
    assert first[0] == last[0] == b"01"
    assert first[1] == last[1]
    assert [step for step in right[1] if "update" in step] == [step for step in first[1] if "update" in step]
