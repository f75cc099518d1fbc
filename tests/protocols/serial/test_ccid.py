# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""CCID on a serial line: what a real driver sent, whole and in pieces, damaged, and garbage."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import EncodeError
from protocols.serial.ccid import LARGEST_DATA, REPEAT, Framer, Message, Type
from protocols.serial.framer import Damaged

CAPTURES = json.loads((Path(__file__).parents[2] / "vectors/ccid_serial_captures.json").read_text())["facts"]
FRAMES = [bytes.fromhex(octets) for exchanges in CAPTURES.values() for _, octets in exchanges]


def test_every_captured_frame_round_trips() -> None:
    assert len(FRAMES) > 300
    for frame in FRAMES:
        (message,) = Framer().feed(frame)
        assert isinstance(message, Message)
        assert message.framed() == frame


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_in_pieces(size: int) -> None:
    whole = b"".join(FRAMES[:40])
    framer = Framer()
    events = [event for start in range(0, len(whole), size) for event in framer.feed(whole[start : start + size])]
    assert [event.framed() for event in events if isinstance(event, Message)] == FRAMES[:40]
    assert not framer.unfinished


def test_damage_is_told_and_the_next_message_is_found() -> None:
    broken = bytearray(FRAMES[0])
    broken[-1] ^= 1
    events = Framer().feed(b"\xaa\xbb" + bytes(broken) + REPEAT + FRAMES[1])
    assert [type(event) for event in events] == [Damaged, Damaged, Damaged, Message]
    assert [event.why for event in events if isinstance(event, Damaged)] == [
        "noise between messages",
        "the LRC is not that of the message",
        "the other side asks for a repetition",
    ]


def test_a_line_that_falls_silent() -> None:
    framer = Framer()
    assert framer.feed(FRAMES[0][:5]) == []
    assert framer.unfinished
    assert framer.lapse() == [Damaged("the line fell silent inside a message")]
    assert framer.lapse() == []


def test_lengths_have_a_bound() -> None:
    (event,) = Framer().feed(bytes.fromhex("0306 6F FFFFFF7F 00 00 000000 00"))[:1]
    assert isinstance(event, Damaged)
    with pytest.raises(EncodeError):
        Message(Type.XFR_BLOCK, 0, 0, data=bytes(LARGEST_DATA + 1)).encode()
    assert "00A4" not in repr(Message(Type.XFR_BLOCK, 0, 0, data=bytes.fromhex("00A40400")))


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_never_raises_and_never_piles_up(pieces: list[bytes]) -> None:
    framer = Framer()
    for piece in pieces:
        framer.feed(piece)
    framer.lapse()
    (message,) = framer.feed(FRAMES[0])
    assert isinstance(message, Message)
