# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A new policy is tried before it is kept: the transitions, as a table. Reads no file, no clock.

A policy that was offered is in force at once, but only on trial. Whoever offered it confirms it, which proves that the
terminal can still be reached and operated under it. If nobody does in time, or the terminal starts anew, the policy
before is in force again, by itself. The floor below which no policy is taken rises with a confirmation, not before,
so that the way back stays open.
"""

from dataclasses import dataclass
from enum import StrEnum

SHORTEST_TRIAL_S = 10
LONGEST_TRIAL_S = 24 * 3600


class State(StrEnum):
    """What is in force."""

    NONE = "none"
    KEPT = "kept"
    TRIAL = "trial"
    FIRST_TRIAL = "first-trial"
    """A trial with nothing kept before it."""


class Input(StrEnum):
    """What may happen."""

    OFFER = "offer"
    CONFIRM = "confirm"
    TAKE_BACK = "take-back"
    TIME_UP = "time-up"
    RESTART = "restart"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.NONE, Input.OFFER): State.FIRST_TRIAL,
    (State.KEPT, Input.OFFER): State.TRIAL,
    (State.TRIAL, Input.CONFIRM): State.KEPT,
    (State.FIRST_TRIAL, Input.CONFIRM): State.KEPT,
    (State.TRIAL, Input.TAKE_BACK): State.KEPT,
    (State.FIRST_TRIAL, Input.TAKE_BACK): State.NONE,
    (State.TRIAL, Input.TIME_UP): State.KEPT,
    (State.FIRST_TRIAL, Input.TIME_UP): State.NONE,
    (State.TRIAL, Input.RESTART): State.KEPT,
    (State.FIRST_TRIAL, Input.RESTART): State.NONE,
    (State.NONE, Input.RESTART): State.NONE,
    (State.KEPT, Input.RESTART): State.KEPT,
}
"""Whatever is not here is refused: a second offer during a trial, a confirmation of nothing."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that runs: until when by the clock that never jumps, and in which run of the machine."""

    boot: str
    began_steady_s: float
    ends_steady_s: float

    def ended(self, boot: str, steady_s: float) -> Input | None:
        """What ends it, if anything does: the machine was started anew, or its time is up."""
        if boot != self.boot or steady_s < self.began_steady_s:
            return Input.RESTART
        return Input.TIME_UP if steady_s >= self.ends_steady_s else None


def step(state: State, happened: Input) -> State | None:
    """The state after it; None where it is refused."""
    return TRANSITIONS.get((state, happened))
