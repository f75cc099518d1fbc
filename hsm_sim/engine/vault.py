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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
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
_NOT_ITS_CONTENT = frozenset({"SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_READONLY"})
"""What SQLite says of a file that may well be a vault."""
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
    """The vault cannot do what was asked, and the cure; the text quotes no key."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


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
        with ExitStack() as undo:
            lock = _locked(path)
            undo.callback(os.close, lock)
            name = random(NAME_OCTETS)
            with ClearKey(bytearray(random(KEY_OCTETS))) as key:
                wrapped = wrapping.wrap(key, name)
                aead = AESGCM(key.reveal())
            try:
                _write_new(path, (FORMAT, name, json.dumps(dict(wrapping.words())), wrapped))
                database = _opened(path)
            except sqlite3.Error as fault:
                raise VaultError(f"{path.name} cannot be made: {fault.sqlite_errorname}") from None
            except OSError as fault:
                raise VaultError(f"{path.name} cannot be made: {fault.strerror}") from None
            undo.pop_all()
        return cls(database, lock, aead, name, random)

    @classmethod
    def open(cls, path: Path, wrapping: Callable[[Mapping[str, Any]], Wrapping], random: Random) -> "Vault":
        """An existing vault; ``wrapping`` makes the wrapping of the words that were stored with it.

        :class:`VaultError` where there is none or another process has it, :class:`DecodeError` where it is no vault,
        :class:`IntegrityError` where passphrase or token is another one.
        """
        if not path.is_file():
            raise VaultError(f"{path.name} is not there" if not path.exists() else f"{path.name} is no file")
        with ExitStack() as undo:
            lock = _locked(path)
            undo.callback(os.close, lock)
            try:
                database = _opened(path)
                undo.callback(database.close)
                stated = database.execute("SELECT format, name, wrapping, wrapped FROM vault").fetchone()
                words = json.loads(stated[2]) if stated is not None and stated[0] == FORMAT else None
            except sqlite3.OperationalError as fault:
                if fault.sqlite_errorname in _NOT_ITS_CONTENT:
                    raise VaultError(f"{path.name} cannot be read: {fault.sqlite_errorname}") from None
                raise DecodeError("vault", "not a vault of this program") from None
            except (sqlite3.Error, ValueError, TypeError):
                raise DecodeError("vault", "not a vault of this program") from None
            if not isinstance(words, dict) or not all(isinstance(octets, bytes) for octets in (stated[1], stated[3])):
                raise DecodeError("vault", f"format {FORMAT} expected")
            with wrapping(words).unwrap(stated[3], stated[1]) as key:
                aead = AESGCM(key.reveal())
            undo.pop_all()
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
        revision = self.expect_none(reference)
        self._write(Kind.KEY, reference, revision, _words(about), cryptogram)
        return Entry(reference, revision, about)

    def get(self, reference: str) -> tuple[Entry, bytes]:
        """A key and its cryptogram; whoever uses it asks its life first. :class:`IntegrityError` if it was changed."""
        found = self._read(Kind.KEY, reference)
        if found is None:
            raise VaultError(f"{reference}: no key of this name", "see which there are: keys list")
        revision, said, clear = found
        return Entry(reference, revision, _about(said)), bytes(clear)

    def entries(self) -> Iterator[Entry]:
        """All keys in the order of their names, each with its seal checked."""
        for reference in self.names(Kind.KEY):
            yield self.get(reference)[0]

    def move(self, reference: str, life: Life) -> Entry:
        """Move a key on in its life; a destroyed one loses its cryptogram."""
        entry, cryptogram = self.expect(reference, life)
        about = replace(entry.about, life=life)
        kept = b"" if life is Life.DESTROYED else cryptogram
        self._write(Kind.KEY, reference, entry.revision + 1, _words(about), kept)
        return Entry(reference, entry.revision + 1, about)

    def expect_none(self, reference: str) -> int:
        """The revision that a new key of this name gets; :class:`VaultError` where one is there."""
        former = self._find(Kind.KEY, reference)
        if former is not None and _about(former[1]).life is not Life.DESTROYED:
            hint = "take another place, or destroy that key first: keys move INDEX destroyed"
            raise VaultError(f"{reference}: a key of this name is there", hint)
        return 1 if former is None else former[0] + 1

    def expect(self, reference: str, life: Life) -> tuple[Entry, bytes]:
        """A key that can move on to ``life``; :class:`VaultError` where it cannot."""
        entry, cryptogram = self.get(reference)
        if life not in LIVES[entry.about.life]:
            ways = ", ".join(sorted(LIVES[entry.about.life])) or "nothing more"
            raise VaultError(
                f"{reference}: a key that is {entry.about.life} cannot become {life}", f"it can be: {ways}"
            )
        return entry, cryptogram

    # Master keys and the unit's memory

    def keep(self, kind: Kind, name: str, secret: bytes | bytearray | memoryview) -> None:
        """Keep octets under a name, in place of former ones; kept when this returns."""
        former = self._find(kind, name)
        self._write(kind, name, 1 if former is None else former[0] + 1, "{}", bytes(secret))

    def kept(self, kind: Kind, name: str) -> bytearray | None:
        """What is kept under a name, for the caller to wipe; None if nothing is."""
        found = self._read(kind, name)
        return None if found is None else found[2]

    def count(self, kind: Kind) -> int:
        """How many records of a kind there are."""
        found: int = self._rows("SELECT count(*) FROM record WHERE kind = ?", (kind,))[0][0]
        return found

    def names(self, kind: Kind) -> list[str]:
        """The names of all records of a kind."""
        rows = self._rows("SELECT reference FROM record WHERE kind = ? ORDER BY reference", (kind,))
        return [reference for (reference,) in rows]

    def rewrap(self, wrapping: Wrapping, former: Wrapping) -> None:
        """Let ``wrapping`` open the vault from now on, in place of ``former``."""
        ((wrapped,),) = self._rows("SELECT wrapped FROM vault")
        with former.unwrap(wrapped, self._name) as key:
            fresh = wrapping.wrap(key, self._name)
        self._change("UPDATE vault SET wrapping = ?, wrapped = ?", (json.dumps(dict(wrapping.words())), fresh))

    def _find(self, kind: Kind, reference: str) -> tuple[int, str, bytes] | None:
        rows = self._rows(
            "SELECT revision, said, sealed FROM record WHERE kind = ? AND reference = ?", (kind, reference)
        )
        return rows[0] if rows else None

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as fault:
            raise _unreadable(fault) from None

    def _change(self, order: str, values: Sequence[object]) -> None:
        """On the disk when this returns."""
        try:
            with self._database:
                self._database.execute(order, values)
        except sqlite3.OperationalError as fault:
            hint = "free space on the disk of the state folder, then give the order again"
            raise VaultError(f"the vault cannot be written: {fault.sqlite_errorname}", hint) from None
        except sqlite3.Error as fault:
            raise _unreadable(fault) from None

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
        self._change("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)", (kind, reference, revision, said, sealed))

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


def _unreadable(fault: sqlite3.Error) -> IntegrityError:
    return IntegrityError(f"the vault's file is damaged: {getattr(fault, 'sqlite_errorname', 'SQLite cannot read it')}")


def _write_new(path: Path, header: tuple[int, bytes, str, bytes]) -> None:
    """Make the file under another name first: a kill in between leaves no half vault under this one."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
    with closing(sqlite3.connect(fresh)) as database, database:
        for statement in _SCHEMA:
            database.execute(statement)
        database.execute("INSERT INTO vault VALUES (1, ?, ?, ?, ?)", header)
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
    try:
        handle = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, MODE)
    except OSError as fault:
        raise VaultError(f"{path.name} cannot be locked: {fault.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        hint = "stop the unit that runs in this folder, or choose another with --state"
        raise VaultError(f"{path.name} is open in another process", hint) from None
    return handle


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
    except BaseException:
        database.close()
        raise
    return database
