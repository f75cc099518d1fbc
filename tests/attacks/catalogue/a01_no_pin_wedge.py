# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A01: a stolen card pays without its PIN, because a wedge answers VERIFY in its place."""

from tests.attacks.contact_lane import Chip, ContactLane, contact_lane
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import BELIEVES_VERIFY

VERIFY = 0x20


class Wedge:
    """A genuine card behind electronics that say 9000 to every PIN, which the card never sees."""

    def __init__(self, card: Chip) -> None:
        self._card = card

    def apdu(self, command: bytes) -> bytes:
        """The card's answer to everything else."""
        return b"\x90\x00" if command[1] == VERIFY else self._card.apdu(command)


async def pay_without_the_pin(target: ContactLane) -> bool:
    """Type anything with the stolen card in the wedge."""
    return target.pay(Wedge(target.card()), "0000")


ATTACK = Attack(
    id="A01",
    title="PIN verified by a wedge",
    reference="Murdoch, Drimer, Anderson, Bond, IEEE S&P 2010",
    attacker="has a stolen card and electronics between it and the terminal; wants to pay without its PIN",
    soft="a terminal that takes 9000 for a verified PIN and does not read what the card tells its issuer",
    defence="the card's own verification results (9F10) come under its cryptogram: where the terminal believes in an "
    "offline PIN and they know of none, the card is asked to decline",
    cases=tuple(
        Case(
            name,
            soft=contact_lane(BELIEVES_VERIFY, **settings),
            hardened=contact_lane(**settings),
            strike=pay_without_the_pin,
            alert="card.pin-contradicted",
            told="head office, in the payment's alerts",
        )
        for name, settings in (
            ("a PIN in clear", {}),
            ("an enciphered PIN", {"enciphered_pin": True}),
            ("a card that signs its cryptogram", {"card": "test-visa-cda"}),
        )
    ),
)
