# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A09: authentication is made to fail, so that the terminal goes on without verifying the cardholder."""

from device_profiles.twins.card_faults import FaultyCard, altered, in_order
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from protocols.emv.tags import Tag
from tests.attacks.contact_lane import ContactLane, contact_lane
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.contactless import GOES_ON_UNPROVEN as TAPS_UNPROVEN
from tests.attacks.soft.emv import GOES_ON_UNPROVEN
from tests.attacks.tap_lane import TapLane, tap_lane

UNKNOWN_INDEX = b"\x0d"
NO_VERIFICATION = b"\x1f\x00"
TAPPED = "test-mastercard-like"


async def name_a_key_that_nobody_has(target: ContactLane) -> bool:
    """Flip the key's index, so that nothing can be checked, and empty the list of methods."""
    index = altered(Tag.CA_KEY_INDEX_CARD, lambda value: UNKNOWN_INDEX)
    card = FaultyContactCard(ContactCardTwin(target.profile), in_order(index, CONTACT_FAULTS["cvm-list-emptied"]()))
    card.power_on()
    return target.pay(card)


async def name_it_in_the_field(target: TapLane) -> bool:
    """The same with a stolen card and two telephones in between."""
    index = altered(Tag.CA_KEY_INDEX_CARD, lambda value: UNKNOWN_INDEX)
    emptied = altered(Tag.CVM_LIST, lambda value: bytes(8) + NO_VERIFICATION)
    return target.pay(FaultyCard(target.card(TAPPED), in_order(index, emptied)))


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
        Case(
            "the same without contact",
            soft=tap_lane(TAPPED, TAPS_UNPROVEN),
            hardened=tap_lane(TAPPED),
            strike=name_it_in_the_field,
            alert="card.authentication-failed",
            told="head office, in the payment's alerts",
        ),
    ),
)
