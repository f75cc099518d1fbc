# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a recording is read as it was written, played as it was heard, and only what a rule names is altered."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.twins.tap import (
    Alteration,
    Middle,
    Piece,
    Recording,
    ReplayTwin,
    Side,
    head_line,
    piece_line,
    read_recording,
)
from protocols.errors import DecodeError

PIECES = (
    Piece(0, Side.DEVICE, b"ping"),
    Piece(10, Side.HOST, b"po"),
    Piece(30, Side.HOST, b"ng"),
    Piece(100, Side.DEVICE, b"bye"),
)
LINES = [head_line("pn532"), *map(piece_line, PIECES)]


def test_a_recording_is_read_as_it_was_written() -> None:
    assert read_recording(LINES) == Recording("pn532", PIECES)
    assert "ping" not in repr(PIECES[0])


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([], "empty"),
        (["nonsense"], "line 1"),
        (["[]"], "line 1"),
        ([json.dumps({"recording": "serial", "version": 2})], "line 1"),
        ([LINES[0], json.dumps({"ms": -1, "to": "host", "hex": "00"})], "line 2: ms"),
        ([LINES[0], LINES[2], LINES[1]], "line 3: ms"),
        ([LINES[0], json.dumps({"ms": 0, "to": "both", "hex": "00"})], "line 2: to"),
        ([LINES[0], json.dumps({"ms": 0, "to": "host", "hex": ""})], "line 2: hex"),
        ([LINES[0], json.dumps({"ms": 0, "to": "host", "hex": "4000009999990016X"})], "line 2: hex"),
        ([LINES[0], json.dumps({"ms": True, "to": "host", "hex": "00"})], "line 2: ms"),
        ([LINES[0], "[" * 100_000], "line 2"),
    ],
)
def test_what_is_no_recording(lines: list[str], where: str) -> None:
    with pytest.raises(DecodeError, match=where) as caught:
        read_recording(lines)
    assert "40000099" not in str(caught.value)


@given(st.lists(st.text(max_size=40), max_size=5))
def test_garbage_gives_only_our_errors(lines: list[str]) -> None:
    with pytest.raises(DecodeError):
        read_recording([*lines, "\x00"])


def test_the_device_is_played_with_its_pauses() -> None:
    twin = ReplayTwin(Recording("", PIECES))
    assert twin.due is None
    assert twin.feed(b"pi", 5.0) == b""
    assert twin.feed(b"ng", 5.5) == b""
    assert twin.due == pytest.approx(5.51)
    assert twin.tick(5.51) == b"po"
    assert twin.due == pytest.approx(5.53)
    assert twin.tick(6.0) == b"ng"
    assert not twin.finished
    assert twin.feed(b"bye", 7.0) == b""
    assert twin.finished
    assert not twin.mismatch


def test_a_host_that_is_ahead_is_heard_in_time() -> None:
    twin = ReplayTwin(Recording("", PIECES))
    assert twin.feed(b"pingbye", 0.0) == b""
    assert twin.tick(1.0) == b"pong"
    assert twin.finished


@pytest.mark.parametrize(
    ("octets", "place"),
    [(b"pang", "octet 2 "), (b"x", "octet 1 "), (b"pingbyte", "octet 7 "), (b"pingbye!", "octet 8 ")],
)
def test_another_host_is_told_where_it_differs(octets: bytes, place: str) -> None:
    twin = ReplayTwin(Recording("", PIECES))
    twin.feed(octets, 0.0)
    twin.tick(1.0)
    twin.tick(2.0)
    assert place in twin.mismatch
    assert twin.due is None
    assert twin.feed(b"ping", 3.0) == b""


RULE = Alteration(Side.HOST, b"\x90\x00", b"\x6a\x82")


@given(st.binary(max_size=60), st.integers(1, 5))
def test_a_wire_without_its_find_is_the_same_wire(octets: bytes, cut: int) -> None:
    octets = octets.replace(b"\x00", b"\x01")
    middle = Middle(Side.HOST, [RULE])
    out = b"".join(middle.feed(octets[at : at + cut]) for at in range(0, len(octets), cut)) + middle.lapse()
    assert out == octets
    assert not middle.altered


@pytest.mark.parametrize("cut", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("after", "most", "expected"),
    [(0, 1, b"a\x6a\x82b\x90\x00c"), (1, 1, b"a\x90\x00b\x6a\x82c"), (0, 2, b"a\x6a\x82b\x6a\x82c")],
)
def test_a_find_is_altered_when_its_turn_comes(cut: int, after: int, most: int, expected: bytes) -> None:
    middle = Middle(Side.HOST, [Alteration(Side.HOST, RULE.find, RULE.put, after, most)])
    octets = b"a\x90\x00b\x90\x00c"
    out = b"".join(middle.feed(octets[at : at + cut]) for at in range(0, len(octets), cut)) + middle.lapse()
    assert out == expected
    assert middle.altered == most


def test_the_other_direction_is_left_alone_and_octets_can_be_taken_out() -> None:
    assert Middle(Side.DEVICE, [RULE]).feed(b"\x90\x00") == b"\x90\x00"
    assert Middle(Side.HOST, [Alteration(Side.HOST, b"x", b"")]).feed(b"axb") == b"ab"


def test_what_may_begin_a_find_waits() -> None:
    middle = Middle(Side.HOST, [RULE])
    assert middle.feed(b"a\x90") == b"a"
    assert middle.holding
    assert middle.feed(b"\x01") == b"\x90\x01"
    assert middle.feed(b"\x90") == b""
    assert middle.lapse() == b"\x90"
    assert not middle.holding
