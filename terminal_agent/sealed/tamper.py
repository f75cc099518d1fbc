# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Tamper inputs as open descriptors: lines that report, and levels that are looked at. Opens none, destroys no key.

Whatever is not as it should be is a tamper input: a line that says anything or ends, a level that is not the quiet one
or cannot be read. A switch that is cut off must not look like one that was never pressed.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LOOK_EVERY_MS: Final = 25
"""How often levels are looked at: keys are gone within 100 ms, and the rest is for the disk."""
LONGEST_LEVEL: Final = 32


@dataclass(frozen=True, slots=True)
class TamperLine:
    """A descriptor that becomes readable when something happens."""

    descriptor: int
    words: str


@dataclass(frozen=True, slots=True)
class TamperLevel:
    """A file of the kernel's that says how an input stands, such as ``intrusion0_alarm`` of hwmon."""

    descriptor: int
    quiet: bytes
    words: str
    read: Callable[[int, int, int], bytes] = os.pread

    @property
    def is_quiet(self) -> bool:
        """Whether it stands as it should."""
        try:
            return self.read(self.descriptor, LONGEST_LEVEL, 0).strip() == self.quiet
        except OSError:
            return False
