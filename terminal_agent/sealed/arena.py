# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The memory where the vault's secrets rest: never swapped, never dumped, where the kernel can, read by nobody else.

Where Linux has memfd_secret(2), the pages are taken out of the kernel's own map: not even root can read them through
/proc/PID/mem. Elsewhere they are locked and kept out of core files. Not mlockall: a process may lock 8 MiB by default,
and Python with OpenSSL has more.
"""

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from terminal_agent.sealed.fences import Fence, Kernel

ARENA_OCTETS = 256 * 1024
"""Packets, keys, store and PIN with room to spare; far below RLIMIT_MEMLOCK's 8 MiB."""
_NAME = "arena"


class ArenaFull(Exception):
    """A bug: the arena is made for the most that the vault may hold."""


class Arena:
    """One mapping, handed out in regions."""

    def __init__(self, mapping: mmap.mmap, fence: Fence) -> None:
        self.fence = fence
        """Whether the memory is locked, in words."""
        self._mapping = mapping
        self._whole = memoryview(mapping)
        self._used = 0

    def take(self, octets: int) -> memoryview:
        """A region of zeros, for good."""
        start, end = self._used, self._used + octets
        if end > len(self._whole):
            raise ArenaFull(f"{octets} octets wanted")
        self._used = end
        return self._whole[start:end]

    @contextmanager
    def lend(self, octets: int) -> Iterator[memoryview]:
        """A region for the length of a ``with``; wiped at its end. Loans end in the reverse order."""
        start = self._used
        region = self.take(octets)
        try:
            yield region
        finally:
            region[:] = bytes(octets)
            self._used = start

    def wipe(self) -> None:
        """Overwrite everything, also what is in use."""
        self._whole[:] = bytes(len(self._whole))


def open_arena(kernel: Kernel, octets: int = ARENA_OCTETS) -> Arena:
    """The best that this kernel has."""
    try:
        return _secret(kernel, octets)
    except OSError:
        return _locked(octets)


def _secret(kernel: Kernel, octets: int) -> Arena:
    descriptor = kernel.call("memfd_secret", 0)
    try:
        os.ftruncate(descriptor, octets)
        mapping = mmap.mmap(descriptor, octets)
    finally:
        os.close(descriptor)
    return Arena(
        mapping, Fence(_NAME, True, "secret memory: swap, core files and readers of memory, root's too, kept out")
    )


def _locked(octets: int) -> Arena:
    mapping = mmap.mmap(-1, octets)
    library = ctypes.CDLL(None, use_errno=True)
    place = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    if library.mlock(ctypes.c_void_p(place), ctypes.c_size_t(octets)) != 0:
        reason = os.strerror(ctypes.get_errno())
        return Arena(mapping, Fence(_NAME, False, f"is not locked: {reason}: secrets may be swapped out"))
    mapping.madvise(mmap.MADV_DONTDUMP)
    return Arena(mapping, Fence(_NAME, True, "locked memory: swap and core files kept out; root can read it"))
