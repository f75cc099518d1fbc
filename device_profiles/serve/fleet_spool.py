# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The spools of a simulated fleet in one SQLite file: on disk before it is sent, there until it is receipted."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from device_profiles.twins.fleet_terminal import Kept
from protocols.telemetry.events import Lane

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    terminal TEXT, boot INTEGER, seq INTEGER, lane TEXT, octets BLOB, PRIMARY KEY (terminal, boot, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads (terminal TEXT PRIMARY KEY, boot INTEGER, prev TEXT) WITHOUT ROWID;
"""


class FleetSpool:
    """One file for all terminals. What :meth:`keep` returned from survives kill -9."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)

    def begin(self, terminal: str, boot: int) -> tuple[int, str | None, list[Kept]]:
        """A new life: its boot, the hash that it follows, and what the lives before have left."""
        found = self._database.execute("SELECT boot, prev FROM heads WHERE terminal = ?", (terminal,)).fetchone()
        begins = max(boot, found[0] + 1) if found else boot
        rows = self._database.execute(
            "SELECT boot, seq, lane, octets FROM spool WHERE terminal = ? ORDER BY boot, seq", (terminal,)
        )
        return begins, found[1] if found else None, [Kept(b, seq, Lane(lane), octets) for b, seq, lane, octets in rows]

    def keep(self, terminal: str, made: Iterable[Kept], boot: int, prev: str) -> None:
        """Reports, and the hash that the next one follows: all or nothing."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO spool VALUES (?, ?, ?, ?, ?)",
            [(terminal, one.boot, one.seq, one.lane.value, one.octets) for one in made],
        )
        self._database.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", (terminal, boot, prev))
        self._database.execute("COMMIT")

    def trim(self, terminal: str, gone: Iterable[Kept]) -> None:
        """A receipt names these."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "DELETE FROM spool WHERE terminal = ? AND boot = ? AND seq = ?",
            [(terminal, one.boot, one.seq) for one in gone],
        )
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
