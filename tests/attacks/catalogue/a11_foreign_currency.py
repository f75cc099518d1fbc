# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A11: a large amount in another currency passes as a small one, offline and without a PIN."""

from tests.attacks.contact_lane import ContactLane, contact_lane
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import BLIND_TO_CURRENCY

UNDER_EVERY_LIMIT = 2_000  # minor units: EUR 20.00, or 20.00 of something worth a hundred times as much
KUWAITI_DINAR = "414"


async def pay_in_another_currency(target: ContactLane) -> bool:
    """The number stays under every limit; the currency is another one. The issuer must not have been asked."""
    paid = target.pay(target.card(), target.profile.cardholder.test_pin, UNDER_EVERY_LIMIT, KUWAITI_DINAR)
    return paid and target.last is not None and "offline" in target.last.words


ATTACK = Attack(
    id="A11",
    title="Offline in another currency",
    reference="Emms, Arief, Freitas, Hannon, van Moorsel, CCS 2014",
    attacker="runs a terminal, or bends one, that pays in a currency of its choice; wants approvals offline",
    soft="a terminal that compares numbers with its limits and does not look at their currency",
    defence="in another currency than the limits' nothing is approved offline, and every limit counts as reached",
    cases=(
        Case(
            "a strong currency",
            soft=contact_lane(BLIND_TO_CURRENCY, card="test-visa-cda"),
            hardened=contact_lane(card="test-visa-cda"),
            strike=pay_in_another_currency,
            alert="card.foreign-currency-offline",
            told="head office, in the payment's alerts",
        ),
    ),
)
