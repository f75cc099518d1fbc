# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The numbered SQL files of a kind of database, and which of them a database still lacks. Runs none of them."""

import re
from dataclasses import dataclass
from importlib.resources import files

from fleet_console.store.port import StoreError

VERSION_TABLE = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"
_NAME = re.compile(r"(\d{4})_[a-z_]+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: the schema's version after it, and its statements."""

    version: int
    statements: tuple[str, ...]


def migrations(kind: str) -> tuple[Migration, ...]:
    """All files of ``sqlite`` or ``postgres``, in their order."""
    folder = files("fleet_console.store") / "sql" / kind
    found = sorted(
        (int(name[1]), entry.read_text("utf-8")) for entry in folder.iterdir() if (name := _NAME.fullmatch(entry.name))
    )
    return tuple(Migration(version, _statements(text)) for version, text in found)


def lacking(kind: str, version: int, where: str) -> tuple[Migration, ...]:
    """What a database of ``version`` still needs; :class:`StoreError` for one that a newer program made."""
    known = migrations(kind)
    if type(version) is not int or version < 0:
        raise StoreError(f"{where}: another program's database", "name one of its own for `store`")
    if version > known[-1].version:
        raise StoreError(
            f"{where}: schema {version}, this program knows {known[-1].version}", "use the newer program that made it"
        )
    return tuple(one for one in known if one.version > version)


def _statements(text: str) -> tuple[str, ...]:
    """The statements of a file. Comments stand on lines of their own; no statement holds a semicolon."""
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return tuple(part.strip() for part in bare.split(";") if part.strip())
