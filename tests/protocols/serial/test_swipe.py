# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a swipe survives its reports whatever their size; reports out of turn and noise are a DecodeError."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.serial.swipe import LONGEST_TRACK, ReportJoiner, Swipe

ONE = Swipe("400000******0016", bytes(range(10)), bytes(range(40)))


@pytest.mark.parametrize("octets", [8, 16, 64, 256])
def test_swipes_survive(octets: int) -> None:
    joiner = ReportJoiner()
    reports = ONE.reports(octets)
    assert all(len(report) == octets for report in reports)
    for _ in range(2):
        *begun, whole = [joiner.feed(report) for report in reports]
        assert begun == [None] * (len(reports) - 1)
        assert whole == ONE


@pytest.mark.parametrize("order", [(1,), (2,), (0, 0), (0, 2)])
def test_out_of_turn(order: tuple[int, ...]) -> None:
    reports = ONE.reports(32)
    joiner = ReportJoiner()
    *good, bad = order
    for place in good:
        joiner.feed(reports[place])
    with pytest.raises(DecodeError):
        joiner.feed(reports[bad])
    assert [joiner.feed(report) for report in reports][-1] == ONE


@pytest.mark.parametrize(
    "wrong",
    [
        Swipe("", bytes(9), bytes(8)),
        Swipe("x" * 20, bytes(10), bytes(8)),
        Swipe("", bytes(10), b""),
        Swipe("", bytes(10), bytes(9)),
        Swipe("", bytes(10), bytes(LONGEST_TRACK + 8)),
        Swipe("é", bytes(10), bytes(8)),
    ],
    ids=repr,
)
def test_what_does_not_fit(wrong: Swipe) -> None:
    with pytest.raises(EncodeError):
        wrong.reports(64)


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_noise(reports: list[bytes]) -> None:
    joiner = ReportJoiner()
    for report in reports:
        with contextlib.suppress(DecodeError):
            joiner.feed(report)
    with contextlib.suppress(DecodeError):
        joiner.feed(b"\x00")
    assert joiner.feed(ONE.reports(128)[0]) == ONE


def test_it_prints_no_cryptogram() -> None:
    assert repr(ONE) == "Swipe(masked='400000******0016')"
