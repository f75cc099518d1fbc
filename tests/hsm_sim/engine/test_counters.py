# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Failed guesses against limits: windows, what is kept and when, and what a restart finds."""

import pytest

from hsm_sim.engine.counters import NONE, Counts, FraudCounters, Limits
from hsm_sim.engine.refusal import Reason, Refused
from protocols.errors import DecodeError

MINUTE, HOUR = 60_000, 3_600_000


class Bench:
    """Counters with a clock of the test's own and a memory that can fail."""

    def __init__(self, counts: Counts = NONE, **limits: int | bool) -> None:
        self.now = 1_700_000_000_000
        self.kept: list[Counts] = []
        self.broken = False
        self.counters = FraudCounters(Limits(**limits), lambda: self.now, self._keep, counts)  # type: ignore[arg-type]

    def _keep(self, counts: Counts) -> None:
        if self.broken:
            raise OSError("the disk is full")
        self.kept.append(counts)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.counters.failed()

    @property
    def closed(self) -> bool:
        try:
            self.counters.before()
        except Refused as refused:
            assert refused.reason is Reason.TOO_MANY_GUESSES
            return True
        return False


def test_the_limit_itself_is_taken_and_one_more_closes() -> None:
    bench = Bench(minute=3)
    bench.fail(3)
    assert not bench.closed
    bench.fail()
    assert bench.closed


def test_a_window_that_is_over_counts_no_more() -> None:
    bench = Bench(minute=3)
    bench.fail(3)
    bench.now += MINUTE
    bench.fail(3)
    assert not bench.closed


def test_slow_guessing_meets_the_longer_window() -> None:
    bench = Bench(minute=3, hour=10)
    for _ in range(10):
        bench.fail()
        bench.now += MINUTE
    assert not bench.closed
    bench.fail()
    assert bench.closed


def test_closed_stays_closed_until_somebody_opens_it() -> None:
    bench = Bench(minute=0)
    bench.fail()
    bench.now += 1000 * HOUR
    assert bench.closed
    bench.counters.reset()
    assert not bench.closed
    assert bench.counters.counts.total == 1
    assert not bench.kept[-1].tripped


def test_what_is_kept_is_kept_before_it_counts_and_survives() -> None:
    bench = Bench(minute=3)
    bench.fail(2)
    assert [counts.total for counts in bench.kept] == [1, 2]
    later = Bench(bench.kept[-1], minute=3)
    later.fail()
    assert not later.closed
    later.fail()
    assert later.closed
    assert Bench(later.kept[-1], minute=3).closed


def test_a_failure_that_cannot_be_kept_is_no_answer() -> None:
    bench = Bench()
    bench.broken = True
    with pytest.raises(OSError, match="the disk is full"):
        bench.fail()
    assert bench.counters.counts == NONE
    assert bench.closed
    bench.broken = False
    assert bench.closed  # until the unit starts again


def test_what_is_kept_is_words_and_comes_back() -> None:
    bench = Bench(minute=3)
    bench.fail(4)
    counts = bench.counters.counts
    assert Counts.of_words(counts.words()) == counts
    assert all(type(value) is int for value in counts.words().values())
    for missing in counts.words():
        with pytest.raises(DecodeError, match="fraud counters"):
            Counts.of_words({name: value for name, value in counts.words().items() if name != missing})


def test_of_two_memories_the_stricter_one_holds() -> None:
    bench = Bench(minute=1)
    bench.fail()
    one = bench.counters.counts
    bench.fail()
    two = bench.counters.counts
    bench.counters.reset()
    opened = bench.counters.counts
    bench.fail()
    later = bench.counters.counts
    for older, newer in ((NONE, one), (one, two), (opened, two), (two, later), (opened, later)):
        assert older.stricter(newer) == newer.stricter(older) == newer


def test_a_clock_set_back_makes_no_window_shorter() -> None:
    bench = Bench(minute=3)
    bench.fail(3)
    bench.now -= 10 * HOUR
    bench.fail()
    assert bench.closed


def test_without_limits_it_counts_and_never_closes() -> None:
    bench = Bench(enabled=False, minute=0)
    bench.fail(5)
    assert not bench.closed
    assert bench.counters.counts.total == 5


def test_a_limit_below_zero_is_none() -> None:
    with pytest.raises(ValueError, match="minute: 0 or more expected"):
        Limits(minute=-1)
