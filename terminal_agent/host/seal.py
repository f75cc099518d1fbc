# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Card data that must outlive a power cut: AES-256-GCM under a key in a file of its own. Decides nothing about them.

Grade of a simulator: whoever can read both files of the state folder can open the seal. It keeps account numbers out of
backups of the database, of support bundles and of a stray copy; a vault that holds the key keeps them from the rest.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from protocols.secret import ClearKey
from terminal_agent.durable import replace_whole
from terminal_agent.host.port import JournalError

KEY_OCTETS = 32
NONCE_OCTETS = 12  # NIST SP 800-38D, 8.2.2: random; a terminal seals some thousands in its life, 2**32 are allowed
_CONTEXT = b"tillguard sealed advice 1\x00"


class SealBroken(JournalError):
    """What was sealed cannot be opened: another key, or other octets."""


class KeyStore(Protocol):
    """Where the key lies."""

    place: str
    """For people."""

    def read(self) -> bytes:
        """Its octets, none where there is no key yet; raises :class:`OSError`."""
        ...

    def write(self, octets: bytes) -> None:
        """Keep a new key, on the disk when this returns; raises :class:`OSError`."""
        ...


class KeyFile:
    """A key in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.place = str(path)

    def read(self) -> bytes:
        """See :class:`KeyStore`."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""

    def write(self, octets: bytes) -> None:
        """See :class:`KeyStore`."""
        replace_whole(self._path, octets)


def seal_key(state: Path) -> Path:
    """The file of the key, in the state folder."""
    return state / "advice.key"


class Seal:
    """Seals and opens. The key is made at the first sealing, and read anew each time: it is not kept in memory."""

    def __init__(self, store: KeyStore, entropy: Callable[[int], bytes]) -> None:
        self._store = store
        self._entropy = entropy

    def close_in(self, clear: bytes, subject: str) -> bytes:
        """Nonce and ciphertext; they open only for the same ``subject``."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 20 ms, and most terminals never need it

        nonce = self._entropy(NONCE_OCTETS)
        with self._key(make=True) as key:
            return nonce + AESGCM(bytes(key.reveal())).encrypt(nonce, clear, _CONTEXT + subject.encode())

    def open_up(self, sealed: bytes, subject: str) -> bytes:
        """The clear octets; raises :class:`SealBroken`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, rest = sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:]
        with self._key(make=False) as key:
            try:
                return AESGCM(bytes(key.reveal())).decrypt(nonce, rest, _CONTEXT + subject.encode())
            except (InvalidTag, ValueError):
                pass
        what = f"{self._store.place}: not the key of what was sealed in the journal"
        raise SealBroken(what, "restore the key's file from where the journal comes", sent=False)

    def _key(self, *, make: bool) -> ClearKey:
        place = self._store.place
        try:
            octets = self._store.read()
        except OSError as fault:
            raise SealBroken(f"{place}: {fault.strerror}", "check the file and its rights", sent=False) from None
        if not octets and make:
            octets = self._made()
        if len(octets) != KEY_OCTETS:
            what = f"{place}: no key of {KEY_OCTETS} octets"
            raise SealBroken(what, "restore the file; what was sealed under it cannot be sent", sent=False)
        return ClearKey(octets)

    def _made(self) -> bytes:
        octets = self._entropy(KEY_OCTETS)
        try:
            self._store.write(octets)
        except OSError as fault:
            what = f"{self._store.place}: {fault.strerror}: card data cannot be sealed"
            raise JournalError(what, "free space; nothing is approved offline until then", sent=False) from None
        return octets
