# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The journal's file: SQLite on disk before a call returns, its tables by version, its faults in words. No rule of it.

WAL with synchronous FULL, locked for one process from the first transaction until it is closed. A database of an older
version is brought up to date at opening, in one transaction; one of a newer version is left alone.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from terminal_agent.host.port import JournalError, JournalFull

ROOM_NEEDED = 8 << 20  # octets: the write-ahead log (1,000 pages of 4 KiB) twice, so that an answer always finds room

_FIRST = """
CREATE TABLE trace_number (one INTEGER PRIMARY KEY CHECK (one = 1), stan INTEGER NOT NULL);
INSERT INTO trace_number VALUES (1, 0);
CREATE TABLE exchange (
    ref INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL,
    mti INTEGER NOT NULL, stan INTEGER NOT NULL, transmitted TEXT NOT NULL,
    processing_code TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL, reference TEXT NOT NULL,
    masked_pan TEXT NOT NULL,
    response_code TEXT NOT NULL DEFAULT '', approval TEXT NOT NULL DEFAULT '',
    reason TEXT, reversal_stan INTEGER, reversal_transmitted TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, reversal_code TEXT NOT NULL DEFAULT ''
);
CREATE INDEX exchange_by_state ON exchange (state);
"""
_PAYMENTS = """
CREATE TABLE payment (
    number INTEGER PRIMARY KEY, amount INTEGER NOT NULL, currency TEXT NOT NULL, began_ms INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX payment_open ON payment (number) WHERE ended = 0;
ALTER TABLE exchange ADD COLUMN payment INTEGER;
ALTER TABLE exchange ADD COLUMN ksn TEXT NOT NULL DEFAULT '';
CREATE INDEX exchange_by_payment ON exchange (payment);
CREATE TABLE untold (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL
);
CREATE TABLE advice (
    ref INTEGER PRIMARY KEY AUTOINCREMENT, payment INTEGER NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, code TEXT NOT NULL,
    stan INTEGER NOT NULL, at TEXT NOT NULL, reference TEXT NOT NULL, sealed BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX advice_owed ON advice (ref) WHERE answer = '';
"""
SCHEMA = (_FIRST, _PAYMENTS)
"""What each version added. The version of a database is how many of these it has."""


def free_octets(folder: Path) -> int:
    """What an unprivileged process may still write to the disk of ``folder``."""
    return shutil.disk_usage(folder).free


class JournalFile:
    """An open journal file. Every fault of SQLite comes out as :class:`JournalError`, which quotes no row."""

    def __init__(self, path: Path, database: sqlite3.Connection, free: Callable[[Path], int]) -> None:
        self.path = path
        self.run = database.execute
        self._database = database
        self._free = free

    @classmethod
    def open(cls, path: Path, free: Callable[[Path], int] = free_octets) -> "JournalFile":
        """Open or make the file; raises :class:`JournalError`, sent False."""
        try:
            path.touch(mode=0o600, exist_ok=True)
            database = sqlite3.connect(path, timeout=0.2, isolation_level=None)
        except (OSError, sqlite3.Error):
            what = f"{path}: the journal cannot be opened"
            raise JournalError(what, "check the folder and its rights", sent=False) from None
        file = cls(path, database, free)
        try:
            with file.in_words("opened"):
                file._prepare()
        except JournalError:
            database.close()
            raise
        return file

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def require_room(self) -> None:
        """Raises :class:`JournalFull` where a payment that begins now might not find room to its end."""
        if self._free(self.path.parent) < ROOM_NEEDED:
            what = f"{self.path}: no room to record a payment; nothing was sent"
            raise JournalFull(what, f"free at least {ROOM_NEEDED >> 20} MiB on this disk", sent=False)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it is on the disk when the block ends, or nothing of it."""
        with self.in_words("written"):
            self.run("BEGIN IMMEDIATE")
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                self._rollback()
                raise

    @contextmanager
    def in_words(self, verb: str) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        fault: JournalError | None = None
        try:
            yield
        except sqlite3.Error as refused:
            name = getattr(refused, "sqlite_errorname", "")
            if name.startswith("SQLITE_FULL"):
                what = f"{self.path}: the disk is full; nothing was written"
                fault = JournalFull(what, f"free at least {ROOM_NEEDED >> 20} MiB on this disk", sent=False)
            elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                what = f"{self.path}: the journal is held by another agent"
                fault = JournalError(what, "stop the other one; two must not share a terminal identity", sent=False)
            else:
                what = f"{self.path}: the journal cannot be {verb} ({name or type(refused).__name__})"
                fault = JournalError(what, "payments stop; keep the file and restore the disk", sent=False)
        if fault is not None:
            raise fault

    def _prepare(self) -> None:
        # One agent at a time: the lock is taken with the first transaction and held until close.
        self.run("PRAGMA locking_mode = EXCLUSIVE")
        self.run("PRAGMA journal_mode = WAL")
        self.run("PRAGMA synchronous = FULL")
        self.run("PRAGMA secure_delete = ON")  # what was sealed and is wiped leaves no trace in the file
        self.run("BEGIN IMMEDIATE")
        try:
            (found,) = self.run("PRAGMA user_version").fetchone()
            if found > len(SCHEMA):
                what = f"{self.path}: written by a newer version ({found}, {len(SCHEMA)} known)"
                raise JournalError(what, "update terminal-agent", sent=False)
            for added in SCHEMA[found:]:
                for statement in added.split(";\n"):
                    self.run(statement)
            if found < len(SCHEMA):
                self.run(f"PRAGMA user_version = {len(SCHEMA)}")
            self.run("COMMIT")
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        if self._database.in_transaction:
            self.run("ROLLBACK")
