# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every recorded packet is read and built alike; whatever else comes is an event, never an exception."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs import LONGEST_DATA, SYN, Control, Packet, PacketFramer, decode_packet
from protocols.serial.framer import Damaged

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "abecs_pinpad_frames.json").read_text()
)["facts"]
PRINTED = {"164F504E17A8A9": b"OPN", "16445350303030173963": b"DSP000"}  # protocol 2.12, 2.2.2.1 and 3
PACKETS = st.builds(Packet, st.binary(min_size=1, max_size=200))
ONE = Packet(b"GIX\x13\x16\x17000")


@pytest.mark.parametrize("fact", RECORDED, ids=range(len(RECORDED)))
def test_recorded_packets(fact: dict[str, Any]) -> None:
    octets = bytes.fromhex(fact["frame"])
    packet = decode_packet(octets)
    assert packet.encode() == octets
    assert packet.data[:3].decode() == fact["cmd"]


@pytest.mark.parametrize(("octets", "data"), PRINTED.items())
def test_printed_packets(octets: str, data: bytes) -> None:
    assert Packet(data).encode() == bytes.fromhex(octets)
    assert decode_packet(bytes.fromhex(octets)) == Packet(data)


def test_control_characters_in_the_data_are_replaced() -> None:
    octets = ONE.encode()
    assert octets[1:-3] == b"GIX\x13\x33\x13\x36\x13\x37000"
    assert decode_packet(octets) == ONE


@settings(max_examples=60)
@given(st.lists(st.one_of(PACKETS, st.sampled_from(list(Control))), min_size=1, max_size=5), st.integers(1, 40))
def test_pieces_do_not_matter(events: list[Any], cut: int) -> None:
    stream = b"".join(event.encode() if isinstance(event, Packet) else bytes((event,)) for event in events)
    framer = PacketFramer()
    heard = [event for at in range(0, len(stream), cut) for event in framer.feed(stream[at : at + cut])]
    assert heard == events
    assert not framer.unfinished


@given(st.binary(max_size=400))
def test_garbage_is_never_an_exception(data: bytes) -> None:
    framer = PacketFramer()
    framer.feed(data)
    framer.lapse()
    assert framer.feed(ONE.encode()) == [ONE]


def test_every_changed_octet_is_noticed() -> None:
    octets = ONE.encode()
    for place in range(len(octets)):
        for bit in range(8):
            spoiled = bytearray(octets)
            spoiled[place] ^= 1 << bit
            framer = PacketFramer()
            heard = [*framer.feed(bytes(spoiled)), *framer.lapse()]
            assert not any(isinstance(event, Packet) for event in heard), (place, bit)


def test_every_truncation_is_unfinished() -> None:
    octets = ONE.encode()
    for size in range(1, len(octets)):
        framer = PacketFramer()
        assert framer.feed(octets[:size]) == []
        assert framer.unfinished
        with pytest.raises(DecodeError):
            decode_packet(octets[:size])
        framer.lapse()
        assert framer.feed(octets) == [ONE]


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"\x16OPN\x13\x17\x00\x00", "without its character"),
        (b"\x16OPN\x13\x41\x17\x00\x00", "travels as it is"),
        (b"\x16\x17\x00\x00", "0 octets"),
        (b"\x16OPN\x17\x00\x00", "the CRC"),
    ],
)
def test_damage_is_told(octets: bytes, why: str) -> None:
    (event,) = PacketFramer().feed(octets)
    assert isinstance(event, Damaged)
    assert why in event.why
    with pytest.raises(DecodeError, match=why):
        decode_packet(octets)


def test_a_packet_that_began_inside_a_packet_is_heard() -> None:
    assert PacketFramer().feed(b"\x16OP" + ONE.encode()) == [Damaged("a packet began inside a packet"), ONE]


def test_a_packet_without_an_end_does_not_grow() -> None:
    framer = PacketFramer()
    heard = [event for _ in range(10) for event in framer.feed(bytes((SYN,)) + b"x" * 900 if _ == 0 else b"x" * 900)]
    assert heard
    assert all(isinstance(event, Damaged) for event in heard)
    with pytest.raises(EncodeError):
        Packet(bytes(LONGEST_DATA + 1)).encode()
    with pytest.raises(EncodeError):
        Packet(b"").encode()


def test_a_peer_that_breaks_off_is_heard() -> None:
    framer = PacketFramer()
    framer.feed(b"\x16OPN\x04")
    assert framer.lapse() == [Damaged("the line fell silent inside a packet"), Control.EOT]


def test_one_packet_alone_is_one_packet() -> None:
    octets = ONE.encode()
    for spoiled in (octets + b"x", b"x" + octets, octets * 2, b"\x06", b""):
        with pytest.raises(DecodeError):
            decode_packet(spoiled)
    assert repr(ONE) == "Packet(9 octets)"
