# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A10: the card is elsewhere, in somebody's pocket, and its answers come over a network."""

from collections.abc import Awaitable, Callable

from device_profiles.twins.mchip_card import MChipTwin
from protocols.emv.apdu import Command, Ins
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.contactless import SIGNATURE_UNUSED
from tests.attacks.tap_lane import ABOVE, UNDER, Chip, TapLane, tap_lane

TOLD = "head office, in the payment's alerts"
CARD = "test-mastercard-like"
TRANSIT = bytes.fromhex("4111")  # ISO 18245: local passenger transport
GUESSED = bytes.fromhex("800A00000000000500140018" + "9000")
"""An answer to the relay resistance exchange that the attacker makes up, with the card's times."""


def _far(milliseconds: int) -> Callable[[TapLane], Awaitable[bool]]:
    async def pay_from_afar(target: TapLane) -> bool:
        return target.pay(target.card(CARD), UNDER, late_us=milliseconds * 1_000.0)

    pay_from_afar.__doc__ = f"Relay a card in somebody's pocket: every answer comes {milliseconds} ms late."
    return pay_from_afar


class Guessing:
    """A relay that answers the measured exchange by itself and asks the card for the rest."""

    def __init__(self, card: Chip) -> None:
        self._card = card

    def apdu(self, command: bytes) -> bytes:
        """See :class:`Chip`."""
        if command[1] != Ins.EXCHANGE_RELAY_RESISTANCE_DATA:
            return self._card.apdu(command)
        self._card.apdu(command)
        return GUESSED


async def answer_in_its_place(target: TapLane) -> bool:
    """Answer the measured exchange at once with made-up octets, while the card's answer is on its way."""
    return target.pay(Guessing(target.card(CARD)), UNDER)


class Commuter(MChipTwin):
    """A locked telephone that pays fares without its holder."""

    def _wants_holder(self, given: "object") -> bool:
        assert isinstance(given, dict)
        return super()._wants_holder(given) and given.get(0x9F15) != TRANSIT


class AsTransit:
    """A wire that turns the till into a ticket gate."""

    def __init__(self, card: Chip) -> None:
        self._card = card

    def apdu(self, command: bytes) -> bytes:
        """See :class:`Chip`."""
        asked = Command.decode(command)
        if asked.ins != Ins.GENERATE_AC:
            return self._card.apdu(command)
        changed = Command(asked.cla, asked.ins, asked.p1, asked.p2, asked.data[:-2] + TRANSIT, asked.expected)
        return self._card.apdu(changed.encode())


async def pay_as_a_fare(target: TapLane) -> bool:
    """Relay a locked telephone and tell it that the till is a ticket gate (merchant category 4111)."""
    phone = Commuter(target.profiles["test-mobile-mastercard"], bytes)
    phone.unlocked = False
    phone.power_on()
    return target.pay(AsTransit(phone), ABOVE)


def _measured(name: str, milliseconds: int) -> Case[TapLane]:
    return Case(
        name,
        soft=tap_lane(CARD, relay_resistance=False),
        hardened=tap_lane(CARD, relay_resistance=True),
        strike=_far(milliseconds),
        alert="card.relay-suspected",
        told=TOLD,
    )


ATTACK = Attack(
    id="A10",
    title="Card relayed from elsewhere",
    reference="Drimer, Murdoch, USENIX Security 2007; Radu and others, IEEE S&P 2022: Practical EMV relay protection; "
    "ESET 2024: NGate",
    attacker="has a telephone at a victim's card and another at the till, and a network between them; wants to pay "
    "with what needs no PIN",
    soft="a terminal that does not measure how fast a card answers, or has no use for the card's signature",
    defence="relay resistance: the card's answer is timed against its own word, the exchange comes under the card's "
    "signature, and so does all that the card was told of this till",
    cases=(
        _measured("over a local network", 20),
        _measured("over the Internet", 300),
        Case(
            "the exchange is answered on the way",
            soft=tap_lane(CARD, relay_resistance=False),
            hardened=tap_lane(CARD, relay_resistance=True),
            strike=answer_in_its_place,
            alert="card.authentication-failed",
            told=TOLD,
        ),
        Case(
            "the till becomes a ticket gate",
            soft=tap_lane(CARD, SIGNATURE_UNUSED),
            hardened=tap_lane(CARD),
            strike=pay_as_a_fare,
            alert="card.authentication-failed",
            told=TOLD,
        ),
    ),
)
