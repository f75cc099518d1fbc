# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How often guesses at PINs failed, against limits, kept before the host hears of a failure. Opens no file itself.

A window begins with its first failure and ends a fixed time later; more failures in it than its limit close the unit to
guesses until a person opens it again. The counts survive a restart and a kill, since otherwise a restart would be a new
set of guesses. A clock that was set back makes a window longer, never shorter. Where a failure cannot be kept no more
guesses are taken: a full disk must not be a way to guess uncounted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hsm_sim.engine.refusal import Reason, Refused
from protocols.errors import DecodeError

WINDOWS_MS: Mapping[str, int] = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}


@dataclass(frozen=True, slots=True)
class Limits:
    """Failures that each window takes; one more closes the unit to guesses. Ours: what units do is not public."""

    minute: int = 60
    hour: int = 600
    day: int = 3000
    enabled: bool = True

    def __post_init__(self) -> None:
        for name in WINDOWS_MS:
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: 0 or more expected")


@dataclass(frozen=True, slots=True)
class Count:
    """One window: when it began and how many guesses failed in it."""

    since_ms: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """All that is kept."""

    windows: Mapping[str, Count]
    tripped: bool = False
    """Whether a limit was passed and nobody opened the unit since."""
    total: int = 0
    """Failures since the counts were made."""

    def words(self) -> dict[str, int]:
        """All of it as names and whole numbers, for a record."""
        words = {"total": self.total, "tripped": int(self.tripped)}
        for name in WINDOWS_MS:
            count = self.windows.get(name, Count())
            words |= {name: count.failures, f"{name}_since_ms": count.since_ms}
        return words

    @classmethod
    def of_words(cls, words: Mapping[str, object]) -> "Counts":
        """What :meth:`words` gave; :class:`DecodeError` where it is not that."""
        found = {name: value for name, value in words.items() if isinstance(value, int)}
        try:
            windows = {name: Count(found[f"{name}_since_ms"], found[name]) for name in WINDOWS_MS}
            return cls(windows, bool(found["tripped"]), found["total"])
        except KeyError:
            raise DecodeError("fraud counters", "totals and windows as this program writes them expected") from None

    def stricter(self, other: "Counts") -> "Counts":
        """Of two memories of one unit the later one, and of two as late the one that is closed, or fuller."""
        return max(self, other, key=lambda counts: (counts.total, counts.tripped, counts.fullest))

    @property
    def fullest(self) -> int:
        """Failures in the fullest window."""
        return max(count.failures for count in self.windows.values())


class Keep(Protocol):
    """Where the counts are kept."""

    def __call__(self, counts: Counts, /) -> None:
        """Returns only when the counts are kept."""


NONE = Counts({name: Count() for name in WINDOWS_MS})


class FraudCounters:
    """The guard of the engine: see :class:`hsm_sim.engine.guard.Guard`."""

    __slots__ = ("_clock_ms", "_keep", "_lost", "counts", "limits")

    def __init__(
        self, limits: Limits, clock_ms: Callable[[], int], keep: Keep = lambda counts: None, counts: Counts = NONE
    ) -> None:
        """``clock_ms`` is Unix time; ``counts`` is what was kept."""
        self.limits = limits
        self.counts = counts
        self._clock_ms = clock_ms
        self._keep = keep
        self._lost = False  # a failure could not be kept: nothing that comes later counts on this memory

    def before(self) -> None:
        """Refuse every guess while the unit is closed to them."""
        if self.counts.tripped or self._lost:
            raise Refused(Reason.TOO_MANY_GUESSES)

    def failed(self) -> None:
        """Count a failure, in every window."""
        now = self._clock_ms()
        windows: dict[str, Count] = {}
        tripped = self.counts.tripped
        for name, length in WINDOWS_MS.items():
            count = self.counts.windows.get(name, Count())
            if not count.failures or now >= count.since_ms + length:
                count = Count(now, 0)
            count = windows[name] = Count(count.since_ms, count.failures + 1)
            tripped = tripped or (self.limits.enabled and count.failures > getattr(self.limits, name))
        counts = Counts(windows, tripped, self.counts.total + 1)
        try:
            self._keep(counts)
        except BaseException:
            self._lost = True
            raise
        self.counts = counts

    def reset(self) -> None:
        """Open the unit again and begin new windows; the total stays."""
        counts = Counts(NONE.windows, False, self.counts.total)
        self._keep(counts)
        self.counts = counts
