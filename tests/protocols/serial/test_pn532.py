# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every captured frame is read and built alike; whatever else comes is an event, never an exception."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.serial.framer import Damaged
from protocols.serial.pn532 import (
    CHIP_TO_HOST,
    HOST_TO_CHIP,
    LARGEST_CONTENT,
    WAKE,
    Event,
    Frame,
    FrameFramer,
    Signal,
    decode_frame,
)
from tests.protocols.serial.captures import sessions

FRAMES = st.builds(Frame, st.sampled_from((HOST_TO_CHIP, CHIP_TO_HOST)), st.binary(min_size=1, max_size=264))
CAPTURED = [(client, octets) for client, exchange in sessions().items() for _, octets in exchange]


def encoded(event: Event) -> bytes:
    assert not isinstance(event, Damaged)
    return event.encode() if isinstance(event, Frame) else event.value


def test_captured_frames_are_read_and_built_alike() -> None:
    for client, octets in CAPTURED:
        framer = FrameFramer()
        events = framer.feed(octets)
        assert len(events) == 1, client
        assert not framer.unfinished
        assert octets.endswith(encoded(events[0])), client


@pytest.mark.parametrize(
    ("frame", "octets"),
    [
        (Frame(HOST_TO_CHIP, bytes.fromhex("1401")), "0000FF03FDD414011700"),
        (Frame(HOST_TO_CHIP, bytes.fromhex("02")), "0000FF02FED4022A00"),
        (Frame(HOST_TO_CHIP, bytes.fromhex("4A0100")), "0000FF04FCD44A0100E100"),
    ],
)
def test_published_frames(frame: Frame, octets: str) -> None:
    assert frame.encode() == bytes.fromhex(octets)
    assert decode_frame(bytes.fromhex(octets)) == frame


def test_signals() -> None:
    framer = FrameFramer()
    assert framer.feed(b"".join(signal.value for signal in Signal)) == list(Signal)


def test_extended_frames_begin_where_the_short_length_ends() -> None:
    assert Frame(HOST_TO_CHIP, bytes(254)).encode()[3:5] == bytes((255, 1))
    assert Frame(HOST_TO_CHIP, bytes(255)).encode()[3:8] == bytes.fromhex("FFFF0100FF")
    with pytest.raises(EncodeError):
        Frame(HOST_TO_CHIP, bytes(LARGEST_CONTENT)).encode()


@given(st.lists(st.one_of(FRAMES, st.sampled_from(Signal)), max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_any_cutting_gives_the_same_events(sent: list[Frame | Signal], data: st.DataObject) -> None:
    octets = WAKE + b"".join(encoded(one) for one in sent)
    framer, heard = FrameFramer(), list[Event]()
    place = 0
    while place < len(octets):
        size = data.draw(st.integers(1, 60))
        heard += framer.feed(octets[place : place + size])
        place += size
    assert heard == sent


@given(st.one_of(st.binary(max_size=400), st.lists(st.sampled_from((0, 0xFF, 1, 0xD5)), max_size=60).map(bytes)))
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises_and_a_frame_behind_it_is_heard(noise: bytes) -> None:
    framer = FrameFramer()
    framer.feed(noise)
    framer.lapse()
    assert not framer.unfinished
    frame = Frame(CHIP_TO_HOST, b"\x41\x00\x90\x00")
    assert framer.feed(frame.encode()) == [frame]


def test_every_truncation_waits() -> None:
    octets = Frame(CHIP_TO_HOST, bytes(300 - 44)).encode()
    for cut in range(len(octets)):
        framer = FrameFramer()
        assert framer.feed(octets[:cut]) == []
        assert framer.lapse() == ([Damaged("the line fell silent inside a frame")] if cut >= 3 else [])
        with pytest.raises(DecodeError):
            decode_frame(octets[:cut])


def test_a_flipped_bit_is_never_a_frame() -> None:
    octets = Frame(CHIP_TO_HOST, bytes.fromhex("4B010100042004081122330578807002")).encode()
    for place in range(len(octets)):
        for bit in (0x01, 0x20, 0x80):
            broken = bytearray(octets)
            broken[place] ^= bit
            framer = FrameFramer()
            events = [*framer.feed(bytes(broken)), *framer.lapse()]
            if place:  # the first octet is filling
                assert not any(isinstance(event, Frame) for event in events), place


def test_a_card_cannot_slip_in_a_frame_through_a_damaged_one() -> None:
    forged = Frame(CHIP_TO_HOST, bytes.fromhex("41009000")).encode()
    octets = bytearray(Frame(CHIP_TO_HOST, b"\x41\x00" + forged).encode())
    octets[-2] ^= 0x01
    assert FrameFramer().feed(bytes(octets)) == [Damaged("the data check is not that of the frame")]


@pytest.mark.parametrize("lost", [1, 2])
def test_the_frame_behind_one_that_lost_octets_is_heard(lost: int) -> None:
    frame = Frame(CHIP_TO_HOST, bytes.fromhex("410090006F00"))
    octets = frame.encode()
    framer = FrameFramer()
    events = framer.feed(octets[:7] + octets[7 + lost :] + octets)
    assert events[-1] == frame


def test_a_lost_zero_is_noticed_although_the_check_is_a_sum() -> None:
    octets = Frame(CHIP_TO_HOST, bytes.fromhex("4100020090 00")).encode()
    for place in range(5, len(octets)):
        framer = FrameFramer()
        events = framer.feed(octets[:place] + octets[place + 1 :])
        assert not any(isinstance(event, Frame) for event in [*events, *framer.lapse()]), place


def test_a_frame_prints_without_its_content() -> None:
    assert repr(Frame(CHIP_TO_HOST, b"\x41\x00\x57")) == "Frame(D5, 3 octets)"


@pytest.mark.parametrize("octets", [b"", Signal.ACK.value, Frame(HOST_TO_CHIP, b"\x02").encode() * 2])
def test_one_whole_frame_or_an_error(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_frame(octets)
