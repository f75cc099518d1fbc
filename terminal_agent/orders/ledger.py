# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What must survive of orders, on disk before anything is done: the floor, the persons, the standing. Believes nobody.

One SQLite file in WAL mode with synchronous FULL. An order is written down as begun before it is carried out, and
struck off behind it, so an agent that dies between the two knows at its next start that it must not do it again, and
tells that nobody knows how far it came.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.signed import Floor, Trust
from protocols.telemetry.orders import read_trust
from terminal_agent.errors import AgentError
from terminal_agent.orders.standing import Standing

ANSWERED_KEPT = 100  # orders whose digest is remembered, to tell one that comes again from one that comes late
_VERSION = 1
_SCHEMA = """
CREATE TABLE ledger (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    terminal TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    digest TEXT NOT NULL,
    standing TEXT NOT NULL,
    begun TEXT NOT NULL,
    begun_command TEXT NOT NULL,
    begun_persons TEXT NOT NULL,
    trust TEXT NOT NULL,
    trust_version INTEGER NOT NULL,
    trust_digest TEXT NOT NULL
);
CREATE TABLE answered (sequence INTEGER PRIMARY KEY, digest TEXT NOT NULL);
"""


class LedgerError(AgentError):
    """The ledger of orders cannot be read or written: no order is carried out."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An order that was begun and not ended."""

    id: str
    command: str
    sequence: int
    persons: str


class Ledger:
    """One terminal's ledger. One process, one thread."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        """Use :meth:`open`."""
        self._database = database
        self._path = path

    @classmethod
    def open(cls, path: Path, terminal: str) -> "Ledger":
        """Open or make the ledger of ``terminal``."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as fault:
            raise LedgerError(f"orders {path}: {fault.strerror}", "check the folder's rights and space") from None
        ledger = cls(sqlite3.connect(path, isolation_level=None, timeout=0), path)
        try:
            with ledger._faults():
                ledger._begin(terminal)
        except BaseException:
            ledger._database.close()
            raise
        return ledger

    @property
    def floor(self) -> Floor | None:
        """The order that was believed last; None before the first."""
        sequence, digest = self._one("sequence, digest")
        return Floor(sequence, digest) if digest else None

    @property
    def standing(self) -> Standing:
        """What the terminal may do."""
        return Standing(self._one("standing")[0])

    @property
    def begun(self) -> Begun | None:
        """The order that an earlier run began and did not end."""
        found = self._one("begun, begun_command, sequence, begun_persons")
        return Begun(*found) if found[0] else None

    @property
    def trust(self) -> tuple[Trust, Floor] | None:
        """The list of persons that was exchanged last; None where it is still the profile's."""
        body, version, digest = self._one("trust, trust_version, trust_digest")
        return (read_trust(body), Floor(version, digest)) if body else None

    def answered(self, digest: str) -> bool:
        """Whether this very order was believed before, as far as is remembered."""
        with self._faults():
            return self._database.execute("SELECT 1 FROM answered WHERE digest = ?", (digest,)).fetchone() is not None

    def begin(self, floor: Floor, identifier: str, command: str, persons: str) -> None:
        """Raise the floor: this order is believed, and never again."""
        with self._transaction() as run:
            run(
                "UPDATE ledger SET sequence = ?, digest = ?, begun = ?, begun_command = ?, begun_persons = ?",
                (floor.version, floor.digest, identifier, command, persons),
            )
            run("INSERT INTO answered VALUES (?, ?)", (floor.version, floor.digest))
            run("DELETE FROM answered WHERE sequence <= ?", (floor.version - ANSWERED_KEPT,))

    def end(self) -> None:
        """The order that was begun has its answer. Survives kill -9; a power cut may forget it, and it is told again.

        What must not be forgotten, the floor, was synced before; so the answer's way is not held up by another sync.
        """
        with self._faults():
            self._database.execute("PRAGMA synchronous = NORMAL")
        try:
            with self._transaction() as run:
                run("UPDATE ledger SET begun = '', begun_command = '', begun_persons = ''")
        finally:
            with self._faults():
                self._database.execute("PRAGMA synchronous = FULL")

    def stand(self, standing: Standing) -> None:
        """Keep a new standing."""
        with self._transaction() as run:
            run("UPDATE ledger SET standing = ?", (standing.value,))

    def keep_trust(self, body: str, floor: Floor) -> None:
        """Keep a new list of persons."""
        with self._transaction() as run:
            run("UPDATE ledger SET trust = ?, trust_version = ?, trust_digest = ?", (body, floor.version, floor.digest))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _begin(self, terminal: str) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        version = run("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise LedgerError(f"orders {self._path}: version {version}, {_VERSION} expected", "use the agent of then")
        run("BEGIN IMMEDIATE")
        if version == 0:
            for statement in _SCHEMA.split(";"):
                run(statement)
            run("INSERT INTO ledger VALUES (1, ?, 0, '', 'open', '', '', '', '', 0, '')", (terminal,))
            run(f"PRAGMA user_version = {_VERSION}")
        run("COMMIT")
        if self._one("terminal")[0] != terminal:
            raise LedgerError(f"orders {self._path}: of another terminal", "give each terminal its own state folder")

    def _one(self, columns: str) -> tuple[Any, ...]:
        """The one row; ``columns`` is one of this module's own texts."""
        with self._faults():
            found: tuple[Any, ...] = self._database.execute(f"SELECT {columns} FROM ledger").fetchone()  # noqa: S608
        return found

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with self._faults():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database.execute
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as fault:
            name = getattr(fault, "sqlite_errorname", "") or type(fault).__name__
            raise LedgerError(
                f"orders {self._path}: cannot be used ({name})",
                "free space, or restore the file; without it this terminal takes no orders",
            ) from None
