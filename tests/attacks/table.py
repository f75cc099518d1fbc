# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Gathers the attacks' findings, from this process or from workers, and ends the run with their table. Judges nothing.

A finding travels as a property of its test's report, which pytest-xdist carries over.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from tests.attacks.harness import Attack, Case, Verdict

PROPERTY = "attack"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    attack: str
    soft: str
    hardened: str
    alert: str
    fit: bool

    @classmethod
    def of(cls, attack: Attack, case: Case[Any], verdict: Verdict | None) -> "Row":
        """What a verdict reads like; None is an attack that broke off."""
        name = f"{attack.id} {attack.title}: {case.name}"
        if verdict is None:
            return cls(name, "broke off", "broke off", "-", False)
        return cls(
            name,
            "works" if verdict.soft.works else "FAILS",
            "WORKS" if verdict.hardened.works else "blocked",
            case.alert if verdict.hardened.alerted else "NONE",
            not verdict.faults,
        )

    def text(self) -> str:
        """For a report's property."""
        return json.dumps(asdict(self))


class Table:
    """A pytest plugin."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test found."""
        if report.when == "call":
            self._rows += [Row(**json.loads(str(text))) for name, text in report.user_properties if name == PROPERTY]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table, last of all."""
        if not self._rows:
            return
        terminalreporter.write_line("")
        for fit, line in lines(self._rows):
            terminalreporter.write_line(line, green=fit is True, red=fit is False)


def lines(rows: list[Row]) -> list[tuple[bool | None, str]]:
    """The table's lines, the head first; with each whether its attack counts, None for the head."""
    heads = ("attack", "soft", "hardened", "alert")
    ordered = sorted(rows, key=lambda row: (row.attack, row.soft, row.hardened))
    cells = [(row.attack, row.soft, row.hardened, row.alert) for row in ordered]
    widths = [max(len(line[column]) for line in (heads, *cells)) for column in range(len(heads))]
    fits: list[bool | None] = [None, *(row.fit for row in ordered)]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (heads, *cells)]
    return list(zip(fits, (text.rstrip() for text in texts), strict=True))
