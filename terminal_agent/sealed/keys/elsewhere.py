# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A number that only goes up, kept away from the store: who puts an old image of the store back is found out by it.

A TPM's counter cannot be set back by anybody (:mod:`.tpm`). A second file can, by who rolls back both at once: it finds
the restored backup and the swapped disk, not the thief who images the whole terminal. The vault says which one it has.
"""

import hashlib
import hmac
from typing import Final, Protocol

from terminal_agent.sealed.keys.store import Disk, StoreError

PLACE_OCTETS: Final = 512  # one sector each, so that a cut write harms one
COUNTER_OCTETS: Final = 2 * PLACE_OCTETS
_LABEL: Final = b"tillguard vault counter"


class Elsewhere(Protocol):
    """The number."""

    words: str
    """Where it is kept."""

    def value(self) -> int:
        """What it is now; :class:`StoreError` where it cannot be told."""
        ...

    def advance(self) -> None:
        """One up; on return it cannot be lost. :class:`StoreError` where that failed."""
        ...


class FileCounter:
    """An :class:`Elsewhere` in a second file: two places, each authenticated under a key made from the store's."""

    words = "a second file, which a thief of the whole terminal can roll back too"

    def __init__(self, disk: Disk, key: memoryview) -> None:
        self._disk = disk
        self._mac = hmac.new(bytearray(key), _LABEL, hashlib.sha256)

    def value(self) -> int:
        """See :class:`Elsewhere`."""
        return self._newest()[0]

    def advance(self) -> None:
        """See :class:`Elsewhere`."""
        value, place = self._newest()
        self.write(value + 1, 1 - place)

    def write(self, value: int, place: int) -> None:
        """Set one place: also how the file is begun."""
        octets = value.to_bytes(8, "big")
        try:
            self._disk.write(place * PLACE_OCTETS, octets + self._tag(octets, place))
            self._disk.sync()
        except OSError as fault:
            raise StoreError(f"the vault's counter cannot be written: {fault.strerror}") from None

    def _newest(self) -> tuple[int, int]:
        found = []
        for place in (0, 1):
            octets = self._disk.read(place * PLACE_OCTETS, 40)
            if hmac.compare_digest(octets[8:], self._tag(octets[:8], place)):
                found.append((int.from_bytes(octets[:8], "big"), place))
        if not found:
            raise StoreError("the vault's counter is not authentic: the file was changed, or is another vault's")
        return max(found)

    def _tag(self, octets: bytes, place: int) -> bytes:
        mac = self._mac.copy()
        mac.update(octets + bytes((place,)))
        tag: bytes = mac.digest()
        return tag
