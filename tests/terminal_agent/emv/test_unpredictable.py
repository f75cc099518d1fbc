# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The health tests of unpredictable numbers: 50,000 sound ones pass, weak sources are found within a day's payments."""

import random
from collections.abc import Callable

import pytest

from terminal_agent.emv.fallback import MOST_FAILED, WINDOW, Fallback, FallbackGuard
from terminal_agent.emv.unpredictable import PROPORTION_WINDOW, PredictableNumbers, UnpredictableNumbers

SOUND = 50_000
SOON = 2 * PROPORTION_WINDOW


@pytest.mark.parametrize("seed", [1, 2026])
def test_a_sound_source_passes(seed: int) -> None:
    numbers = UnpredictableNumbers(random.Random(seed).randbytes)
    for _ in range(SOUND):
        assert len(numbers.next()) == 4


def found_after(source: Callable[[int], bytes]) -> tuple[int, str]:
    numbers = UnpredictableNumbers(source)
    for count in range(SOON):
        try:
            numbers.next()
        except PredictableNumbers as fault:
            with pytest.raises(PredictableNumbers):
                numbers.next()
            assert numbers.fault == str(fault)
            return count, str(fault)
    raise AssertionError("a weak source is not found")


def counting(step: int, start: int = 0x1234_5678) -> Callable[[int], bytes]:
    state = [start]

    def source(octets: int) -> bytes:
        state[0] = (state[0] + step) % (1 << 32)
        return state[0].to_bytes(octets, "big")

    return source


def ticking(pace: int) -> Callable[[int], bytes]:
    state, rng = [0], random.Random(3)

    def source(octets: int) -> bytes:
        state[0] = (state[0] + pace + rng.randrange(pace)) % (1 << 32)
        return state[0].to_bytes(octets, "big")

    return source


def partly(octets_kept: bytes) -> Callable[[int], bytes]:
    """Found in the field: some octets are always the same."""
    rng = random.Random(4)
    return lambda octets: rng.randbytes(octets - len(octets_kept)) + octets_kept


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (lambda octets: bytes(octets), "same number twice"),
        (lambda octets: b"\1", "1 octets instead of 4"),
        (counting(1), "equal steps"),
        (counting(-1), "equal steps"),
        (counting(0x0100_0000), "equal steps"),
        (counting(1, 0xFFFF_FFFE), "equal steps"),
        (ticking(1_000), "follow closely"),
        (ticking(1_000_000), "follow closely"),
        (partly(b"\x77"), "only 1 values"),
        (partly(b"\x77\x05"), "only 1 values"),
    ],
)
def test_weak_sources_are_found(source: Callable[[int], bytes], words: str) -> None:
    count, said = found_after(source)
    assert words in said
    assert count <= PROPORTION_WINDOW


# Chips that fail


def test_a_card_that_failed_may_be_inserted() -> None:
    guard = FallbackGuard()
    assert guard.presented("contactless") is Fallback.NONE
    assert not guard.ended("contactless", chip_failed=True)
    assert guard.presented("contact") is Fallback.ALLOWED
    assert not guard.ended("contact", chip_failed=False)
    assert guard.presented("contactless") is Fallback.NONE


def test_too_many_failures_refuse_it_and_are_told_once() -> None:
    guard = FallbackGuard()
    told = [guard.ended("contactless", chip_failed=True) for _ in range(MOST_FAILED + 3)]
    assert told == [False] * MOST_FAILED + [True, False, False]
    assert guard.presented("contact") is Fallback.REFUSED
    assert guard.presented("contactless") is Fallback.NONE, "the same interface may be tried again"


def test_good_cards_make_it_forget() -> None:
    guard = FallbackGuard()
    for _ in range(MOST_FAILED + 1):
        guard.ended("contactless", chip_failed=True)
    for _ in range(WINDOW):
        guard.ended("contact", chip_failed=False)
    assert not guard.suspicious
