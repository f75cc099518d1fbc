# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Framing: whatever way a stream is cut, the same messages come out; what cannot be a message is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.hsm.frame import FrameBuffer, frame, open_message, response, response_code

MESSAGES = [b"", b"0001NC", b"\x00\x06" * 40, bytes(1000)]


def taken(buffer: FrameBuffer) -> list[bytes]:
    found = []
    while (message := buffer.take()) is not None:
        found.append(message)
    return found


def test_every_cut_of_a_stream_gives_the_same_messages() -> None:
    stream = b"".join(map(frame, MESSAGES))
    for cut in range(len(stream) + 1):
        buffer = FrameBuffer()
        buffer.feed(stream[:cut])
        found = taken(buffer)
        buffer.feed(stream[cut:])
        assert found + taken(buffer) == MESSAGES
        assert buffer.waiting == 0


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_any_pieces_give_the_same_messages(messages: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(map(frame, messages))
    buffer, found, place, turn = FrameBuffer(), [], 0, 0
    while place < len(stream):
        size = sizes[turn % len(sizes)]
        buffer.feed(stream[place : place + size])
        found += taken(buffer)
        place, turn = place + size, turn + 1
    assert found == messages


def test_an_announced_length_above_the_bound_is_refused_before_the_message_is_there() -> None:
    buffer = FrameBuffer(largest=512)
    buffer.feed(b"\x02\x01")
    with pytest.raises(DecodeError, match="513 octets announced, at most 512"):
        buffer.take()


def test_the_bound_itself_is_accepted() -> None:
    buffer = FrameBuffer(largest=512)
    buffer.feed(frame(bytes(512)))
    assert buffer.take() == bytes(512)


def test_a_message_longer_than_the_length_octets_can_say_is_the_callers_fault() -> None:
    assert len(frame(bytes(0xFFFF))) == 0x10001
    with pytest.raises(EncodeError):
        frame(bytes(0x10000))


@pytest.mark.parametrize("header", [b"", b"0", b"0001", bytes(range(255))])
def test_a_header_of_any_length_is_cut_off_whole(header: bytes) -> None:
    opened = open_message(header + b"NC%00", len(header))
    assert (opened.header, opened.code, opened.body) == (header, "NC", b"%00")


@pytest.mark.parametrize("message", [b"", b"0001", b"0001N", b"0001N\x00", b"0001\xc3\xa9", b"0001; "])
def test_what_has_no_command_code_is_no_host_command(message: bytes) -> None:
    with pytest.raises(DecodeError):
        open_message(message, 4)


@pytest.mark.parametrize(("code", "expected"), [("A0", "A1"), ("CY", "CZ"), ("NO", "NP"), ("N0", "N1"), ("KQ", "KR")])
def test_response_codes(code: str, expected: str) -> None:
    assert response_code(code) == expected
    assert response(b"abcd", code, "68") == b"abcd" + expected.encode() + b"68"
