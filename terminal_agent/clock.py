# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Where the agent reads the time: one port, the machine's clocks, and the guard that notices when they jump. No alarm.

No other file of the agent asks a clock. The wall clock may be wrong: a dead battery, a wrong hand, an attacker who
wants an expired thing valid again. :class:`GuardedClock` never gives a time below its floor, which is the latest of the
build date and the time that was last trusted, running on with the steady clock. So a clock that is set back has no
effect but an event, and payments go on.

A jump forward is followed at once, since it is mostly a correction, but the floor follows only when it has stood for
a day: a clock that is set years ahead and put right again must not leave the terminal years ahead.

Head office signs the time (:meth:`GuardedClock.signed`). It raises the floor, never lowers it, since whoever holds
messages back makes it late. Only where the wall clock has jumped ahead and that has not stood yet is it believed more
than the wall clock: so a machine that boots in 1970, or in ten years, has the right time as soon as it hears of it.
"""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from terminal_agent.durable import replace_whole

BUILT_MS = round(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
"""No right clock is before this: when the oldest line of this version was written. Moved with each release."""
LATEST_MS = BUILT_MS + 30 * 365 * 86_400_000
"""No right time is after this while this version is in use: a signature over it is no reason to stay there for ever."""
JUMP_MS = 2_000  # DE7 and 9F21 count seconds; what time services correct at once without a word is below
STANDS_MS = 24 * 3_600_000  # for so long a jump forward must stand before the floor follows it
KEPT_EVERY_MS = 60_000  # how often the trusted time is written down
SIGNED_OFF_MS = 5 * 60_000  # how far a clock may differ from a time that was signed and then travelled
LONGEST_OFF_MS = 60 * 24 * 3_600_000  # a terminal that was off for longer is told of as a jump


class Clock(Protocol):
    """Wall time for records and messages, steady time for durations."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC by the wall clock, which may jump."""

    def steady_ms(self) -> float:
        """Milliseconds of a clock that never jumps; its zero means nothing."""


class SignedClock(Clock, Protocol):
    """A clock that head office's signed time keeps right."""

    @property
    def judged_ms(self) -> int:
        """The time to judge certificates by."""

    def signed(self, at_ms: int) -> None:
        """Head office signed this time just now."""


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Wall time."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> float:
        """Steady time; it runs on while the machine sleeps, as the wall clock does."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6


class GuardedClock:
    """A clock over another one that may jump. Call :meth:`look` about every second, and tell what it returns."""

    def __init__(self, source: Clock, trusted_ms: int | None, built_ms: int = BUILT_MS) -> None:
        """``trusted_ms``: what :attr:`trusted_ms` was when an earlier run ended; None where there was none."""
        self._source = source
        wall, steady = source.now_ms(), source.steady_ms()
        self._floor = max(built_ms, trusted_ms or 0)
        self._floor_at = steady
        self._wall = wall  # at the last look, for the next
        self._wall_at = steady
        self._ahead_since: float | None = None
        self._signed: tuple[int, float] | None = None
        self._jump = 0
        if wall < self._floor - JUMP_MS or (trusted_ms and wall > trusted_ms + LONGEST_OFF_MS):
            self._jump = wall - self._floor
            self._ahead_since = steady if self._jump > 0 else None

    def now_ms(self) -> int:
        """Wall time, but never below the floor, and not an unconfirmed time ahead of what was signed."""
        wall, floor = self._source.now_ms(), self.trusted_ms
        return floor if self._contradicted(wall) else max(wall, floor)

    @property
    def judged_ms(self) -> int:
        """The time to judge certificates by: the floor, while a jump ahead has not stood; else the time."""
        return self.now_ms() if self._ahead_since is None else self.trusted_ms

    def signed(self, at_ms: int) -> None:
        """Head office signed this time just now; it may have been on its way for a while."""
        if at_ms > LATEST_MS:
            return
        self._signed = (at_ms, self._source.steady_ms())
        if at_ms > self.trusted_ms:
            self._floor, self._floor_at = self._signed

    def _contradicted(self, wall: int) -> bool:
        """Whether the wall clock jumped ahead, and what head office signed since says otherwise."""
        if self._ahead_since is None or self._signed is None:
            return False
        at_ms, steady = self._signed
        return wall > at_ms + (self._source.steady_ms() - steady) + SIGNED_OFF_MS

    def steady_ms(self) -> float:
        """Steady time."""
        return self._source.steady_ms()

    @property
    def trusted_ms(self) -> int:
        """The floor: it is at least so late. For the next run to begin with."""
        return self._floor + round(self._source.steady_ms() - self._floor_at)

    def look(self) -> int:
        """By how many milliseconds the wall clock jumped since the last look, 0 where it did not."""
        wall, steady = self._source.now_ms(), self._source.steady_ms()
        jump, self._jump = self._jump, 0
        if not jump:
            jump = round(wall - self._wall - (steady - self._wall_at))
        self._wall, self._wall_at = wall, steady
        floor = self.trusted_ms
        if abs(jump) < JUMP_MS:
            jump = 0
        elif wall <= floor + JUMP_MS:
            self._ahead_since = None
        elif jump > 0:
            self._ahead_since = steady
        if self._ahead_since is not None and steady - self._ahead_since >= STANDS_MS and not self._contradicted(wall):
            self._ahead_since = None
        if self._ahead_since is None and wall > floor:
            self._floor, self._floor_at = wall, steady
        return jump


class TimeFile:
    """A file that keeps the trusted time from one run to the next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int | None:
        """The time that was kept; None where there is none that can be read."""
        try:
            text = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return int(text) if text.isdecimal() and len(text) <= 15 and int(text) <= LATEST_MS else None

    def keep(self, trusted_ms: int) -> None:
        """Replace it. On a disk that takes nothing the older time stays, which is still a floor."""
        with contextlib.suppress(OSError):
            replace_whole(self._path, b"%d\n" % trusted_ms)


def trusted_at_start(kept_ms: int | None, recorded_ms: int | None) -> int | None:
    """The time to begin with: what was kept, or the last record's where that is just behind it or all there is.

    A record far ahead of what was kept was made under a clock that had jumped forward and was not trusted yet.
    """
    if recorded_ms is None or kept_ms is None:
        return recorded_ms if kept_ms is None else kept_ms
    return recorded_ms if 0 <= recorded_ms - kept_ms <= 2 * KEPT_EVERY_MS else kept_ms


def local_time(at_ms: int) -> datetime:
    """Wall time in the terminal's own time zone, as card and host want it (tags 9A and 9F21, DE12 and DE13)."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
