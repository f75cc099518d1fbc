# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How many of the reports that wait go into one batch. Signs and sends none."""

from protocols.telemetry.batch import LARGEST_BODY
from terminal_agent.report.outbox import Row


def fitting(rows: list[Row]) -> list[Row]:
    """As many of the first rows as a batch holds, of one boot."""
    octets, taken = 0, []
    for row in rows:
        octets += len(row.octets) + 1
        if octets > LARGEST_BODY or row.boot != rows[0].boot:
            break
        taken.append(row)
    return taken
