# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox's SQLite file: its tables, and how a file of an older version becomes one of this. Keeps no report.

Version 1 knew no audit log; version 2 counted what a broker had taken as done. Since version 3 a report stays until
head office's receipt, so a file of version 2 gives up everything that it still holds to be sent (again), and its
reports are written anew as version 2 of the wire. A report's ``prev`` is the hash of the octets before it, so the links
are made anew as well, from the oldest on; boot, number, event and time stay.
"""

import json
import sqlite3
from collections.abc import Callable

from protocols.telemetry.envelope import Report, encode, genesis, report_hash
from protocols.telemetry.events import KINDS, Event, Lane, check

VERSION = 3
LANES = tuple(Lane)
"""A lane's number in the file is its place here: the most urgent first."""
_FIRST = (
    """CREATE TABLE report (number INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
       lane TEXT NOT NULL, octets BLOB NOT NULL)""",
    """CREATE TABLE story (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), terminal TEXT NOT NULL,
       boot INTEGER NOT NULL, prev TEXT NOT NULL, sent INTEGER NOT NULL)""",
)
_SECOND = ("ALTER TABLE story ADD COLUMN anchor TEXT NOT NULL DEFAULT ''",)
_THIRD = (
    """CREATE TABLE spool (boot INTEGER NOT NULL, seq INTEGER NOT NULL, lane INTEGER NOT NULL, octets BLOB NOT NULL,
       PRIMARY KEY (boot, seq)) WITHOUT ROWID""",
    "CREATE INDEX spool_lane ON spool (lane, boot, seq)",
    # How far each lane was handed to a broker that took it: what to begin with, not what is done.
    """CREATE TABLE handed (lane INTEGER PRIMARY KEY, boot INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID""",
    "INSERT INTO handed VALUES (0, -1, 0), (1, -1, 0), (2, -1, 0), (3, -1, 0)",
    # The serial of the last receipt that was believed: an older one says nothing.
    "ALTER TABLE story ADD COLUMN receipt INTEGER NOT NULL DEFAULT -1",
    "ALTER TABLE story DROP COLUMN sent",
)

Run = Callable[..., sqlite3.Cursor]


def bring_up(run: Run, version: int, terminal: str) -> None:
    """Make the tables, or change those of an older version, within the caller's transaction."""
    if version < 1:
        for statement in _FIRST:
            run(statement)
        run("INSERT INTO story VALUES (1, ?, 0, ?, 0)", (terminal, genesis(terminal)))
    if version < 2:
        for statement in _SECOND:
            run(statement)
    if version < 3:
        for statement in _THIRD:
            run(statement)
        _rewrite(run)
        run("DROP TABLE report")
    run(f"PRAGMA user_version = {VERSION}")


def _rewrite(run: Run) -> None:
    """The reports of version 2 as they are now; an event that no longer fits its kind is left to the audit log.

    Where that leaves a gap, head office asks for it and is told that it was dropped.
    """
    terminal, prev = run("SELECT terminal, prev FROM story").fetchone()
    fresh: str | None = None
    for boot, seq, octets in run("SELECT boot, seq, octets FROM report ORDER BY number").fetchall():
        document = json.loads(octets)
        event = Event(document["event"], document["at"], document["fields"])
        if check(event):
            continue
        written = encode(Report(terminal, boot, seq, fresh or document["prev"], event))
        fresh = report_hash(written)
        lane = LANES.index(KINDS[event.name].lane)
        run("INSERT INTO spool VALUES (?, ?, ?, ?)", (boot, seq, lane, written))
    run("UPDATE story SET prev = ?", (fresh or prev,))
