# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a keyboard types, from the times of its key presses: fast as no person, or regular as no person. Decides nothing.

Two numbers, which a policy's ``keystroke-rate`` is compared with. The rate is that of the fastest stretch seen. The
scatter is the smallest seen: how far the gaps of a stretch lie from their median, in the middle (the median absolute
deviation, times 1.4826, which makes it the standard deviation of a normal distribution; Rousseeuw and Croux, JASA 88,
1993). A median does not mind the one gap that a busy machine stretched, which an attacker would get for nothing.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from protocols.usb.conditions import Cadence

JUDGED_AFTER = 17
"""Presses until a keyboard on probation is judged: three words."""
STRETCH = 24  # gaps of a stretch once there are so many: over fewer, a person may look regular by chance
FAST = 8  # gaps over which the rate is taken: a person rolls two or three keys at once, not nine
PAUSE_S = 1.5  # a longer gap ends a stretch: it says that somebody thought, not how he types
_NORMAL = 1.4826


class CadenceWatch:
    """One keyboard since it was plugged in."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._gaps: deque[float] = deque(maxlen=STRETCH)
        self._rate = 0.0
        self._scatter = float("inf")
        self.presses = 0

    def press(self, at_s: float) -> None:
        """A key went down at a moment of a clock that never jumps; a key that is held repeats, and is no press."""
        self.presses += 1
        last, self._last = self._last, at_s
        if last is None:
            return
        gap = at_s - last
        if gap > PAUSE_S:
            self._gaps.clear()
            return
        self._gaps.append(gap)
        if len(self._gaps) >= FAST:
            recent = list(self._gaps)[-FAST:]
            self._rate = max(self._rate, FAST / max(sum(recent), 1e-6))
        if len(self._gaps) >= (JUDGED_AFTER - 1 if self.presses <= STRETCH else STRETCH):
            self._scatter = min(self._scatter, scatter_percent(self._gaps))

    @property
    def judged(self) -> bool:
        """Whether there was enough to judge by."""
        return self.presses >= JUDGED_AFTER and self._scatter != float("inf")

    @property
    def cadence(self) -> Cadence | None:
        """What a policy compares; None before there was enough."""
        return Cadence(self._rate, self._scatter) if self.judged else None


def scatter_percent(gaps: Sequence[float]) -> float:
    """How much gaps differ, in per cent of their median."""
    middle = _median(gaps)
    if middle <= 0:
        return 0.0
    return 100 * _NORMAL * _median(abs(one - middle) for one in gaps) / middle


def _median(values: Iterable[float]) -> float:
    """Of at least one value. The module of that name would bring two megabytes."""
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2
