# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A05: a telephone asks a card for its stripe checksum over every number that a terminal may draw, and plays them."""

from protocols.emv import apdu, tlv
from protocols.emv.apdu import Command, Ins, Response
from protocols.emv.tags import Tag
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.contactless import CHECKSUM, COUNTER, STRIPE_DIGITS, TAKES_STRIPES
from tests.attacks.tap_lane import UNDER, TapLane, checksum, tap_lane

MASTERCARD = bytes.fromhex("A0000000041010")
CARD = "test-mastercard-like"


class OldCard:
    """The victim's card, as far as it answers by the magnetic stripe's rules."""

    def __init__(self) -> None:
        self._counter = 100

    def checksum_over(self, number: bytes) -> bytes:
        """The answer to COMPUTE CRYPTOGRAPHIC CHECKSUM."""
        self._counter += 1
        counter = self._counter.to_bytes(2, "big")
        held = ((CHECKSUM, checksum(number, counter)), (COUNTER, counter))
        return tlv.encode([tlv.template(Tag.RESPONSE_FORMAT_2, *held)])


class Clone:
    """A telephone that holds what the card said over every number, and offers nothing but the stripe's rules."""

    def __init__(self, heard: dict[bytes, bytes], track2: bytes) -> None:
        self._heard = heard
        self._track2 = track2

    def apdu(self, command: bytes) -> bytes:
        """See :class:`tests.attacks.tap_lane.Chip`."""
        asked = Command.decode(command)
        if asked.ins == Ins.SELECT:
            return Response(_directory() if asked.data == apdu.PPSE else _application(), 0x9000).encode()
        held: tlv.Item
        if asked.ins == Ins.GET_PROCESSING_OPTIONS:
            options = ((int(Tag.AIP), bytes(2)), (int(Tag.AFL), bytes.fromhex("08010100")))
            held = tlv.template(Tag.RESPONSE_FORMAT_2, *options)
        elif asked.ins == Ins.READ_RECORD:
            held = tlv.template(Tag.RECORD_TEMPLATE, (int(Tag.TRACK_2_KERNEL_2), self._track2))
        elif asked.ins == Ins.COMPUTE_CRYPTOGRAPHIC_CHECKSUM and asked.data in self._heard:
            return Response(self._heard[asked.data], 0x9000).encode()
        else:
            return b"\x69\x85"
        return Response(tlv.encode([held]), 0x9000).encode()


def _directory() -> bytes:
    entry = tlv.template(Tag.DIRECTORY_ENTRY, (int(Tag.AID_CARD), MASTERCARD))
    listed = tlv.template(Tag.FCI_PROPRIETARY, tlv.template(Tag.FCI_ISSUER_DISCRETIONARY, entry))
    return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (int(Tag.DF_NAME), apdu.PPSE), listed)])


def _application() -> bytes:
    inner = tlv.template(Tag.FCI_PROPRIETARY, (int(Tag.APPLICATION_LABEL), b"CARD"))
    return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (int(Tag.DF_NAME), MASTERCARD), inner)])


async def play_what_was_heard(target: TapLane) -> bool:
    """Ask a card in a pocket for its checksum over all thousand numbers, then pay with what it said."""
    old, heard = OldCard(), {}
    for digits in range(10**STRIPE_DIGITS):
        number = bytes.fromhex(f"{digits:08d}")
        heard[number] = old.checksum_over(number)
    pan = target.profiles[CARD].application.pan
    return target.pay(Clone(heard, bytes.fromhex(f"{pan}D2812201" + 13 * "0" + "F")), UNDER)


ATTACK = Attack(
    id="A05",
    title="Stripe checksums played before",
    reference="Roland, Langer, WOOT 2013: Cloning credit cards",
    attacker="was near a card for a minute; wants to pay with a telephone that holds what the card said",
    soft="a terminal that goes on by the magnetic stripe's rules where a card offers nothing else; its unpredictable "
    "number has three digits",
    defence="the magnetic stripe's rules are off in both kernels, so there is no number that anybody could have asked "
    "for before",
    cases=(
        Case(
            "a thousand numbers",
            soft=tap_lane(CARD, TAKES_STRIPES),
            hardened=tap_lane(CARD),
            strike=play_what_was_heard,
            alert="card.mode-downgraded",
            told="head office, in the payment's alerts",
        ),
    ),
)
