# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The life of a terminal as a table: which step leads where, who may take it, and what is permitted meanwhile.

Head office and the terminal read the same table, so neither can believe in a step that the other refuses. What is not
in the table does not happen. Decides only; whose word a step was is proven elsewhere (signatures, reviews).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from protocols.errors import IntegrityError


class Life(StrEnum):
    """Where a terminal stands, from its first application to its end."""

    APPLIED = "applied"
    REVIEWED = "reviewed"
    CONTRACTED = "contracted"
    INSTALLED = "installed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    FROZEN = "frozen"
    RETIRED = "retired"


class Step(StrEnum):
    """What changes it."""

    ACCEPT = "accept"
    CORRECT = "correct"
    CONTRACT = "contract"
    INSTALL = "install"
    ACTIVATE = "activate"
    REBIND = "rebind"
    SUSPEND = "suspend"
    RESUME = "resume"
    FREEZE = "freeze"
    THAW = "thaw"
    RECOVER = "recover"
    RETIRE = "retire"


class Duty(StrEnum):
    """What a terminal may or may not do where it stands."""

    REPORT = "report"
    PAY = "pay"
    RENEW = "renew"
    OBEY = "obey"


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table. ``persons``: how many different persons of head office must stand for the step."""

    before: Life
    step: Step
    after: Life
    persons: int
    words: str


_REBOUND = "another merchant, licence or place: verified anew before it counts"
TABLE: tuple[Transition, ...] = (
    Transition(Life.APPLIED, Step.CORRECT, Life.APPLIED, 1, "sent back with the reasons, field by field"),
    Transition(Life.APPLIED, Step.ACCEPT, Life.REVIEWED, 1, "every field of the application holds"),
    Transition(Life.REVIEWED, Step.CONTRACT, Life.CONTRACTED, 1, "the merchant's contract is there"),
    Transition(Life.CONTRACTED, Step.INSTALL, Life.INSTALLED, 1, "bound to merchant, licence, serial number and place"),
    Transition(Life.INSTALLED, Step.ACTIVATE, Life.ACTIVE, 0, "the terminal proved its key and the activation code"),
    Transition(Life.INSTALLED, Step.REBIND, Life.INSTALLED, 2, _REBOUND),
    Transition(Life.ACTIVE, Step.REBIND, Life.INSTALLED, 2, _REBOUND),
    Transition(Life.SUSPENDED, Step.REBIND, Life.INSTALLED, 2, _REBOUND),
    Transition(Life.ACTIVE, Step.SUSPEND, Life.SUSPENDED, 1, "no payments for a while: holidays, repair, moving house"),
    Transition(Life.SUSPENDED, Step.RESUME, Life.ACTIVE, 1, "payments again"),
    Transition(Life.INSTALLED, Step.FREEZE, Life.FROZEN, 1, "believed to be in wrong hands"),
    Transition(Life.ACTIVE, Step.FREEZE, Life.FROZEN, 1, "believed to be in wrong hands"),
    Transition(Life.SUSPENDED, Step.FREEZE, Life.FROZEN, 1, "believed to be in wrong hands"),
    Transition(Life.FROZEN, Step.THAW, Life.SUSPENDED, 2, "the suspicion is over; payments only after a resumption"),
    Transition(Life.FROZEN, Step.RECOVER, Life.INSTALLED, 2, "new keys and certificate; nothing old is usable"),
    Transition(Life.ACTIVE, Step.RECOVER, Life.INSTALLED, 2, "new keys and certificate; nothing old is usable"),
    Transition(Life.APPLIED, Step.RETIRE, Life.RETIRED, 1, "given up"),
    Transition(Life.REVIEWED, Step.RETIRE, Life.RETIRED, 1, "given up"),
    Transition(Life.CONTRACTED, Step.RETIRE, Life.RETIRED, 1, "given up"),
    Transition(Life.INSTALLED, Step.RETIRE, Life.RETIRED, 2, "its keys are destroyed"),
    Transition(Life.SUSPENDED, Step.RETIRE, Life.RETIRED, 2, "its keys are destroyed"),
    Transition(Life.FROZEN, Step.RETIRE, Life.RETIRED, 2, "its keys are destroyed"),
)
"""Every step there is. An active terminal is suspended before it retires, so that no payment is cut off."""

_BY_STEP: Mapping[tuple[Life, Step], Transition] = MappingProxyType({(one.before, one.step): one for one in TABLE})

PERMITTED: Mapping[Life, frozenset[Duty]] = MappingProxyType(
    {
        Life.APPLIED: frozenset(),
        Life.REVIEWED: frozenset(),
        Life.CONTRACTED: frozenset(),
        Life.INSTALLED: frozenset({Duty.REPORT, Duty.RENEW, Duty.OBEY}),
        Life.ACTIVE: frozenset(Duty),
        Life.SUSPENDED: frozenset({Duty.REPORT, Duty.RENEW, Duty.OBEY}),
        Life.FROZEN: frozenset({Duty.REPORT, Duty.OBEY}),
        Life.RETIRED: frozenset(),
    }
)
"""What is permitted where. A frozen terminal still tells and obeys, and renews nothing: it is to be looked at."""


class NotPermitted(IntegrityError):
    """A step that the table does not have, or that too few persons stand for."""


def open_steps(life: Life) -> tuple[Step, ...]:
    """The steps that the table has from here."""
    return tuple(one.step for one in TABLE if one.before is life)


def follow(life: Life, step: Step, persons: int = 0) -> Transition:
    """The transition that ``step`` is in ``life``; :class:`NotPermitted` says what would be."""
    found = _BY_STEP.get((life, step))
    if found is None:
        words = ", ".join(open_steps(life)) or "none"
        raise NotPermitted(f"a terminal that is {life} cannot {step}; open steps: {words}")
    if persons < found.persons:
        raise NotPermitted(f"to {step} takes {found.persons} persons, {persons} stand for it")
    return found
