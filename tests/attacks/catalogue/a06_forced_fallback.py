# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A06: contactless chips of good cards are made to fail, so that their holders go on with what can be skimmed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from terminal_agent.emv.fallback import MOST_FAILED, WINDOW, Fallback, FallbackGuard
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import PatientGuard

PREMIUM_EVERY = 3
"""Every third customer has a card that is worth it."""


class Counter:
    """A till's two slots, as far as failing chips go: a :class:`tests.attacks.harness.Target`."""

    def __init__(self, guard: FallbackGuard) -> None:
        self._guard = guard
        self._told: list[str] = []
        self.fell_back = 0

    async def honest(self) -> bool:
        """A day of thirty cards, two of them worn out: their holders insert them."""
        served = [self.tap(worn=number % 15 == 7) for number in range(WINDOW)]
        self.fell_back = 0
        return all(served)

    def alerts(self) -> list[str]:
        """What head office heard."""
        return self._told

    def tap(self, *, worn: bool) -> bool:
        """A card at the contactless field, and where its chip fails, in the slot."""
        self._guard.presented("contactless")
        if self._guard.ended("contactless", chip_failed=worn):
            self._told.append("terminal.fallback-rate")
        if not worn:
            return True
        if self._guard.presented("contact") is Fallback.REFUSED:
            return False
        self.fell_back += 1
        self._guard.ended("contact", chip_failed=False)
        return True


async def fail_the_good_ones(target: Counter) -> bool:
    """A shim answers for every premium card within thirty payments; each that is inserted instead is skimmed."""
    for number in range(WINDOW):
        target.tap(worn=number % PREMIUM_EVERY == 0)
    return target.fell_back > MOST_FAILED + 1


def till(guard: Callable[[], FallbackGuard]) -> Callable[[Path], Any]:
    """An opener of a till with that guard."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Counter]:
        yield Counter(guard())

    return opened


ATTACK = Attack(
    id="A06",
    title="Fallback forced",
    reference="Kaspersky 2023: Prilex modification now targeting contactless payments",
    attacker="has a shim, or a program, that makes the contactless chips of chosen cards fail; wants them inserted",
    soft="a till that lets the other interface follow on every failure, and counts none",
    defence="of thirty cards no more than four may fail before another interface is refused and head office told; "
    "there is no reader for magnetic stripes",
    cases=(
        Case(
            "contactless chips of premium cards",
            soft=till(PatientGuard),
            hardened=till(FallbackGuard),
            strike=fail_the_good_ones,
            alert="terminal.fallback-rate",
            told="head office, in the payment's alerts",
        ),
    ),
)
