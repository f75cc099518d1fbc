# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ranges say exactly the numbers they were made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.telemetry.fields import LONGEST_RANGES
from protocols.telemetry.ranges import ranges_of, ranges_text, read_ranges, texts


def spread(ranges: tuple[tuple[int, int], ...]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(st.sets(st.integers(1, 5_000), min_size=1))
def test_round_trip(numbers: set[int]) -> None:
    ranges = ranges_of(numbers)
    assert spread(ranges) == numbers
    parts = texts(ranges)
    assert set().union(*(spread(read_ranges(text)) for _, text in parts)) == numbers
    assert sum(count for count, _ in parts) == len(numbers)
    assert all(len(text) <= LONGEST_RANGES for _, text in parts)


def test_as_documented() -> None:
    assert ranges_text(ranges_of([7, 3, 1, 2])) == "1..3,7"
    assert len(texts(ranges_of(range(1, 4_001, 2)))) > 1


@pytest.mark.parametrize("text", ["", "1..", "..2", "5..3", "1,1", "1..3,3", "1-3", "1 2", "a", "1" * 12, "1,"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(DecodeError):
        read_ranges(text)
