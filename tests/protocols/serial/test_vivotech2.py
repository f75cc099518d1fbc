# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every published frame is read and built alike; whatever else comes is an event, never an exception."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.serial.framer import Damaged
from protocols.serial.vivotech2 import (
    CRC_OCTETS,
    HEAD,
    HIGH_FIRST,
    LONGEST_DATA,
    TAG,
    Frame,
    FrameFramer,
    decode_frame,
    request_octets,
)

PUBLISHED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "vivopay_neo_frames.json").read_text()
)["facts"]
MANUAL = {  # NEO 2 Interface Developer's Guide, 2.8: ping and its reply, get configuration
    "5669564F746563683200 18 01 0000 B3CD": Frame(0x18, 0x01),
    "5669564F746563683200 03 02 0000 5B91": Frame(0x03, 0x02),
}
FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))
ONE_FRAME = Frame(0x2C, 0x00, bytes.fromhex("0108112233"))


@pytest.mark.parametrize("fact", PUBLISHED, ids=lambda fact: fact["what"])
def test_published_frames(fact: dict[str, Any]) -> None:
    octets = bytes.fromhex(fact["frame"])
    order = fact["crc_order"]
    high_first = None if order == "big" else ()
    frame = decode_frame(octets, high_first)
    assert frame.encode(high_first=order == "big") == octets
    assert len(frame.data) == len(octets) - HEAD - CRC_OCTETS
    with pytest.raises(DecodeError, match="CRC"):
        decode_frame(octets, () if high_first is None else None)
    if fact["kind"] == "cmd" and frame.command != 0x90:  # 90-07 is none of the documented pass-through commands
        assert request_octets(frame) == octets


@pytest.mark.parametrize(("octets", "frame"), MANUAL.items())
def test_the_manuals_requests(octets: str, frame: Frame) -> None:
    assert request_octets(frame) == bytes.fromhex(octets)


def test_the_manuals_replies() -> None:
    assert decode_frame(bytes.fromhex("5669564F746563683200 18 00 0000 FA83")) == Frame(0x18, 0x00)
    assert decode_frame(bytes.fromhex("5669564F746563683200 83 00 0002 E101 0D25")) == Frame(0x83, 0, b"\xe1\x01")


@settings(max_examples=60)
@given(frames=st.lists(FRAMES, min_size=1, max_size=4), cut=st.integers(1, 40), noise=st.binary(max_size=20))
def test_pieces_and_noise_do_not_matter(frames: list[Frame], cut: int, noise: bytes) -> None:
    noise = noise.replace(b"V", b"")
    stream = noise.join(frame.encode() for frame in frames)
    framer = FrameFramer()
    events = [event for at in range(0, len(stream), cut) for event in framer.feed(stream[at : at + cut])]
    assert events == frames
    assert not framer.unfinished


@given(data=st.binary(max_size=600))
@settings(max_examples=100)
def test_garbage_is_never_an_exception(data: bytes) -> None:
    for framer in (FrameFramer(), FrameFramer(HIGH_FIRST)):
        framer.feed(data)
        framer.feed(TAG + data)
        framer.lapse()
        assert framer.feed(ONE_FRAME.encode()) == [ONE_FRAME]


def test_every_changed_octet_is_noticed() -> None:
    octets = ONE_FRAME.encode()
    for place in range(len(octets)):
        for bit in range(8):
            spoiled = bytearray(octets)
            spoiled[place] ^= 1 << bit
            framer = FrameFramer()
            assert all(isinstance(event, Damaged) for event in [*framer.feed(bytes(spoiled)), *framer.lapse()])


def test_every_truncation_is_unfinished_or_nothing() -> None:
    octets = ONE_FRAME.encode()
    for size in range(len(octets)):
        framer = FrameFramer()
        assert framer.feed(octets[:size]) == []
        assert framer.unfinished == (size > 0)
        with pytest.raises(DecodeError):
            decode_frame(octets[:size])
        framer.lapse()
        assert framer.feed(octets) == [ONE_FRAME]


def test_a_frame_inside_a_damaged_frame_is_not_heard() -> None:
    inner = Frame(0x2C, 0x00, b"\x01").encode()
    outer = bytearray(Frame(0x2C, 0x00, b"xx" + inner + b"yy").encode())
    outer[-1] ^= 1
    framer = FrameFramer()
    assert framer.feed(bytes(outer)) == [Damaged("the CRC is not that of the frame")]
    assert framer.feed(inner) == [Frame(0x2C, 0x00, b"\x01")]


def test_what_is_too_long_is_neither_waited_for_nor_sent() -> None:
    head = TAG + bytes((0x2C, 0)) + (LONGEST_DATA + 1).to_bytes(2, "big")
    framer = FrameFramer()
    assert framer.feed(head) == [Damaged(f"more than {LONGEST_DATA} octets announced")]
    assert framer.feed(ONE_FRAME.encode()) == [ONE_FRAME]
    with pytest.raises(EncodeError):
        Frame(0x2C, 3, bytes(LONGEST_DATA + 1)).encode()


def test_one_frame_alone_is_one_frame() -> None:
    octets = ONE_FRAME.encode()
    for spoiled in (octets + b"\x00", b"x" + octets, octets + octets, b""):
        with pytest.raises(DecodeError, match="one whole frame expected"):
            decode_frame(spoiled)


def test_a_frame_prints_without_its_data() -> None:
    assert repr(ONE_FRAME) == "Frame(2C-00, 5 octets)"
