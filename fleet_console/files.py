# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Small files that a person names: read within a bound, written whole or not at all. Looks at none's contents."""

import contextlib
import os
from pathlib import Path

from tillguard.exits import Exit
from tillguard.settings import without_waiting
from tillguard.voice import Fault

LARGEST_FILE = 1 << 20


def octets_of(path: Path) -> bytes:
    """A small file's octets; raises :class:`Fault` with the cure."""
    try:
        with open(path, "rb", opener=without_waiting) as file:  # Path.open has no opener
            octets = file.read(LARGEST_FILE + 1)
    except OSError as fault:
        words = (fault.strerror or "cannot be read").lower()
        raise Fault(f"{path}: {words}", "check the path and its rights", Exit.USAGE) from None
    if len(octets) > LARGEST_FILE:
        raise Fault(f"{path}: larger than 1 MiB", "is this the right file?", Exit.USAGE)
    return octets


def put(path: Path, octets: bytes) -> None:
    """Write a file; where it cannot be written what was there stays, and :class:`Fault` says why.

    It may hold the only copy of somebody's signature, so it is replaced, not overwritten. A pipe or a device, such as
    /dev/stdout, is written to.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(octets)
            return
        there = path.resolve()
        fresh = there.with_name(f".{there.name}.{os.getpid()}")
        try:
            with fresh.open("wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(there)
        finally:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
    except OSError as fault:
        words = (fault.strerror or "cannot be written").lower()
        raise Fault(f"{path}: {words}", "name a file that can be written, in a folder that can") from None
