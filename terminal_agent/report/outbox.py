# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: every report is on disk before it is sent, numbered, linked and bounded. Sends nothing.

One SQLite file in WAL mode with synchronous FULL: what :meth:`Outbox.put` returned survives kill -9 and a power cut.

Each opening is a boot, and its epoch only grows, over a lost file too: it is the larger of the last epoch plus one and
the wall clock. Within a boot, ``seq`` counts from 1; ``prev`` links every report to the one before it, across boots.

A broker's acknowledgement is not durability: a broker that dies forgets what it had not yet handed on. So the last
:data:`KEPT` reports that were sent stay here, and :meth:`Outbox.rewind` offers them again to a broker that has lost its
memory. Whoever receives knows a report by (terminal, boot, seq).

The outbox follows the audit log: with every report it keeps, in the same stroke, how far in that log it has come
(:attr:`Outbox.anchor`, the log's head in text). Whoever died between the two finds from it what is missing here.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protocols.errors import EncodeError
from protocols.telemetry.envelope import Report, encode, genesis, report_hash
from protocols.telemetry.events import KINDS, Event, Lane, make
from protocols.telemetry.ranges import ranges_of, texts
from protocols.telemetry.topics import report_topic
from terminal_agent.report.settings import OutboxError

KEPT = 500  # reports; about 200 KB, several minutes of a busy terminal
CARRIED = 64  # sent marks that may wait for the next write: after a crash so many are sent twice at most
_VERSION = 2
_FOLLOWING = "ALTER TABLE story ADD COLUMN anchor TEXT NOT NULL DEFAULT ''"  # what version 2 added
_SCHEMA = """
CREATE TABLE report (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    boot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    lane TEXT NOT NULL,
    octets BLOB NOT NULL
);
CREATE TABLE story (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    terminal TEXT NOT NULL,
    boot INTEGER NOT NULL,
    prev TEXT NOT NULL,
    sent INTEGER NOT NULL
);
"""
_LEAST_FIRST = tuple(reversed(Lane))  # what a full outbox drops first


@dataclass(frozen=True, slots=True)
class Row:
    """A report that waits. ``number`` is its place in this file, for :meth:`Outbox.done`."""

    number: int
    boot: int
    seq: int
    topic: str
    octets: bytes


class Outbox:
    """What one terminal has to tell. Belongs to one process and one thread; a second opening is refused."""

    def __init__(self, database: sqlite3.Connection, path: Path, terminal: str, rows: int) -> None:
        """Use :meth:`open`."""
        self._database = database
        self._path = path
        self._terminal = terminal
        self._limit = rows
        self._written_sent = 0
        self.boot = 0
        self.seq = 0
        self.anchor = ""
        """The head of the audit log behind the record that was kept last, as text; empty before the first."""
        self._prev = ""
        self._sent = 0
        self._rows = 0
        self.on_put: Callable[[], None] | None = None
        """Called after each report that is kept."""

    @classmethod
    def open(cls, path: Path, terminal: str, *, opened_at_ms: int, rows: int = 20_000) -> "Outbox":
        """Open or make the outbox of ``terminal`` and begin a new boot; raises :class:`OutboxError` with the cure."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as fault:
            raise OutboxError(f"outbox {path}: {fault.strerror}", "check the folder's rights and space") from None
        database = sqlite3.connect(path, isolation_level=None, timeout=0)
        outbox = cls(database, path, terminal, rows)
        try:
            with outbox._faults():
                outbox._begin(opened_at_ms)
        except BaseException:
            database.close()
            raise
        return outbox

    def put(self, event: Event, anchor: str = "") -> int:
        """Keep one event durably and return its ``seq``; raises :class:`OutboxError` where that is not possible.

        ``anchor``: the head of the audit log behind this event's record, kept along with it.
        """
        with self._faults(), self._transaction():
            if self._rows >= self._limit:
                self._make_room(event.at_ms)
            seq = self._append(event)
            if anchor:
                self._follow(anchor)
        if self.on_put is not None:
            self.on_put()
        return seq

    def begin_at(self, anchor: str) -> None:
        """Follow the audit log from ``anchor`` on: what is before it is not reported."""
        with self._faults(), self._transaction():
            self._follow(anchor)

    def pending(self, limit: int = 100) -> list[Row]:
        """The oldest reports that wait, in their order."""
        with self._faults():
            found = self._database.execute(
                "SELECT number, boot, seq, lane, octets FROM report WHERE number > ? ORDER BY number LIMIT ?",
                (self._sent, limit),
            ).fetchall()
        return [
            Row(number, boot, seq, report_topic(self._terminal, Lane(lane)), octets)
            for number, boot, seq, lane, octets in found
        ]

    @property
    def waiting(self) -> int:
        """How many reports wait."""
        with self._faults():
            return int(
                self._database.execute("SELECT count(*) FROM report WHERE number > ?", (self._sent,)).fetchone()[0]
            )

    def done(self, number: int) -> None:
        """All reports up to ``number`` are with the broker. Written along with the next report, or after a few."""
        self._sent = max(self._sent, number)
        if self._sent - self._written_sent >= CARRIED:
            self.flush()

    def rewind(self) -> int:
        """The broker lost its memory: the reports still kept wait again. Returns how many there are."""
        before = self.waiting
        self._sent = 0
        self.flush()
        return self.waiting - before

    def flush(self) -> None:
        """Write what :meth:`done` carried, and drop what needs no longer be kept."""
        with self._faults(), self._transaction():
            self._database.execute("UPDATE story SET sent = ?", (self._sent,))
            gone = self._database.execute("DELETE FROM report WHERE number <= ?", (self._sent - KEPT,)).rowcount
            self._rows -= gone
            self._written_sent = self._sent

    def close(self) -> None:
        """Write what is carried and close the file."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _begin(self, opened_at_ms: int) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")  # one writer: no shared memory file, and a second agent is refused
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        version = run("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise OutboxError(
                f"outbox {self._path}: version {version}, {_VERSION} expected", "use the agent that wrote it"
            )
        run("BEGIN IMMEDIATE")
        if version == 0:
            for statement in _SCHEMA.split(";"):
                run(statement)
            run("INSERT INTO story VALUES (1, ?, 0, ?, 0)", (self._terminal, genesis(self._terminal)))
        if version < _VERSION:
            run(_FOLLOWING)
            run(f"PRAGMA user_version = {_VERSION}")
        terminal, boot, self._prev, self._sent, self.anchor = run(
            "SELECT terminal, boot, prev, sent, anchor FROM story"
        ).fetchone()
        if terminal != self._terminal:
            run("ROLLBACK")
            raise OutboxError(
                f"outbox {self._path}: belongs to another terminal", "give each terminal its own state folder"
            )
        self.boot = max(boot + 1, opened_at_ms)
        run("UPDATE story SET boot = ?", (self.boot,))
        run("COMMIT")
        self._written_sent = self._sent
        self._rows = run("SELECT count(*) FROM report").fetchone()[0]

    def _append(self, event: Event) -> int:
        seq = self.seq + 1
        try:
            octets = encode(Report(self._terminal, self.boot, seq, self._prev, event))
        except EncodeError as fault:
            raise OutboxError(f"a report cannot be written: {fault}", "this is a fault of the agent") from None
        prev = report_hash(octets)
        self._database.execute(
            "INSERT INTO report (boot, seq, lane, octets) VALUES (?, ?, ?, ?)",
            (self.boot, seq, KINDS[event.name].lane.value, octets),
        )
        self._database.execute("UPDATE story SET prev = ?, sent = ?", (prev, self._sent))
        self.seq, self._prev, self._rows, self._written_sent = seq, prev, self._rows + 1, self._sent
        return seq

    def _follow(self, anchor: str) -> None:
        self._database.execute("UPDATE story SET anchor = ?", (anchor,))
        self.anchor = anchor

    def _make_room(self, at_ms: int) -> None:
        """Forget what was sent; then drop the oldest of the least lane that has any, and say so in a report."""
        share = max(2, self._limit // 100)
        gone = self._database.execute("DELETE FROM report WHERE number <= ?", (self._sent,)).rowcount
        self._rows -= gone
        for lane in _LEAST_FIRST:
            if gone >= share:
                return
            dropped = self._database.execute(
                "SELECT number, boot, seq FROM report WHERE lane = ? ORDER BY number LIMIT ?",
                (lane.value, share - gone),
            ).fetchall()
            if not dropped:
                continue
            self._database.execute("DELETE FROM report WHERE lane = ? AND number <= ?", (lane.value, dropped[-1][0]))
            gone += len(dropped)
            self._rows -= len(dropped)
            for boot in sorted({row[1] for row in dropped}):
                for count, ranges in texts(ranges_of(row[2] for row in dropped if row[1] == boot)):
                    back = self.boot - boot
                    fields = {"count": count, "lane": lane.value, "epoch_back": back, "ranges": ranges}
                    self._append(make("report.dropped", at_ms, **fields))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, on disk and in memory."""
        before = (self.seq, self._prev, self._rows, self._written_sent, self.anchor)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self.seq, self._prev, self._rows, self._written_sent, self.anchor = before
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as fault:
            name = getattr(fault, "sqlite_errorname", "") or ""
            what, hint = next(
                (words for start, words in _FAULTS.items() if name.startswith(start)),
                ("cannot be used", "move it away; the audit log keeps what it held"),
            )
            raise OutboxError(f"outbox {self._path}: {what} ({name or type(fault).__name__})", hint) from None


_FAULTS = {
    "SQLITE_FULL": ("the disk is full", "free some space; nothing was written"),
    "SQLITE_IOERR": ("the disk does not take it", "check space, limits and the disk's health; nothing was written"),
    "SQLITE_BUSY": ("in use by another process", "only one terminal-agent may run for a terminal"),
    "SQLITE_READONLY": ("read-only", "check the rights of the file and its folder"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check the rights of the file and its folder"),
    "SQLITE_NOTADB": ("is not an outbox", "move it away; the audit log keeps what it held"),
    "SQLITE_CORRUPT": ("damaged", "move it away; the audit log keeps what it held"),
}
"""SQLite's result codes by the beginning of their name: what to say, and the cure."""
