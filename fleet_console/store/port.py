# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What head office asks of a database: read, write all or nothing, hold a shard group. Knows no table but the register.

Statements are written once and run on every database: parameters are ``$1``, ``$2``, …; ``ON CONFLICT`` and
``RETURNING`` are understood by all. Values are int, str, bytes and None.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from tillguard.exits import Exit
from tillguard.voice import Fault

Value = int | str | bytes | None
Row = tuple[Any, ...]
Step = tuple[str, Sequence[tuple[Value, ...]]]
"""A statement, and the rows of values that it runs with, one after the other."""


class StoreError(Fault):
    """The database cannot be used now; nothing of the write that failed is kept."""


class Unavailable(StoreError):
    """It may be back later: it is down, its disk is full, somebody holds it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint, Exit.UNREACHABLE)


class Stale(Exception):
    """The register has changed since the caller read it: judge anew."""


class Taken(Exception):
    """A row with this key is there already."""


class Database(Protocol):
    """A database that is open."""

    async def read(self, statement: str, *values: Value) -> list[Row]:
        """The rows that a statement finds."""

    async def write(self, steps: Sequence[Step], version: int | None = None) -> None:
        """All steps or none, durable on return. With ``version``: :class:`Stale` unless the register still has it.

        Raises :class:`Taken` where a key is there already, :class:`Unavailable` where the database cannot be used.
        """

    async def hold(self, group: int) -> bool:
        """Try to hold a shard group for as long as this database is open; one holder at a time, whoever dies lets go.

        Whoever holds it commits over the very connection that holds it: who has lost it cannot commit.
        """

    async def close(self) -> None:
        """Let go of everything."""
