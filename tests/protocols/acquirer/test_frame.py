# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames: whole, octet by octet, several at once, out of bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.acquirer.dialects import ASCII_1987, BCD_TPDU, Dialect
from protocols.acquirer.elements import LARGEST_MESSAGE
from protocols.acquirer.frame import Framer, frame, tpdu
from protocols.errors import DecodeError, EncodeError

BOTH = pytest.mark.parametrize("dialect", [ASCII_1987, BCD_TPDU], ids=str)


def _header(dialect: Dialect) -> bytes:
    return tpdu(0x0123, 0x0045) if dialect.tpdu else b""


@BOTH
@settings(max_examples=60, deadline=None)
@given(messages=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), cut=st.integers(1, 7))
def test_any_cutting_gives_the_same_frames(dialect: Dialect, messages: list[bytes], cut: int) -> None:
    stream = b"".join(frame(message, dialect, _header(dialect)) for message in messages)
    framer = Framer(dialect)
    found = [one for start in range(0, len(stream), cut) for one in framer.feed(stream[start : start + cut])]
    assert [one.message for one in found] == messages
    assert all(one.tpdu == _header(dialect) for one in found)
    assert not framer.waiting
    assert [one.message for one in Framer(dialect).feed(stream)] == messages


@BOTH
def test_lengths_out_of_bounds_are_refused(dialect: Dialect) -> None:
    for length in (0, len(_header(dialect)) + LARGEST_MESSAGE + 1, 0xFFFF):
        with pytest.raises(DecodeError, match="frame length"):
            Framer(dialect).feed(length.to_bytes(2, "big"))
    framer = Framer(dialect)
    assert framer.feed(b"\x00\x20\x60") == []
    assert framer.waiting


def test_a_good_frame_before_a_bad_one_is_not_lost() -> None:
    framer = Framer(ASCII_1987)
    assert [one.message for one in framer.feed(frame(b"good", ASCII_1987) + b"\xff\xff")] == [b"good"]
    with pytest.raises(DecodeError):
        framer.feed(b"")
    assert framer.feed(b"") == []


def test_a_wrong_tpdu_is_refused_before_the_frame_is_whole() -> None:
    with pytest.raises(DecodeError, match="TPDU"):
        Framer(BCD_TPDU).feed(b"\x00\x20\x61")


def test_what_cannot_be_framed_is_said() -> None:
    with pytest.raises(EncodeError, match="5 expected by dialect bcd-tpdu"):
        frame(b"x", BCD_TPDU)
    with pytest.raises(EncodeError, match="0 expected by dialect ascii-1987"):
        frame(b"x", ASCII_1987, tpdu(1, 2))
    for message in (b"", bytes(LARGEST_MESSAGE + 1)):
        with pytest.raises(EncodeError, match="a message of"):
            frame(message, ASCII_1987)
