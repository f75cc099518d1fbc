# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A measured row: a value, what it is measured against in the same run, and a target. Prints nothing itself."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``scripts/bench``. ``peer`` is a peer library or a floor measured in the same run."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    target: float | None = None
    smaller_is_better: bool = True

    @property
    def ratio(self) -> float | None:
        """Value over peer."""
        return self.value / self.peer_value if self.peer_value else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.smaller_is_better else self.value >= self.target


def cpu_us(work: Callable[[], object], *, rounds: int = 9, budget_s: float = 0.05) -> float:
    """Median over ``rounds`` of the process CPU time of one call of ``work``, in microseconds."""
    calls = _calls_within(work, budget_s)
    samples = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            started = time.process_time()
            for _ in range(calls):
                work()
            samples.append((time.process_time() - started) / calls * 1e6)
    finally:
        gc.enable()
    return statistics.median(samples)


def side_by_side(
    *works: Callable[[], object], groups: int = 5, rounds: int = 7, budget_s: float = 0.01
) -> tuple[float, ...]:
    """CPU µs of one call of each work, measured in turn: a busy moment of the machine meets all of them alike.

    Each value is the least of the medians of ``groups`` groups: what other processes do to caches and clock can only
    make a group slower, so the least is the nearest to the code's own cost, and a median keeps a lucky sample out.
    """
    calls = [_calls_within(work, budget_s) for work in works]
    best = [float("inf")] * len(works)
    gc.collect()
    gc.disable()
    try:
        for _ in range(groups):
            samples: list[list[float]] = [[] for _ in works]
            for _ in range(rounds):
                for place, work in enumerate(works):
                    started = time.process_time()
                    for _ in range(calls[place]):
                        work()
                    samples[place].append((time.process_time() - started) / calls[place] * 1e6)
            best = [min(least, statistics.median(one)) for least, one in zip(best, samples, strict=True)]
    finally:
        gc.enable()
    return tuple(best)


def _calls_within(work: Callable[[], object], budget_s: float) -> int:
    work()
    started = time.process_time()
    work()
    return max(1, min(200_000, int(budget_s / max(time.process_time() - started, 1e-7))))
