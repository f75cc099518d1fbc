# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a trial is, and where they are kept: a random case of a command, judged by other people's code. No test.

A trial draws one case in a :class:`World` and says what the unit must answer. The values come from psec, pyemv, pydukpt
or OpenSSL (through `cryptography` and Python), never from the unit. Where nobody else computes what a command does,
:data:`UNCHECKED` says so, for `docs/hsm-commands.md` to repeat.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.hsm_sim.world import FORMS, VARIANT, Form, World

Judge = Callable[[str], bool]
Expected = str | Judge
"""The whole answer behind the response code, or who judges it."""
Case = Callable[[World], tuple[str | bytes, Expected]]


@dataclass(frozen=True, slots=True)
class Trial:
    """How one command is tried."""

    case: Case
    by: str
    """Whose code computes the expected values."""
    forms: tuple[Form, ...]
    """The forms of key fields that the command takes."""


TRIALS: dict[str, Trial] = {}

UNCHECKED: dict[str, str] = {
    "NC": "the check value of an LMK is own: how a unit computes it is not public",
    "NO": "fixed values; nothing is computed",
    "N0": "random octets; only their number can be checked",
    "RA": "answers nothing; what it ends is tested with the states",
    "B2": "an echo; published answers and equality are all there is to check",
}
"""Commands that no other code can check, and why."""


def trial(code: str, by: str, forms: tuple[Form, ...] = FORMS) -> Callable[[Case], Case]:
    """Register how a command is tried."""

    def register(case: Case) -> Case:
        if code in TRIALS:
            raise ValueError(f"{code} has a trial")
        TRIALS[code] = Trial(case, by, forms)
        return case

    return register


VARIANT_ONLY = tuple(form for form in FORMS if not form.in_blocks)
NO_TAIL = tuple(form for form in FORMS if form.lmk == "00")
"""For commands whose last field goes on to the end: they know the default LMK only."""
NO_KEYS = (VARIANT,)


def by_code(code: str) -> Trial:
    """The trial of a command."""
    load()
    return TRIALS[code]


def load() -> dict[str, Trial]:
    """All trials."""
    from tests.hsm_sim import trials_cards, trials_data, trials_keys, trials_pins, trials_transport

    families = (trials_cards, trials_data, trials_keys, trials_pins, trials_transport)
    if not all(family.__name__ for family in families):
        raise AssertionError("a family is missing")
    return TRIALS
