# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which database an address means: a file is SQLite, ``postgresql://…`` is PostgreSQL. Opens it; does nothing else."""

from pathlib import Path

from fleet_console.store.port import Database
from fleet_console.store.sqlite import SqliteDatabase
from tillguard.exits import Exit
from tillguard.voice import Fault


def is_shared(address: str) -> bool:
    """Whether the address is that of PostgreSQL, which workers on several machines can share."""
    return address.startswith(("postgresql://", "postgres://"))


async def open_store(address: str, *, must_exist: bool = False) -> Database:
    """Open it, its schema up to date; ``must_exist``: a SQLite file is not made."""
    if is_shared(address):
        try:
            from fleet_console.store.postgres import PostgresDatabase
        except ModuleNotFoundError as fault:
            if fault.name != "asyncpg":
                raise
            hint = "pip install 'tillguard[fleet,postgres]'"
            raise Fault("the package asyncpg is not installed", hint, Exit.USAGE) from None
        return await PostgresDatabase.open(address)
    return await SqliteDatabase.open(_file(address, must_exist=must_exist))


def _file(address: str, *, must_exist: bool) -> Path:
    path = Path(address)
    if path.exists() and not path.is_file():
        hint = "`store` names a SQLite file, or postgresql://user@host/database"
        raise Fault(f"{path}: not a file", hint, Exit.USAGE)
    if must_exist and not path.is_file():
        raise Fault(
            f"{path}: no such file",
            "fleet-console ingest makes it; is `store` in the settings that of head office?",
            Exit.USAGE,
        )
    return path
