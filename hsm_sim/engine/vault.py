# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys by reference in one SQLite file, each record sealed. Computes with no key and authorises nobody.

A call that changes the vault returns when the change is on the disk (write-ahead log, ``synchronous=FULL``): whatever
was acknowledged survives a kill at any moment, and what was not is there whole or not at all. One process at a time has
the vault open. How records are sealed: :mod:`hsm_sim.engine.vault_seal`.

What a key may do, and where it stands in its life, is said in the clear beside it and sealed over. Life follows NIST
SP 800-57 part 1 rev. 5, 7 as a table; a destroyed key leaves its name and check value, never its cryptogram.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.engine.vault_seal import KEY_OCTETS, Random, Wrapping, said_of, seal, unseal
from protocols.errors import DecodeError, EncodeError, IntegrityError, ProtocolError
from protocols.secret import ClearKey

FORMAT = 1
_SCHEMA = (
    "CREATE TABLE vault (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, name BLOB NOT NULL,"
    " wrapping TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT",
    "CREATE TABLE record (kind TEXT NOT NULL, reference TEXT NOT NULL, revision INTEGER NOT NULL,"
    " said TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (kind, reference)) STRICT, WITHOUT ROWID",
)
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",
    "trusted_schema = OFF",
    "cache_size = -1024",  # KiB: memory stays flat however many keys there are
)
LONGEST_REFERENCE = 64
LARGEST_SECRET = 1 << 16
NAME_OCTETS = 16
MODE = 0o600


class Kind(StrEnum):
    """What a record holds."""

    KEY = "key"
    """A key under an LMK, as hosts would hold it."""
    MASTER_KEY = "master-key"
    """An LMK."""
    STATE = "state"
    """What the unit must remember: counters, settings."""


class Life(StrEnum):
    """Where a key stands in its life."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


LIVES: Mapping[Life, frozenset[Life]] = MappingProxyType(
    {
        Life.PRE_ACTIVE: frozenset({Life.ACTIVE, Life.COMPROMISED, Life.DESTROYED}),
        Life.ACTIVE: frozenset({Life.DEACTIVATED, Life.COMPROMISED, Life.DESTROYED}),
        Life.DEACTIVATED: frozenset({Life.COMPROMISED, Life.DESTROYED}),
        Life.COMPROMISED: frozenset({Life.DESTROYED}),
        Life.DESTROYED: frozenset(),
    }
)
"""What each state may turn into: no way leads back."""


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a key in the clear: usage (key type), mode of use and exportability as X9.143 letters."""

    usage: str
    lmk: str
    check_value: str
    mode: str = "N"
    exportability: str = "S"
    life: Life = Life.ACTIVE


@dataclass(frozen=True, slots=True)
class Entry:
    """A key in the vault."""

    reference: str
    revision: int
    about: About


class VaultError(ProtocolError):
    """The vault cannot do what was asked; the text quotes no key."""


class Vault:
    """An open vault. Bound to one thread."""

    def __init__(self, database: sqlite3.Connection, lock: int, key: AESGCM, name: bytes, random: Random) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self._database = database
        self._lock = lock
        self._key = key
        self._name = name
        self._random = random

    @classmethod
    def create(cls, path: Path, wrapping: Wrapping, random: Random) -> "Vault":
        """A new, empty vault; :class:`VaultError` where something is there already."""
        lock = _locked(path)
        try:
            name = random(NAME_OCTETS)
            with ClearKey(bytearray(random(KEY_OCTETS))) as key:
                wrapped = wrapping.wrap(key, name)
                aead = AESGCM(key.reveal())
            _write_new(path, (FORMAT, name, json.dumps(dict(wrapping.words())), wrapped))
        except BaseException:
            os.close(lock)
            raise
        return cls(_opened(path), lock, aead, name, random)

    @classmethod
    def open(cls, path: Path, wrapping: Callable[[Mapping[str, Any]], Wrapping], random: Random) -> "Vault":
        """An existing vault; ``wrapping`` makes the wrapping of the words that were stored with it.

        :class:`VaultError` where there is none or another process has it, :class:`DecodeError` where it is no vault,
        :class:`IntegrityError` where passphrase or token is another one.
        """
        if not path.is_file():
            raise VaultError(f"{path.name} is not there")
        lock = _locked(path)
        try:
            database = _opened(path)
            stated = database.execute("SELECT format, name, wrapping, wrapped FROM vault").fetchone()
            if stated is None or stated[0] != FORMAT:
                raise DecodeError("vault", f"format {FORMAT} expected")
            words = json.loads(stated[2])
            with wrapping(words).unwrap(stated[3], stated[1]) as key:
                aead = AESGCM(key.reveal())
        except (sqlite3.DatabaseError, ValueError):
            os.close(lock)
            raise DecodeError("vault", "not a vault of this program") from None
        except BaseException:
            os.close(lock)
            raise
        return cls(database, lock, aead, stated[1], random)

    def close(self) -> None:
        """Give the vault free; nothing where that was done."""
        self._database.close()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    # Keys

    def put(self, reference: str, about: About, cryptogram: bytes) -> Entry:
        """Keep a new key, or a new one in place of one that was destroyed; kept when this returns."""
        former = self._find(Kind.KEY, reference)
        if former is not None and _about(former[1]).life is not Life.DESTROYED:
            raise VaultError(f"{reference}: a key of this name is there")
        revision = 1 if former is None else former[0] + 1
        self._write(Kind.KEY, reference, revision, _words(about), cryptogram)
        return Entry(reference, revision, about)

    def get(self, reference: str) -> tuple[Entry, bytes]:
        """A key and its cryptogram; whoever uses it asks its life first. :class:`IntegrityError` if it was changed."""
        found = self._read(Kind.KEY, reference)
        if found is None:
            raise VaultError(f"{reference}: no key of this name")
        revision, said, clear = found
        return Entry(reference, revision, _about(said)), bytes(clear)

    def entries(self) -> Iterator[Entry]:
        """All keys in the order of their names, each with its seal checked."""
        rows = self._database.execute("SELECT reference FROM record WHERE kind = ? ORDER BY reference", (Kind.KEY,))
        for (reference,) in rows.fetchall():
            yield self.get(reference)[0]

    def move(self, reference: str, life: Life) -> Entry:
        """Move a key on in its life; a destroyed one loses its cryptogram."""
        entry, cryptogram = self.get(reference)
        if life not in LIVES[entry.about.life]:
            raise VaultError(f"{reference}: a key that is {entry.about.life} cannot become {life}")
        about = replace(entry.about, life=life)
        kept = b"" if life is Life.DESTROYED else cryptogram
        self._write(Kind.KEY, reference, entry.revision + 1, _words(about), kept)
        return Entry(reference, entry.revision + 1, about)

    # Master keys and the unit's memory

    def keep(self, kind: Kind, name: str, secret: bytes | bytearray | memoryview) -> None:
        """Keep octets under a name, in place of former ones; kept when this returns."""
        former = self._find(kind, name)
        self._write(kind, name, 1 if former is None else former[0] + 1, "{}", bytes(secret))

    def kept(self, kind: Kind, name: str) -> bytearray | None:
        """What is kept under a name, for the caller to wipe; None if nothing is."""
        found = self._read(kind, name)
        return None if found is None else found[2]

    def names(self, kind: Kind) -> list[str]:
        """The names of all records of a kind."""
        rows = self._database.execute("SELECT reference FROM record WHERE kind = ? ORDER BY reference", (kind,))
        return [reference for (reference,) in rows]

    def rewrap(self, wrapping: Wrapping, former: Wrapping) -> None:
        """Let ``wrapping`` open the vault from now on, in place of ``former``."""
        (wrapped,) = self._database.execute("SELECT wrapped FROM vault").fetchone()
        with former.unwrap(wrapped, self._name) as key:
            fresh = wrapping.wrap(key, self._name)
        with self._database:
            self._database.execute(
                "UPDATE vault SET wrapping = ?, wrapped = ?", (json.dumps(dict(wrapping.words())), fresh)
            )

    def _find(self, kind: Kind, reference: str) -> tuple[int, str, bytes] | None:
        found: tuple[int, str, bytes] | None = self._database.execute(
            "SELECT revision, said, sealed FROM record WHERE kind = ? AND reference = ?", (kind, reference)
        ).fetchone()
        return found

    def _read(self, kind: Kind, reference: str) -> tuple[int, str, bytearray] | None:
        found = self._find(kind, reference)
        if found is None:
            return None
        revision, said, sealed = found
        return revision, said, unseal(self._key, sealed, self._said(kind, reference, revision, said), reference)

    def _write(self, kind: Kind, reference: str, revision: int, said: str, clear: bytes) -> None:
        if not 0 < len(reference) <= LONGEST_REFERENCE or not reference.isascii() or not reference.isprintable():
            raise EncodeError(f"reference: 1 to {LONGEST_REFERENCE} printable characters expected")
        if len(clear) > LARGEST_SECRET:
            raise EncodeError(f"a record takes at most {LARGEST_SECRET} octets")
        sealed = seal(self._key, self._random, clear, self._said(kind, reference, revision, said))
        try:
            with self._database:
                self._database.execute(
                    "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)", (kind, reference, revision, said, sealed)
                )
        except sqlite3.OperationalError as fault:
            raise VaultError(f"the vault cannot be written: {fault.sqlite_errorname}") from None

    def _said(self, kind: Kind, reference: str, revision: int, said: str) -> bytes:
        return said_of(vault=self._name.hex(), kind=kind, reference=reference, revision=revision, said=said)


def _words(about: About) -> str:
    return said_of(
        usage=about.usage,
        lmk=about.lmk,
        check_value=about.check_value,
        mode=about.mode,
        exportability=about.exportability,
        life=about.life,
    ).decode()


def _about(said: str) -> About:
    try:
        words = json.loads(said)
        return About(**{**words, "life": Life(words["life"])})
    except (ValueError, TypeError, KeyError):
        raise IntegrityError("a record says of itself what no record does") from None


def _write_new(path: Path, header: tuple[int, bytes, str, bytes]) -> None:
    """Make the file under another name first: a kill in between leaves no half vault under this one."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
    database = sqlite3.connect(fresh)
    with database:
        for statement in _SCHEMA:
            database.execute(statement)
        database.execute("INSERT INTO vault VALUES (1, ?, ?, ?, ?)", header)
    database.close()
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise VaultError(f"{path.name} is there already") from None
    finally:
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def _locked(path: Path) -> int:
    """The lock of the vault, which falls with this process. Beside the file: SQLite locks and closes it by itself."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise VaultError(f"{path.name} is open in another process") from None
    return handle


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    for pragma in _PRAGMAS:
        database.execute(f"PRAGMA {pragma}")
    return database
