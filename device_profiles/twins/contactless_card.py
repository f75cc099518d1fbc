# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which twin a contactless card's profile is of: qVSDC-like or M/Chip-like. It answers no command itself."""

from collections.abc import Callable, Mapping
from typing import Protocol

from device_profiles.card_profile import CardProfile, Scheme
from device_profiles.twins.activation import Activated
from device_profiles.twins.card import CardTwin
from device_profiles.twins.mchip_card import MChipTwin


class ContactlessCard(Protocol):
    """A card twin as a reader and a file for its counter see it."""

    profile: CardProfile
    atc: int

    def power_on(self) -> Activated: ...
    def power_off(self) -> None: ...
    def apdu(self, command: bytes) -> bytes: ...


TWINS: Mapping[Scheme, Callable[[CardProfile, Callable[[int], bytes], int], ContactlessCard]] = {
    Scheme.VISA: CardTwin,
    Scheme.MASTERCARD: MChipTwin,
}


def contactless_card(profile: CardProfile, random: Callable[[int], bytes], atc: int = 0) -> ContactlessCard:
    """The twin of a contactless card."""
    return TWINS[profile.application.scheme](profile, random, atc)
