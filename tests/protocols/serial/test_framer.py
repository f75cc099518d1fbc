# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever octets come, in whatever pieces, the framer reports events, never raises and finds its feet."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.serial.framer import (
    Control,
    Damaged,
    Envelope,
    Event,
    Packet,
    PacketFramer,
    decode_packet,
)

BODIES = st.binary(max_size=120).map(lambda octets: octets.translate(None, b"\x02\x03\x04\x06\x0e\x0f\x15"))
PACKETS = st.builds(Packet, st.sampled_from(Envelope), BODIES)


@pytest.mark.parametrize(
    ("envelope", "body", "octets"),
    [
        (Envelope.TRANSACTION, b"72", "02 3732 03 06"),
        (Envelope.ADMINISTRATION, b"087", "0F 303837 0E 31"),
        (Envelope.ADMINISTRATION, b"080", "0F 303830 0E 36"),
    ],
)
def test_published_check_characters(envelope: Envelope, body: bytes, octets: str) -> None:
    packet = Packet(envelope, body)
    assert packet.encode() == bytes.fromhex(octets)
    assert decode_packet(bytes.fromhex(octets)) == packet


@given(st.lists(st.one_of(PACKETS, st.sampled_from(Control)), max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_any_cutting_gives_the_same_events(sent: list[Packet | Control], data: st.DataObject) -> None:
    octets = b"".join(one.encode() if isinstance(one, Packet) else bytes((one,)) for one in sent)
    framer, heard = PacketFramer(), list[Event]()
    place = 0
    while place < len(octets):
        size = data.draw(st.integers(1, 40))
        heard += framer.feed(octets[place : place + size])
        place += size
    assert heard == sent
    assert not framer.unfinished


@given(st.binary(max_size=600))
@settings(max_examples=150, deadline=None)
def test_garbage_never_raises_and_a_packet_behind_it_is_heard(noise: bytes) -> None:
    framer = PacketFramer()
    framer.feed(noise)
    framer.lapse()
    assert not framer.unfinished
    packet = Packet(Envelope.TRANSACTION, b"Z671")
    assert framer.feed(packet.encode()) == [packet]


@pytest.mark.parametrize("cut", range(1, 10))
def test_every_truncation_waits_and_then_lapses(cut: int) -> None:
    octets = Packet(Envelope.TRANSACTION, b"Z2\x1a1.00").encode()
    framer = PacketFramer()
    assert framer.feed(octets[:cut]) == []
    assert framer.unfinished
    assert framer.lapse() == [Damaged("the line fell silent inside a packet")]
    with pytest.raises(DecodeError):
        decode_packet(octets[:cut])


@pytest.mark.parametrize("place", range(1, 10))
@pytest.mark.parametrize("bit", [0x01, 0x10, 0x80])
def test_a_flipped_bit_is_never_a_packet(place: int, bit: int) -> None:
    octets = bytearray(Packet(Envelope.TRANSACTION, b"Z2\x1a1.00").encode())
    octets[place] ^= bit
    framer = PacketFramer()
    events = [*framer.feed(bytes(octets)), *framer.lapse()]
    assert not any(isinstance(event, Packet) for event in events)
    assert any(isinstance(event, Damaged) for event in events)


def test_a_packet_inside_a_packet_means_that_the_first_was_cut() -> None:
    whole = Packet(Envelope.ADMINISTRATION, b"06TG1")
    framer = PacketFramer()
    assert framer.feed(b"\x02Z60.4" + whole.encode()) == [Damaged("a packet began inside a packet"), whole]


def test_the_check_of_a_packet_whose_start_was_lost_is_no_character() -> None:
    # LRC 04 would be EOT, which ends a session.
    octets = Packet(Envelope.TRANSACTION, b"70").encode()
    assert octets[-1] == Control.EOT
    framer = PacketFramer()
    assert framer.feed(octets[1:]) == []
    assert framer.lapse() == [Damaged("noise between packets")]


def test_a_peer_that_breaks_off_with_eot_is_heard() -> None:
    framer = PacketFramer()
    assert framer.feed(b"\x02Z60.\x04") == []
    assert framer.lapse() == [Damaged("the line fell silent inside a packet"), Control.EOT]


def test_a_body_without_an_end_is_bounded() -> None:
    framer = PacketFramer(64)
    events = framer.feed(b"\x02" + b"1" * 1000)
    assert events == [Damaged("no end within 64 octets")]
    assert framer.lapse() == [] or not framer.unfinished


def test_a_body_with_control_characters_cannot_be_sent() -> None:
    with pytest.raises(EncodeError):
        Packet(Envelope.TRANSACTION, b"\x02").encode()


def test_a_packet_prints_without_its_content() -> None:
    assert "4000" not in repr(Packet(Envelope.TRANSACTION, b"Z60.4000009999990016"))


@pytest.mark.parametrize("octets", [b"", b"\x06", b"\x02\x03", b"\x0272\x03\x07", b"\x0272\x03\x06\x06"])
def test_one_whole_packet_or_an_error(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_packet(octets)
