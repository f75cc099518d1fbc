# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A09: authentication is made to fail, so that the terminal goes on without verifying the cardholder."""

from device_profiles.twins.card_faults import altered, in_order
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from protocols.emv.tags import Tag
from tests.attacks.contact_lane import ContactLane, contact_lane
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import GOES_ON_UNPROVEN

UNKNOWN_INDEX = b"\x0d"


async def name_a_key_that_nobody_has(target: ContactLane) -> bool:
    """Flip the key's index, so that nothing can be checked, and empty the list of methods."""
    index = altered(Tag.CA_KEY_INDEX_CARD, lambda value: UNKNOWN_INDEX)
    card = FaultyContactCard(ContactCardTwin(target.profile), in_order(index, CONTACT_FAULTS["cvm-list-emptied"]()))
    card.power_on()
    return target.pay(card)


ATTACK = Attack(
    id="A09",
    title="Authentication made to fail",
    reference="Basin, Schaller, Toro-Pozo, USENIX Security 2023: Inducing authentication failures to bypass card PINs",
    attacker="sits between a stolen card and the terminal; wants a payment above the CVM limit without the PIN",
    soft="a terminal that goes on without verification where authentication failed",
    defence="what failed proves nothing: above the CVM limit a list that is not proven cannot spare the PIN, and the "
    "payment is declined",
    cases=(
        Case(
            "a key index that nobody has",
            soft=contact_lane(GOES_ON_UNPROVEN),
            hardened=contact_lane(),
            strike=name_a_key_that_nobody_has,
            alert="card.authentication-failed",
            told="head office, in the payment's alerts",
        ),
    ),
)
