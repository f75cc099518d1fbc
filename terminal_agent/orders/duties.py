# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal still does when it has heard nothing from head office for long: a table, and why. Stops nothing.

Being cut off is no crime: a shop without a line keeps selling, as far as its acquirer allows. What ends is what nobody
could take back any more: an order, an exception, a grant. The table is what docs/reporting.md shows and what the tests
of each part hold it to.
"""

from dataclasses import dataclass
from enum import StrEnum


class Absence(StrEnum):
    """How the terminal is cut off."""

    DAY = "1 day"
    WEEK = "7 days"
    MONTHS = "60 days"
    EXPIRED = "its certificate has expired"


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that a terminal does, whether it still does it, and why."""

    name: str
    done: frozenset[Absence]
    """The absences in which it is still done."""
    why: str
    shown_by: str
    """The test that holds it to this line."""


ALWAYS = frozenset(Absence)

DUTIES = (
    Duty(
        "take payments online",
        ALWAYS,
        "the acquirer decides about each; its line and certificate are its own",
        "tests/flows/test_absence.py::test_payments_go_on",
    ),
    Duty(
        "record every event in the audit log",
        ALWAYS,
        "the log needs nobody; without room for it payments stop",
        "tests/flows/test_absence.py::test_payments_go_on",
    ),
    Duty(
        "keep every alert for head office",
        ALWAYS,
        "in the outbox, and when its lane is full in the audit log",
        "tests/terminal_agent/flows/test_absence.py::test_alerts_are_kept",
    ),
    Duty(
        "keep bulk reports for head office",
        frozenset({Absence.DAY, Absence.WEEK, Absence.EXPIRED}),
        "the lane holds more than a week of one report every ten seconds; then the oldest go, and that is told",
        "tests/terminal_agent/flows/test_absence.py::test_bulk_is_kept_as_long_as_said",
    ),
    Duty(
        "stay locked or frozen when it was",
        ALWAYS,
        "cutting the line must not open what two persons closed",
        "tests/terminal_agent/flows/test_absence.py::test_a_locked_terminal_stays_locked",
    ),
    Duty(
        "carry out an order that was signed before",
        frozenset({Absence.DAY}),
        "until its end and not a second longer: 7 days at the most, and most of them minutes",
        "tests/terminal_agent/flows/test_absence.py::test_an_order_of_before_holds_until_its_end",
    ),
    Duty(
        "keep the confirmed policy of the USB ports in force",
        ALWAYS,
        "told as stale behind its end: an end keeps an old policy from coming back, and must not switch off a till",
        "tests/terminal_agent/flows/test_absence.py::test_the_policy_stays_and_exceptions_end",
    ),
    Duty(
        "let an exception of the USB ports hold",
        frozenset({Absence.DAY}),
        "until its end, 72 hours at most, and not a second longer",
        "tests/terminal_agent/flows/test_absence.py::test_the_policy_stays_and_exceptions_end",
    ),
    Duty(
        "report once there is a line again",
        ALWAYS - {Absence.EXPIRED},
        "with an expired certificate no broker lets it in: status says that it must be renewed",
        "tests/terminal_agent/flows/test_absence.py::test_it_reports_again_unless_its_certificate_expired",
    ),
    Duty(
        "know the time",
        ALWAYS,
        "never before the latest time it trusted; a jump of the wall clock is told, and head office corrects it",
        "tests/terminal_agent/flows/test_absence.py::test_the_time_never_falls_behind",
    ),
)
