# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Batches: how many of the reports that wait go into one, and those on their way. Signs and sends none."""

import asyncio
from dataclasses import dataclass

from protocols.telemetry.batch import LARGEST_BODY
from protocols.telemetry.events import Lane
from terminal_agent.report.outbox import Place, Row


def fitting(rows: list[Row]) -> list[Row]:
    """As many of the first rows as a batch holds, of one boot."""
    octets, taken = 0, []
    for row in rows:
        octets += len(row.octets) + 1
        if octets > LARGEST_BODY or row.boot != rows[0].boot:
            break
        taken.append(row)
    return taken


@dataclass(slots=True)
class Flight:
    """A batch on its way. ``until``: the place that the broker has taken with it; None for one that is sent again."""

    lane: Lane
    until: Place | None
    answer: "asyncio.Future[int]"
    since: float


@dataclass(slots=True)
class Turn:
    """One look at everything that waits: how many batches may leave, when something is due, whether nothing is left.

    ``reserve``: places that are kept for alerts.
    """

    now: float
    room: int
    due: float
    reserve: int
    clear: bool = True
