# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's store: one file, two places, each sealed whole by AES-256-GCM. Opens no file: it is given an open one.

A write goes to the place that is not the newest, then to the disk. Whatever moment power is cut at, the other place is
whole: what was cut short does not authenticate and the one before it counts, which no key has been used behind. An
older image of the file authenticates too, of course; :mod:`.elsewhere` finds that out.

The first block says, in clear, who can give the store's key: see :mod:`.source`.
"""

import os
from collections.abc import Callable
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.errors import DecodeError
from terminal_agent.sealed.arena import Arena
from terminal_agent.sealed.keys import ring as rings
from terminal_agent.sealed.keys.ring import Ring

HEAD_OCTETS: Final = 8_192
PLACE_OCTETS: Final = 16_384
FILE_OCTETS: Final = HEAD_OCTETS + 2 * PLACE_OCTETS
STORE_KEY_OCTETS: Final = 32
_MARK: Final = b"TGVS"
_FRONT: Final = 4 + 8 + 4 + 12  # mark, number, length, nonce
_TAG: Final = 16


class StoreError(Exception):
    """The store cannot be written, so no key may be used."""


class StoreBroken(StoreError):
    """Neither place authenticates: another key, or somebody changed the file."""


class Disk(Protocol):
    """An open file of fixed size."""

    def read(self, offset: int, octets: int) -> bytes:
        """Octets at a place."""
        ...

    def write(self, offset: int, octets: bytes) -> None:
        """Octets to a place; they need not survive a power cut before :meth:`sync`."""
        ...

    def sync(self) -> None:
        """What was written is on the disk when this returns."""
        ...


class OpenFile:
    """A :class:`Disk` on a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, octets: int) -> bytes:
        """See :class:`Disk`."""
        return os.pread(self._descriptor, octets, offset)

    def write(self, offset: int, octets: bytes) -> None:
        """See :class:`Disk`."""
        done = 0
        while done < len(octets):
            done += os.pwrite(self._descriptor, octets[done:], offset + done)

    def sync(self) -> None:
        """See :class:`Disk`."""
        os.fdatasync(self._descriptor)


class Store:
    """The sealed ring on a disk."""

    def __init__(
        self, disk: Disk, key: memoryview, identity: bytes, arena: Arena, random: Callable[[int], bytes]
    ) -> None:
        """``key``: 32 octets in the arena; ``identity`` is bound to what is sealed, so no other store's place fits."""
        self._disk = disk
        self._seal = AESGCM(key)
        self._identity = identity
        self._arena = arena
        self._random = random
        self._number = 0
        self._newest = 1

    def load(self, ring: Ring) -> None:
        """Read the newest whole place into ``ring``; :class:`StoreBroken` where there is none."""
        found = sorted((one for place in (0, 1) if (one := self._front(place))), reverse=True)
        for number, place, nonce, sealed in found:
            with self._arena.lend(PLACE_OCTETS) as clear:
                try:
                    size = len(sealed) - _TAG
                    self._seal.decrypt_into(nonce, sealed, self._bound(number, place), clear[:size])
                except InvalidTag:
                    continue
                try:
                    rings.read(clear[:size], ring)
                except (DecodeError, ValueError):
                    raise StoreBroken("the store is of another version") from None
            self._number, self._newest = number, place
            return
        raise StoreBroken("the store does not open: it was changed, or sealed with another key")

    def save(self, ring: Ring) -> None:
        """Seal ``ring`` onto the disk; on return it is there. :class:`StoreError`: it is not, use no key."""
        number, place = self._number + 1, 1 - self._newest
        with self._arena.lend(PLACE_OCTETS) as clear:
            size = rings.write(ring, clear)
            nonce = self._random(12)
            sealed = self._seal.encrypt(nonce, clear[:size], self._bound(number, place))
        front = _MARK + number.to_bytes(8, "big") + len(sealed).to_bytes(4, "big") + nonce
        try:
            self._disk.write(HEAD_OCTETS + place * PLACE_OCTETS, front + sealed)
            self._disk.sync()
        except OSError as fault:
            raise StoreError(f"the vault's store cannot be written: {fault.strerror}") from None
        self._number, self._newest = number, place

    def _front(self, place: int) -> tuple[int, int, bytes, bytes] | None:
        octets = self._disk.read(HEAD_OCTETS + place * PLACE_OCTETS, PLACE_OCTETS)
        size = int.from_bytes(octets[12:16], "big")
        if len(octets) < _FRONT or octets[:4] != _MARK or not _TAG <= size <= PLACE_OCTETS - _FRONT:
            return None
        return int.from_bytes(octets[4:12], "big"), place, octets[16:28], octets[28 : 28 + size]

    def _bound(self, number: int, place: int) -> bytes:
        return self._identity + number.to_bytes(8, "big") + bytes((place,))


def erase(disk: Disk) -> None:
    """Overwrite both places: what was sealed there is gone even for who has the store's key."""
    try:
        for place in (0, 1):
            disk.write(HEAD_OCTETS + place * PLACE_OCTETS, bytes(PLACE_OCTETS))
        disk.sync()
    except OSError as fault:
        raise StoreError(f"the vault's store cannot be erased: {fault.strerror}") from None
