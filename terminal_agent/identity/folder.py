# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The folder with a terminal's identity: one record, and two slots of key and certificate. Decides on no document.

=============== ==============================================================================================
identity.json   where it stands in its life, its binding and those before, which slot is in use, which is tried
a/ and b/       ``key.pem`` and ``certificate.pem``; one is in use, the other empty, waiting or on trial
guard           what a TPM or token made of the passphrase of both keys, where the profile names one
application     the sealed application that waits for its answer
=============== ==============================================================================================

A certificate that is new is only tried: the one in use stays until head office has answered over the new one. So a
renewal that goes wrong, and one that the broker refuses, cost nothing (:meth:`Folder.promote`, :meth:`Folder.give_up`).
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from protocols.errors import DecodeError
from protocols.identity.binding import Binding
from protocols.identity.life import Life
from protocols.strict_json import strict_object
from terminal_agent.durable import replace_whole, sync_folder
from terminal_agent.errors import AgentError
from terminal_agent.identity.private import clear_key, enciphered_key

SLOTS = ("a", "b")
MOST_HISTORY = 1_000
Passphrase = Callable[[], bytes | None]
"""What the private keys are enciphered under; None where they lie in clear. Raises :class:`IdentityError`."""
_NAMES = frozenset({"v", "terminal", "life", "binding", "version", "history", "in_use", "candidate", "waiting"})


class IdentityError(AgentError):
    """The identity cannot be read or kept, or a step does not fit to where it stands."""


def in_clear() -> None:
    """No passphrase: the keys are as safe as the folder."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding that was in force: its version, and from when (Unix time in milliseconds)."""

    version: int
    binding: Binding
    from_ms: int


@dataclass(frozen=True, slots=True)
class Record:
    """Where the terminal stands. ``waiting`` is the digest of the application that waits, empty where none does."""

    terminal: str
    life: Life | None = None
    binding: Binding | None = None
    version: int = 0
    history: tuple[Bound, ...] = ()
    in_use: str = ""
    candidate: str = ""
    waiting: str = ""

    def bound(self, binding: Binding, version: int, now_ms: int) -> "Record":
        """With another binding in force; :class:`IdentityError` for a version that does not grow."""
        if version < self.version or (version == self.version and binding != self.binding):
            raise IdentityError(
                f"binding version {version}, {self.version + 1} or more expected", "an old answer was played again?"
            )
        if version == self.version:
            return self
        history = (*self.history, Bound(version, binding, now_ms))[-MOST_HISTORY:]
        return replace(self, binding=binding, version=version, history=history)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a slot's files lie."""

    key: Path
    certificate: Path


class Folder:
    """The identity of one terminal; agent and commands change it one at a time (:meth:`alone`)."""

    def __init__(self, path: Path, terminal: str, passphrase: Passphrase = in_clear) -> None:
        self.path = path
        self.passphrase = passphrase
        self._terminal = terminal
        self._inside = False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the folder meanwhile; may be entered again by whoever is inside."""
        if self._inside:
            yield
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as fault:
            raise IdentityError(f"{self.path}: {fault.strerror}", "check the folder's rights") from None
        self._inside = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            self._inside = False
            os.close(handle)

    @property
    def application(self) -> Path:
        """The sealed application that waits."""
        return self.path / "application"

    def read(self) -> Record:
        """The record; a new one where there is none. :class:`IdentityError` for one that is another terminal's."""
        path = self.path / "identity.json"
        try:
            octets = path.read_bytes()
        except FileNotFoundError:
            return Record(self._terminal)
        except OSError as fault:
            raise IdentityError(f"{path}: {fault.strerror}", "check the file and its rights") from None
        try:
            record = _record(strict_object(octets, path.name, _NAMES))
        except (DecodeError, KeyError, TypeError, ValueError):
            raise IdentityError(f"{path}: damaged", "restore it, or enrol the terminal anew") from None
        if record.terminal != self._terminal:
            raise IdentityError(f"{path}: of another terminal", "give each terminal its own state folder")
        return record

    def write(self, record: Record) -> None:
        """Keep the record; whole or not at all."""
        document = asdict(record) | {"v": 1}
        document["history"] = [asdict(one) for one in record.history]
        self._put(self.path / "identity.json", json.dumps(document, indent=1).encode("utf-8") + b"\n")

    def slot(self, name: str) -> Slot:
        """Paths of a slot."""
        return Slot(self.path / name / "key.pem", self.path / name / "certificate.pem")

    def key(self, name: str) -> bytes:
        """The private key of a slot, PKCS #8 in PEM, in clear; :class:`IdentityError` where it does not open."""
        path = self.slot(name).key
        try:
            return clear_key(path.read_bytes(), self.passphrase)
        except OSError as fault:
            raise IdentityError(f"{path}: {fault.strerror}", "restore it, or enrol the terminal anew") from None
        except ValueError:
            raise IdentityError(
                f"{path}: enciphered under another passphrase than this profile's",
                "name the TPM or token that it was made with in [identity], or have the terminal recovered",
            ) from None

    def applied(self) -> bytes:
        """The octets of the application that waits; :class:`IdentityError` where they cannot be read."""
        try:
            return self.application.read_bytes()
        except OSError as fault:
            raise IdentityError(f"{self.application}: {fault.strerror}", "apply or renew once more") from None

    def free(self, record: Record) -> str:
        """The slot that is not in use."""
        return next(name for name in SLOTS if name != record.in_use)

    def prepare(self, record: Record, key: bytes, application: bytes, digest: str) -> Record:
        """Put a new key into the free slot and keep its application; what waited before is given up."""
        stored = enciphered_key(key, self.passphrase())  # first: where that fails, nothing has changed
        bare = replace(record, candidate="", waiting="")
        self.write(bare)  # first: a record never names a slot that is half filled
        name = self.free(bare)
        self.empty(name)
        self._put(self.slot(name).key, stored)
        self._put(self.application, application)
        after = replace(bare, waiting=digest)
        self.write(after)
        return after

    def issued(self, record: Record, certificate: bytes) -> Record:
        """The certificate of the waiting key: on trial from now on, or in use at once where none was."""
        name = self.free(record)
        self._put(self.slot(name).certificate, certificate)
        bare = replace(record, waiting="")
        after = replace(bare, candidate=name) if record.in_use else replace(bare, in_use=name)
        self.write(after)
        self.application.unlink(missing_ok=True)
        return after

    def promote(self) -> Record:
        """Head office answered over the new certificate: it is in use, the old key is destroyed."""
        with self.alone():
            record = self.read()
            if not record.candidate:
                raise IdentityError("no certificate is on trial", "renew first")
            after = replace(record, in_use=record.candidate, candidate="")
            self.write(after)
            self.empty(record.in_use)
            return after

    def give_up(self) -> Record:
        """The new certificate does not work: the one in use stays, the new key is destroyed."""
        with self.alone():
            record = self.read()
            after = replace(record, candidate="", waiting="")
            self.write(after)
            self.empty(self.free(after))
            self.application.unlink(missing_ok=True)
            return after

    def wipe(self, life: Life) -> Record:
        """Destroy both keys: the terminal is retired or recovered. Binding and history stay."""
        record = self.read()
        after = replace(record, life=life, in_use="", candidate="", waiting="")
        self.write(after)
        for name in SLOTS:
            self.empty(name)
        self.application.unlink(missing_ok=True)
        return after

    def tidy(self) -> None:
        """Destroy what no record names: a key that a kill left behind. Makes no folder where none is."""
        if not self.path.is_dir():
            return
        with self.alone():
            record = self.read()
            for name in SLOTS:
                waits = bool(record.waiting) and name == self.free(record)
                if name not in (record.in_use, record.candidate) and not waits:
                    self.empty(name)

    def empty(self, name: str) -> None:
        """Destroy a slot's key and remove its certificate. The key's octets are written over where the disk lets us."""
        slot = self.slot(name)
        try:
            if slot.key.exists():
                with slot.key.open("r+b") as file:
                    file.write(bytes(slot.key.stat().st_size))
                    file.flush()
                    os.fsync(file.fileno())  # what is removed before it was written never reaches the disk
                slot.key.unlink()
            slot.certificate.unlink(missing_ok=True)
            if slot.key.parent.is_dir():
                sync_folder(slot.key.parent)
        except OSError as fault:
            raise IdentityError(
                f"{slot.key.parent}: {fault.strerror}", "check the folder's rights: a key is left there"
            ) from None

    def _put(self, path: Path, octets: bytes) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_whole(path, octets)
        except OSError as fault:
            raise IdentityError(f"{path}: {fault.strerror}", "free space, check the folder's rights") from None


def _record(document: Mapping[str, Any]) -> Record:
    life, binding = document["life"], document["binding"]
    found = Record(
        str(document["terminal"]),
        Life(life) if life is not None else None,
        Binding(**binding) if binding is not None else None,
        int(document["version"]),
        tuple(
            Bound(int(one["version"]), Binding(**one["binding"]), int(one["from_ms"])) for one in document["history"]
        ),
        str(document["in_use"]),
        str(document["candidate"]),
        str(document["waiting"]),
    )
    if document["v"] != 1 or not {found.in_use, found.candidate} <= {"", *SLOTS}:
        raise ValueError
    return found
