# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Where the agent reads the time: one port, one system clock. No other file of the agent asks for it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for records and messages, steady time for durations."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC by the wall clock, which may jump."""

    def steady_ms(self) -> float:
        """Milliseconds of a clock that never jumps; its zero means nothing."""


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Wall time."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> float:
        """Steady time."""
        return time.monotonic_ns() / 1e6


def local_time(at_ms: int) -> datetime:
    """Wall time in the terminal's own time zone, as card and host want it (tags 9A and 9F21, DE12 and DE13)."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
