# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a terminal is there: its will, its boot, and the heartbeat that it promised. Keeps no row itself.

The will alone says too little: the broker of a dead line publishes it late, and that of an earlier life may come behind
the reports of a later one. So it counts only for the latest boot, and a terminal that says nothing until its deadline
is called silent, will or none.
"""

from enum import StrEnum

from fleet_console.store.port import Row
from fleet_console.stories import Story
from protocols.telemetry.envelope import WILL_SEQ, Report

FIRST_EVERY_S = 60  # until a heartbeat has said how long the next one may take
LONGEST_EVERY_S = 86_400  # whoever promises a later one still counts as silent in the end
MISSED = 3  # so many heartbeats may be lost before a terminal counts as silent
KEEP = (
    "INSERT INTO terminal_latest VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (terminal) DO UPDATE SET "
    "boot = excluded.boot, seq = excluded.seq, event = excluded.event, at_ms = excluded.at_ms, "
    "heard_ms = excluded.heard_ms, presence = excluded.presence, deadline_ms = excluded.deadline_ms "
    "WHERE excluded.boot >= terminal_latest.boot"
)


class Presence(StrEnum):
    """What is known of a terminal's presence."""

    ONLINE = "online"
    LOST = "lost"
    """Its connection ended without a word."""
    STOPPED = "stopped"
    """It said that it was stopping."""
    SILENT = "silent"
    """It has missed its heartbeats."""
    NEVER = "never heard"


def note(report: Report, story: Story) -> None:
    """Remember how long a terminal says that the next heartbeat may take."""
    if report.event.name == "agent.heartbeat":
        story.every_s = max(1, min(int(report.event.fields["every_s"]), LONGEST_EVERY_S))


def row(report: Report, story: Story, now_ms: int) -> Row:
    """The terminal's latest row after a report."""
    event = report.event
    state = Presence.ONLINE
    if report.seq == WILL_SEQ:
        state = Presence.LOST
    elif event.name == "agent.stopping":
        state = Presence.STOPPED
    deadline = now_ms + MISSED * (story.every_s or FIRST_EVERY_S) * 1_000
    return report.terminal, report.boot, report.seq, event.name, event.at_ms, now_ms, state.value, deadline


def now(kept: str | None, deadline_ms: int | None, now_ms: int) -> Presence:
    """The presence at this moment of a terminal whose row says ``kept``."""
    if kept is None or deadline_ms is None:
        return Presence.NEVER
    state = Presence(kept)
    return Presence.SILENT if state is Presence.ONLINE and now_ms > deadline_ms else state
