# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Taps a card twin at a terminal with both kernels, keys and a clock of its own. Tests nothing itself."""

import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import Any

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.card_answer import CardTorn
from device_profiles.twins.contactless_card import ContactlessCard, contactless_card
from terminal_agent.emv import Combination, EmvOutcome, EmvTerminal, Means, TornLog, TransactionRequest, contactless
from terminal_agent.emv.contactless_run import Kernel
from terminal_agent.emv.transaction import KERNELS
from tests.terminal_agent.emv.contact_session import authorities, request
from tests.terminal_agent.emv.session import MASTERCARD, VISA, drive, terminal

KEYS = authorities()
TAC = {"tac_online": "F850ACF800", "tac_default": "F850ACF800"}
WIRE_US = 4_200.0
"""What the two transmissions of a relay resistance exchange take by the default settings."""


class Stopwatch:
    """A clock that moves when a card answers."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


def both(**changes: Any) -> EmvTerminal:
    """A terminal for both brands: under EUR 500, CVM from EUR 25, offline to EUR 20, a phone to EUR 1000."""
    limits = {"transaction_limit": 50_000, "cvm_limit": 2_500, "floor_limit": 2_000}
    of_visa = limits | {"application_version": "0096"}
    of_mastercard = limits | {"kernel": 2, "application_version": "0002", "device_limit": 100_000} | TAC
    of_mastercard |= changes.pop("kernel_2", {})
    settings: dict[str, Any] = {
        "aids": (Combination(VISA, **of_visa), Combination(MASTERCARD, **of_mastercard)),
        "consumer_device_cvm": True,
        "relay_resistance": True,
        "signature": True,
        "capabilities": "E068C8",
    }
    return terminal(**(settings | changes))


def twin(name: str, relay_times: tuple[int, ...] | None = None, **changes: Any) -> ContactlessCard:
    """A card twin in the field; ``changes`` are of its application."""
    profile = changed(load_card(name), **changes)
    if relay_times is not None and profile.contactless is not None:
        chip = dataclasses.replace(profile.contactless, relay_times=relay_times)
        profile = dataclasses.replace(profile, contactless=chip)
    card = contactless_card(profile, random.Random(7).randbytes)
    card.power_on()
    return card


def changed(profile: CardProfile, **changes: Any) -> CardProfile:
    """The profile with another application."""
    objects = dict(profile.application.objects) | changes.pop("objects", {})
    application = dataclasses.replace(profile.application, objects=objects, **changes)
    return dataclasses.replace(profile, application=application)


class Field:
    """A reader's field: a card in it, time that passes, and what went over it."""

    def __init__(
        self,
        card: ContactlessCard,
        *,
        exchange_us: float = WIRE_US + 1_000,
        spoil: Callable[[bytes, bytes], bytes] | None = None,
    ) -> None:
        """``exchange_us``: how long a relay resistance exchange takes; ``spoil`` changes an answer."""
        self.card = card
        self.clock = Stopwatch()
        self.log = TornLog(bytes(32))
        self.commands: list[bytes] = []
        self.tear_at: int | None = None
        """The instruction at which the card leaves after it has acted."""
        self._exchange_us = exchange_us
        self.spoil = spoil
        self._numbers = random.Random(3)

    @property
    def means(self) -> Means:
        """Keys, log and clock of this field."""
        return Means(KEYS, None, self.log, self.clock, lambda: self._numbers.randbytes(4))

    def answer(self, command: bytes) -> bytes:
        """The card's answer, after the time it takes."""
        self.commands.append(command)
        self.clock.now += self._exchange_us if command[1] == 0xEA else 3_000
        answer = self.card.apdu(command)
        if self.spoil is not None:
            answer = self.spoil(command, answer)
        if command[1] == self.tear_at:
            self.tear_at = None
            self.card.power_off()
            self.card.power_on()
            raise CardTorn
        return answer

    def tap(
        self,
        payment: TransactionRequest | int = 4_200,
        place: EmvTerminal | None = None,
        kernels: Mapping[int, Kernel] = KERNELS,
    ) -> EmvOutcome:
        """One tap; raises :class:`CardTorn` where the card leaves."""
        asked = request(payment) if isinstance(payment, int) else payment
        machine = contactless(place or both(), asked, self.means, kernels)
        try:
            return drive(machine, self.answer)
        finally:
            machine.close()

    @property
    def sent(self) -> list[int]:
        """The instructions that were sent."""
        return [command[1] for command in self.commands]


def tapped(name: str, payment: TransactionRequest | int = 4_200, **changes: Any) -> EmvOutcome:
    """One payment with a card twin; ``changes`` are of the terminal."""
    return Field(twin(name)).tap(payment, both(**changes))


def said(outcome: EmvOutcome) -> str:
    """All notes, a line each."""
    return "\n".join(str(note) for note in outcome.notes)
