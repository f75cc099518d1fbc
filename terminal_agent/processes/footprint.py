# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Gives back the memory that a process borrowed to start. For processes that then live long; frees nothing in use."""

import ctypes
import gc

MADV_DONTNEED = 4  # madvise(2)


def code_in_memory() -> list[tuple[int, int]]:
    """Start and length of every mapping of code; asked before the fences, since it is read from a file."""
    found = []
    with open("/proc/self/maps", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - pathlib would cost the vault half a megabyte
        for line in lines:
            place, rights, *rest = line.split()
            if rights == "r-xp" and rest[-1].startswith("/"):
                start, end = (int(word, 16) for word in place.split("-"))
                found.append((start, end - start))
    return found


def settle(code: list[tuple[int, int]]) -> None:
    """Give back what starting borrowed: garbage, free heap, and code that was needed once.

    Pages of code are never changed, so those that are wanted again come back from the file's cache (madvise(2)).
    """
    gc.collect()
    gc.freeze()
    library = ctypes.CDLL(None)
    library.malloc_trim(0)
    for start, octets in code:
        library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(octets), MADV_DONTNEED)
