# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The PostgreSQL database that several workers share: one connection each, by asyncpg. Knows no terminal.

A shard group is an advisory lock of the session (PostgreSQL 15, 13.3.5): the server gives it up when the connection
ends, and the reports are committed over that same connection, so that a worker that has lost its lock cannot commit.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import asyncpg

from fleet_console.store.migrations import VERSION_TABLE, lacking
from fleet_console.store.port import Row, Stale, Step, StoreError, Taken, Unavailable, Value
from tillguard.exits import Exit

LOCKS = 0x7467  # the first half of our advisory locks' keys; the second is the shard group
SCHEMA_LOCK = -1
CONNECT_S = 10.0
COMMAND_S = 60.0


class PostgresDatabase:
    """A :class:`fleet_console.store.port.Database` at an address ``postgresql://user@host/database``."""

    def __init__(self, connection: asyncpg.Connection, where: str) -> None:
        """Use :meth:`open`."""
        self._connection = connection
        self._where = where
        self._one_at_a_time = asyncio.Lock()
        self._held: set[int] = set()

    @classmethod
    async def open(cls, address: str) -> "PostgresDatabase":
        """Connect and bring the schema up to date; raises :class:`StoreError` with the cure."""
        try:
            parts = urlsplit(address)
            where = f"postgresql://{parts.hostname or ''}{parts.path}"
            parts.port  # noqa: B018  # reading it judges it
        except ValueError:
            raise StoreError("store: not an address", "postgresql://user@host:port/database", Exit.USAGE) from None
        if parts.password is not None or "password=" in parts.query:
            raise StoreError("store: a password in the address", "put it into ~/.pgpass (libpq's file)", Exit.USAGE)
        with _faults(where):
            connection = await asyncpg.connect(address, timeout=CONNECT_S, command_timeout=COMMAND_S)
        store = cls(connection, where)
        try:
            await store._migrate()
        except BaseException:
            await store.close()
            raise
        return store

    async def read(self, statement: str, *values: Value) -> list[Row]:
        """See the port."""
        async with self._one_at_a_time:
            with _faults(self._where):
                return [tuple(record) for record in await self._connection.fetch(statement, *values)]

    async def write(self, steps: Sequence[Step], version: int | None = None) -> None:
        """See the port."""
        async with self._one_at_a_time:
            with _faults(self._where):
                async with self._connection.transaction():
                    # FOR SHARE: whoever changes the register waits for this commit, or this sees the change.
                    if version is not None and version != await self._connection.fetchval(
                        "SELECT version FROM register FOR SHARE"
                    ):
                        raise Stale
                    for statement, rows in steps:
                        if len(rows) == 1:
                            await self._connection.execute(statement, *rows[0])
                        else:
                            await self._connection.executemany(statement, rows)

    async def hold(self, group: int) -> bool:
        """See the port."""
        if group not in self._held:  # the server counts how often one session takes it; once is enough
            if not (await self.read("SELECT pg_try_advisory_lock($1, $2)", LOCKS, group))[0][0]:
                return False
            self._held.add(group)
        return True

    async def close(self) -> None:
        """See the port."""
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.close(timeout=1.0)

    async def _migrate(self) -> None:
        with _faults(self._where):
            async with self._connection.transaction():
                # Two workers may start at once: one makes the schema, the other finds it made.
                await self._connection.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCKS, SCHEMA_LOCK)
                await self._connection.execute(VERSION_TABLE)
                version = await self._connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_version")
                for migration in lacking("postgres", version, self._where):
                    for statement in migration.statements:
                        await self._connection.execute(statement)
                    await self._connection.execute("INSERT INTO schema_version VALUES ($1)", migration.version)


@contextlib.contextmanager
def _faults(where: str) -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError:
        raise Taken from None
    except asyncpg.ClientConfigurationError:
        raise StoreError(f"{where}: an option that is not understood", "correct `store`", Exit.USAGE) from None
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as fault:
        raise StoreError(f"{where}: {fault.args[0]}", "check user and database, and ~/.pgpass", Exit.REFUSED) from None
    except (asyncpg.DuplicateTableError, asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        hint = "name one of its own, or restore it from its copy"
        raise StoreError(f"{where}: not head office's database, or not all of it", hint) from None
    except _PASSING as fault:
        # Of the server's words only the class: a detail may quote a value.
        raise Unavailable(f"{where}: {_words(fault)}", "is PostgreSQL running there, and is there room?") from None


_PASSING = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InternalServerError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What may pass: the server is down or going down, its disk is full, the line broke."""


def _words(fault: BaseException) -> str:
    if isinstance(fault, OSError) and fault.strerror:
        return fault.strerror.lower()
    name = type(fault).__name__.removesuffix("Error")
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
