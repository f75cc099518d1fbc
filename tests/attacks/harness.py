# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What an attack is and when it counts: data and one function. Holds no attack, no twin and no pytest.

An attack that fails shows nothing by itself: perhaps it never works. So each is made twice, by the same code, against a
*soft* target that lacks the one defence in question and against the *hardened* one that is shipped. It counts only if

* both targets serve an honest party first, without the alert (a door that is walled up is no defence);
* the attack works on the soft target;
* it fails on the hardened one;
* and there the alert of that name appears, where a person or head office sees it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tests.patience import PATIENCE_S

ALERT_WITHIN_S = PATIENCE_S  # an alert may come through a pipe


class Target(Protocol):
    """What is attacked."""

    async def honest(self) -> bool:
        """Whether an honest party gets what it is owed."""
        ...

    def alerts(self) -> Sequence[str]:
        """The names of everything that a person or head office has been told so far."""
        ...


T = TypeVar("T", bound=Target)
Opener = Callable[[Path], AbstractAsyncContextManager[T]]
"""Makes a target that may use a folder of its own."""


@dataclass(frozen=True, slots=True)
class Case(Generic[T]):
    """One way to make an attack. ``strike`` returns whether the attacker has what was wanted."""

    name: str
    soft: Opener[T]
    hardened: Opener[T]
    strike: Callable[[T], Awaitable[bool]]
    alert: str
    told: str
    """Who is told the alert, in words."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the catalogue, with every way in which it is made here. Words are for docs/attacks.md."""

    id: str
    title: str
    reference: str
    attacker: str
    """What the attacker has and wants."""
    soft: str
    """What the soft target lacks."""
    defence: str
    """What stands in the way."""
    cases: tuple[Case[Any], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What happened at one target."""

    serves: bool
    false_alarm: bool
    works: bool
    alerted: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happened at both."""

    soft: Finding
    hardened: Finding

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the attack does not count; nothing where it does."""
        rules = (
            (self.soft.serves, "the soft target does not serve an honest party"),
            (self.hardened.serves, "the hardened target does not serve an honest party"),
            (not self.hardened.false_alarm, "the hardened target raises the alert without an attack"),
            (self.soft.works, "the attack does not work on the soft target, so it shows nothing"),
            (not self.hardened.works, "the attack works on the hardened target"),
            (self.hardened.alerted, "the hardened target does not raise the alert"),
        )
        return tuple(words for holds, words in rules if not holds)


async def make(case: Case[Any], folder: Path) -> Verdict:
    """Make the attack on both targets, the soft one first, each in a folder of its own."""
    findings = []
    for name, opener in (("soft", case.soft), ("hardened", case.hardened)):
        place = folder / name
        place.mkdir()
        async with opener(place) as target:
            findings.append(await _strike(case, target, patient=name == "hardened"))
    return Verdict(*findings)


async def _strike(case: Case[Any], target: Target, *, patient: bool) -> Finding:
    serves = await target.honest()
    before = list(target.alerts()).count(case.alert)
    works = await case.strike(target)
    alerted = await _raised(case.alert, before, target, ALERT_WITHIN_S if patient else 0.0)
    return Finding(serves=serves, false_alarm=before > 0, works=works, alerted=alerted)


async def _raised(alert: str, before: int, target: Target, within_s: float) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while list(target.alerts()).count(alert) <= before:
        if loop.time() >= until:
            return False
        await asyncio.sleep(0.01)
    return True
