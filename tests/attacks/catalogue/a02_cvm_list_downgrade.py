# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A02: an edited list of verification methods makes the reader hand out the PIN in clear, or asks for none."""

from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from tests.attacks.contact_lane import ContactLane, contact_lane
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import GOES_ON_UNPROVEN, TRUSTS_LISTS


def edited(target: ContactLane, fault: str) -> FaultyContactCard:
    """The genuine card, whose list is another one when it arrives."""
    card = FaultyContactCard(ContactCardTwin(target.profile), CONTACT_FAULTS[fault]())
    card.power_on()
    return card


async def harvest_the_pin(target: ContactLane) -> bool:
    """Listen at the contacts while the cardholder types."""
    heard = len(target.clear_pins)
    target.pay(edited(target, "cvm-list-plaintext-pin"), target.profile.cardholder.test_pin)
    return len(target.clear_pins) > heard


async def pay_without_any(target: ContactLane) -> bool:
    """Pay with a stolen card whose list asks for nothing any more."""
    return target.pay(edited(target, "cvm-list-emptied"))


ATTACK = Attack(
    id="A02",
    title="List of verification methods edited",
    reference="Barisani, Bianco, Laurie, Franken, 2011: Chip and PIN is definitely broken",
    attacker="sits between card and reader; wants the PIN, or to pay without it",
    soft="a terminal that takes every list for the issuer's",
    defence="a PIN goes to the card in clear only where the issuer signed the list that asks for it; and from the CVM "
    "limit on nobody pays unverified unless the issuer signed that",
    cases=(
        Case(
            "the PIN in clear",
            soft=contact_lane(TRUSTS_LISTS, card="test-visa-dda"),
            hardened=contact_lane(card="test-visa-dda"),
            strike=harvest_the_pin,
            alert="card.plain-pin-refused",
            told="head office, in the payment's alerts",
        ),
        Case(
            "no verification at all",
            soft=contact_lane(GOES_ON_UNPROVEN, card="test-visa-dda"),
            hardened=contact_lane(card="test-visa-dda"),
            strike=pay_without_any,
            alert="card.cvm-missing",
            told="head office, in the payment's alerts",
        ),
    ),
)
