# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A bounded memory of derivation keys met on the way to transaction keys, receiving side. Derives nothing itself."""

from typing import NoReturn


class Prefixes:
    """Derivation keys by KSN value, the longest unused dropped and wiped first. Belongs to one BDK and one thread.

    A device counts upwards, so the parent of its next counter has nearly always been met: one step instead of up to 10
    or 16. It holds as many keys as it is large: as sensitive as the BDK for the devices it has seen.
    """

    __slots__ = ("_keys", "_size")

    def __init__(self, size: int) -> None:
        """``size`` keys at most; 0 remembers nothing."""
        self._size = size
        self._keys: dict[int, bytearray] = {}

    def recall(self, number: int) -> bytearray | None:
        """The key reached at this KSN value, if remembered; to be read at once, not kept."""
        key = self._keys.pop(number, None)
        if key is not None:
            self._keys[number] = key  # behind all others: the dict's order is the order of use
        return key

    def remember(self, number: int, key: bytes) -> None:
        """Keep a copy of ``key``; the longest unused one goes if there are too many."""
        keys = self._keys
        if self._size:
            if len(keys) >= self._size:
                dropped = keys.pop(next(iter(keys)))
                dropped[:] = bytes(len(dropped))
            keys[number] = bytearray(key)

    def wipe(self) -> None:
        """Overwrite and forget everything."""
        for key in self._keys.values():
            key[:] = bytes(len(key))
        self._keys.clear()

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"Prefixes({len(self._keys)} of {self._size}, redacted)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("Prefixes refuses to be copied or serialised")

    __copy__ = __deepcopy__ = __reduce_ex__ = __reduce__ = __getstate__ = _refuse
