# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A file that keeps what a virtual PIN pad must not lose in a power cycle. TEST keys only; readable by its owner alone.

The file is replaced in one step and is on the disk before the pad says anything made with the key it used: a crash may
waste a key, it never uses one twice.
"""

import os
from pathlib import Path

from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.errors import DecodeError
from tillguard.exits import Exit
from tillguard.voice import Fault

LARGEST_FILE = 1 << 16  # engines, slots and a thousand session keys are 20 KB


class PadMemory:
    """The memory of one pad in one file."""

    def __init__(self, path: Path, keys: PinpadKeys) -> None:
        """Read the file into ``keys`` if there is one; :class:`Fault` if it is damaged or of another pad."""
        self._path = path
        self._keys = keys
        self._saved: bytes | None = None
        try:
            with path.open("rb") as file:
                state = file.read(LARGEST_FILE)
        except FileNotFoundError:
            self.save()
            return
        except OSError as fault:
            raise Fault(f"{path}: cannot be read: {fault.strerror}", "check --state", Exit.USAGE) from None
        try:
            keys.remember(state)
        except DecodeError as fault:
            raise Fault(f"{path}: {fault}", "remove it to start the pad as freshly loaded", Exit.INTEGRITY) from None
        self._saved = state

    def save(self) -> None:
        """Write the memory if it changed since it was read or written."""
        state = self._keys.memory()
        if state == self._saved:
            return
        beside = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(state)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as fault:
            raise Fault(f"{self._path}: cannot be written: {fault.strerror}", "check --state", Exit.FAILED) from None
        self._saved = state
