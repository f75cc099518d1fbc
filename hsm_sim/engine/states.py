# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The unit's states, what is permitted in each, and activities authorised for a time. Reads no clock, keeps no record.

Rule: every transition and every permission is a row here; the console, the host commands, the tests and the diagram in
the documentation read the same tables. The states are those of units with a key switch; which of them permits what is
what this simulator does, and no vendor's word.
"""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from types import MappingProxyType

from hsm_sim.engine.refusal import Reason, Refused


class State(StrEnum):
    """Where the key switch stands."""

    ONLINE = "online"
    """Serves hosts."""
    OFFLINE = "offline"
    """Serves hosts diagnostics only; settings may change."""
    SECURE = "secure"
    """As offline; master keys and key components may be loaded."""


class Turn(StrEnum):
    """A turn of the key switch."""

    TO_ONLINE = "online"
    TO_OFFLINE = "offline"
    TO_SECURE = "secure"


class Doing(StrEnum):
    """What a state permits or not."""

    DIAGNOSE = "diagnose"
    """Host commands that touch no key."""
    SERVE = "serve"
    """All other host commands."""
    LOOK = "look"
    """At status, settings, keys by name, and the audit."""
    AUTHORISE = "authorise"
    SET = "set"
    """Settings, and counters back to zero."""
    FORM_KEYS = "form-keys"
    """From components; keep and destroy them."""
    LOAD_MASTER_KEYS = "load-master-keys"


TRANSITIONS: Mapping[tuple[State, Turn], State] = MappingProxyType(
    {
        (State.ONLINE, Turn.TO_OFFLINE): State.OFFLINE,
        (State.OFFLINE, Turn.TO_ONLINE): State.ONLINE,
        (State.OFFLINE, Turn.TO_SECURE): State.SECURE,
        (State.SECURE, Turn.TO_OFFLINE): State.OFFLINE,
    }
)
"""The switch turns by one place; every other turn is refused."""

PERMITTED: Mapping[State, frozenset[Doing]] = MappingProxyType(
    {
        State.ONLINE: frozenset({Doing.DIAGNOSE, Doing.SERVE, Doing.LOOK, Doing.AUTHORISE}),
        State.OFFLINE: frozenset({Doing.DIAGNOSE, Doing.LOOK, Doing.AUTHORISE, Doing.SET}),
        State.SECURE: frozenset(
            {Doing.DIAGNOSE, Doing.LOOK, Doing.AUTHORISE, Doing.SET, Doing.FORM_KEYS, Doing.LOAD_MASTER_KEYS}
        ),
    }
)
"""What each state permits."""

LONGEST_AUTHORISATION_S = 12 * 3600
"""A working day: what is still authorised the next morning was forgotten."""

Clock = Callable[[], float]
"""Seconds that only grow, as :func:`time.monotonic` gives them."""


class States:
    """The state of one unit and the activities authorised in it."""

    __slots__ = ("_clock", "_until", "activities", "state")

    def __init__(self, clock: Clock, activities: Collection[str], state: State = State.ONLINE) -> None:
        """``activities`` are those that exist; none is authorised at the start."""
        self._clock = clock
        self._until: dict[str, float] = {}
        self.activities = frozenset(activities)
        self.state = state

    def turn(self, turn: Turn) -> State:
        """Turn the key switch; :class:`Refused` where it does not turn so."""
        found = TRANSITIONS.get((self.state, turn))
        if found is None:
            raise Refused(Reason.NOT_AUTHORISED)
        self.state = found
        return found

    def demand(self, doing: Doing) -> None:
        """Refuse what the state does not permit."""
        if doing not in PERMITTED[self.state]:
            raise Refused(Reason.NOT_AUTHORISED)

    def authorise(self, activity: str, seconds: float) -> None:
        """Authorise an activity for a time from now; a longer authorisation that runs is cut to this one."""
        if activity not in self.activities:
            raise ValueError(f"activity: one of {', '.join(sorted(self.activities))} expected")
        if not 0 < seconds <= LONGEST_AUTHORISATION_S:
            raise ValueError(f"an activity is authorised for at most {LONGEST_AUTHORISATION_S // 3600} hours")
        self._until[activity] = self._clock() + seconds

    def cancel(self, activity: str | None = None) -> tuple[str, ...]:
        """End one authorisation, or all; gives those that were running."""
        ended = tuple(name for name in self.authorised() if activity in (None, name))
        for name in tuple(self._until) if activity is None else (activity,):
            self._until.pop(name, None)
        return ended

    def permits(self, activity: str) -> bool:
        """Whether the activity is authorised at this moment."""
        until = self._until.get(activity)
        return until is not None and self._clock() < until

    def authorised(self) -> dict[str, float]:
        """What is authorised, and for how many seconds more."""
        now = self._clock()
        return {name: until - now for name, until in sorted(self._until.items()) if now < until}
