# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What follows from what a terminal's story shows: recorded and said; a copy is isolated. Finds nothing itself."""

from collections.abc import Callable, Mapping

from fleet_console import office_audit, register
from fleet_console.desk import Found
from fleet_console.register import State
from fleet_console.store.port import Database

Say = Callable[[str, Mapping[str, object], str], None]
"""An event's name, its fields, and words for a person."""
Contain = Callable[[str], None]
"""Has a terminal barred at the broker, and waits for nothing: see cordon.py."""


async def act(found: Found, database: Database, now_ms: int, contain: Contain | None, say: Say) -> None:
    """Record it, say it, and isolate what can only be two machines; without ``contain`` it is recorded and said only.

    The store comes first: from that commit on no report of the terminal is taken, whatever the broker does.
    """
    fields: dict[str, str | int | bool] = {
        "terminal": found.terminal, "boot": found.boot, "seq": found.seq, "finding": found.finding.value,
    }  # fmt: skip
    isolate = found.finding.is_clone and contain is not None
    reason = f"two machines bear its name: {found.finding.value} at boot {found.boot}, report {found.seq}"
    steps = register.change(found.terminal, State.ISOLATED, reason, now_ms) if isolate else []
    await office_audit.append(database, now_ms, "terminal.isolated" if isolate else "terminal.finding", fields, steps)
    say("finding", fields, f"{found.terminal}: {found.finding.value} at boot {found.boot}, {found.seq}")
    if isolate and contain is not None:
        say("isolated", {"terminal": found.terminal, "reason": reason}, f"{found.terminal} isolated: {reason}")
        contain(found.terminal)
