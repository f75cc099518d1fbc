# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The SQLite file of one machine's head office: WAL, synchronous FULL, a thread of its own. Knows no terminal.

What :meth:`SqliteDatabase.write` returned from survives kill -9 and a power cut. Several processes may have it open:
one that ingests, and the commands beside it. A shard group is held by a lock on a file beside the database.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

from fleet_console.store.migrations import VERSION_TABLE, lacking
from fleet_console.store.port import Row, Stale, Step, StoreError, Taken, Unavailable, Value

T = TypeVar("T")
_SIZES = (512, 64, 8)  # rows of one statement; of 9 columns 512 are 4,608 of SQLite's 32,766 parameters
BUSY_S = 5.0  # how long a write waits for another process's; a commit of a thousand reports takes milliseconds


class SqliteDatabase:
    """A :class:`fleet_console.store.port.Database` in one file."""

    def __init__(self, path: Path) -> None:
        """Use :meth:`open`."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, "store")
        self._database: sqlite3.Connection | None = None
        self._held: dict[int, int] = {}
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> "SqliteDatabase":
        """Open or make the file and bring its schema up to date; raises :class:`StoreError` with the cure."""
        store = cls(path)
        try:
            await store._run(store._begin)
        except BaseException:
            await store.close()
            raise
        return store

    async def read(self, statement: str, *values: Value) -> list[Row]:
        """See the port."""
        return await self._run(lambda: self._open.execute(_numbered(statement), values).fetchall())

    async def write(self, steps: Sequence[Step], version: int | None = None) -> None:
        """See the port."""
        await self._run(lambda: self._write(steps, version))

    async def hold(self, group: int) -> bool:
        """See the port."""
        return await self._run(lambda: self._lock(group))

    async def close(self) -> None:
        """See the port."""

        def close() -> None:
            if self._database is not None:
                self._database.close()
            for descriptor in self._held.values():
                os.close(descriptor)
            self._held.clear()

        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, close)
            self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with self._faults():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._database is not None  # made by open()
        return self._database

    def _begin(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                # Only to make it, for its mode: closing a file that is there would drop this process's locks on it, and
                # with them what keeps another process from removing the log (sqlite.org, How To Corrupt, 2.2).
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as fault:
            raise Unavailable(f"{self._path}: {fault.strerror}", "check the folder's rights and space") from None
        self._database = sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_S)
        run = self._open.execute
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA wal_autocheckpoint = 4000")  # 16 MiB of log: pages that change often are copied less often
        run("PRAGMA foreign_keys = ON")
        with self._transaction():
            tables = {name for (name,) in run("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if tables and "schema_version" not in tables:
                raise StoreError(f"{self._path}: another program's database", "name a file of its own for `store`")
            run(VERSION_TABLE)
            version = run("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
            for migration in lacking("sqlite", version, str(self._path)):
                for statement in migration.statements:
                    run(statement)
                run("INSERT INTO schema_version VALUES (?)", (migration.version,))

    def _write(self, steps: Sequence[Step], version: int | None) -> None:
        with self._transaction():
            if version is not None and self._open.execute("SELECT version FROM register").fetchone()[0] != version:
                raise Stale
            for statement, rows in steps:
                self._run_with(statement, rows)

    def _run_with(self, statement: str, rows: Sequence[Row]) -> None:
        """Many rows at once where the statement allows it: the interpreter's lock is let go once for all of them."""
        start = 0
        for size in _SIZES:
            if len(rows) - start < size or (several := _several(statement, len(rows[0]), size)) is None:
                continue
            while len(rows) - start >= size:
                self._open.execute(several, list(chain.from_iterable(rows[start : start + size])))
                start += size
        self._open.executemany(_numbered(statement), rows[start:])

    def _lock(self, group: int) -> bool:
        if group in self._held:
            return True
        path = f"{self._path}.group{group}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise Unavailable(f"{path}: {fault.strerror}", "check the folder's rights and space") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._held[group] = descriptor
        return True

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._open.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._open.execute("COMMIT")
        except BaseException:
            if self._open.in_transaction:
                self._open.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as fault:
            if (fault.sqlite_errorname or "").startswith(("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")):
                raise Taken from None
            raise
        except sqlite3.Error as fault:
            name = getattr(fault, "sqlite_errorname", "") or type(fault).__name__
            for start, (what, hint) in _PASSING.items():
                if name.startswith(start):
                    raise Unavailable(f"{self._path}: {what} ({name})", hint) from None
            if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or _OTHER_TABLES.match(str(fault)):
                raise StoreError(f"{self._path}: not a sound database ({name})", "restore it from its copy") from None
            raise


@lru_cache
def _several(statement: str, width: int, count: int) -> str | None:
    """The statement with ``count`` rows of values instead of one; None where it is not a plain insertion."""
    row = f"VALUES ({', '.join(f'${number}' for number in range(1, width + 1))})"
    before, found, behind = statement.partition(row)
    if not found or "$" in before or "$" in behind:
        return None
    rows = ", ".join([f"({', '.join('?' * width)})"] * count)
    return f"{before}VALUES {rows}{behind}"


def _numbered(statement: str) -> str:
    """SQLite's own way of numbering parameters (sqlite.org, Binding Values)."""
    return statement.replace("$", "?")


_OTHER_TABLES = re.compile("no such (table|column)|table .* (already exists|has [0-9]+ columns)|too many columns")
"""SQLite's words where the tables are not those of our schema."""
_PASSING = {
    "SQLITE_FULL": ("the disk is full", "free some space; nothing was written"),
    "SQLITE_IOERR": ("the disk does not take it", "check space and the disk's health; nothing was written"),
    "SQLITE_BUSY": ("in use by another process", "end what keeps it locked"),
    "SQLITE_READONLY": ("read-only", "check the rights of the file and its folder"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check the rights of the file and its folder"),
}
"""SQLite's result codes by the beginning of their name: what to say, and the cure."""
