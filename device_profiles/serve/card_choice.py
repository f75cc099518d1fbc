# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which card twin a person asked for, as a reader with contacts takes it. It serves and inserts none."""

import os
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.card_behind_reader import ContactlessInReader, history_a, history_b
from device_profiles.twins.card_faults import CARD_FAULTS, FaultyCard, slow
from device_profiles.twins.card_faults import Fault as CardFault
from device_profiles.twins.card_t0 import ContactCard, T0View
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from device_profiles.twins.contactless_card import contactless_card
from tillguard.exits import Exit
from tillguard.voice import Fault

SLOW = "slow"
SLOW_S = 0.4
_IN_TIME: Mapping[str, Callable[[], CardFault]] = MappingProxyType({SLOW: lambda: slow(time.sleep, SLOW_S)})
"""Faults that take time, which no pure twin has."""


def chosen(name: str, fault: str = "none", transmission: str | None = None) -> ContactCard:
    """The card of that profile with that fault. A contactless one is shown as a contactless PC/SC reader shows it."""
    return made(load_card(name), name, fault, transmission)


def made(profile: CardProfile, name: str, fault: str = "none", transmission: str | None = None) -> ContactCard:
    """The same, of a profile that was read already; ``name`` is what the person called it."""
    faults = {**(CARD_FAULTS if profile.contact is None else CONTACT_FAULTS), **_IN_TIME}
    if fault != "none" and fault not in faults:
        raise Fault(f"--fault: no fault '{fault}'", f"one of: none, {', '.join(faults)}", Exit.USAGE)
    wrong = [] if fault == "none" else [faults[fault]()]
    if profile.contact is not None:
        card: ContactCard = FaultyContactCard(ContactCardTwin(profile), *wrong)
        return T0View(card, bytes.fromhex(profile.contact.atr_t0)) if transmission == "t0" else card
    assert profile.contactless is not None  # a card has at least one chip
    if transmission is not None:
        raise Fault(f"--transmission: the card '{name}' is contactless", "leave it out", Exit.USAGE)
    chip = profile.contactless
    if chip.protocol_info:
        history = history_b(bytes.fromhex(chip.application_data), bytes.fromhex(chip.protocol_info))
    else:
        history = history_a(bytes.fromhex(chip.ats))
    return ContactlessInReader(FaultyCard(contactless_card(profile, os.urandom), *wrong), history)
