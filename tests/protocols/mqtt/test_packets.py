# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Packets out of octets, in any pieces; whatever is no packet raises DecodeError, never the codec's panic."""

import contextlib

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from protocols.errors import DecodeError
from protocols.mqtt.packets import LARGEST_PACKET, PacketReader, TooLargeError, VersionError, read

QOS1 = mqtt5.QoS.AT_LEAST_ONCE
PAIRS = [("clé", "valeur")]
PACKETS = [
    mqtt5.ConnectPacket(
        "client",
        username="user",
        password=b"\x00\xff",
        keep_alive=20,
        session_expiry_interval=60,
        will=mqtt5.Will("a/b", payload=b"gone", content_type="text/plain", user_properties=PAIRS),
        user_properties=PAIRS,
    ),
    mqtt5.ConnAckPacket(session_present=True, receive_max=20, reason_str="hello", assigned_client_id="x"),
    mqtt5.PublishPacket("a/b", b"\xff\xfe"),
    mqtt5.PublishPacket(
        "a/ü",
        b"payload" * 100,
        qos=QOS1,
        packet_id=7,
        message_expiry_interval=5,
        content_type="application/json",
        response_topic="r",
        correlation_data=b"\x80",
        user_properties=PAIRS,
    ),
    mqtt5.PubAckPacket(7, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED, reason_str="no"),
    mqtt5.PubRecPacket(7),
    mqtt5.PubRelPacket(7),
    mqtt5.PubCompPacket(7),
    mqtt5.SubscribePacket(8, [mqtt5.TopicFilter("a/#"), mqtt5.TopicFilter("b/+")], subscription_id=300),
    mqtt5.SubAckPacket(8, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED], reason_str="no"),
    mqtt5.UnsubscribePacket(9, ["a/#"]),
    mqtt5.UnsubAckPacket(9, [mqtt5.UnsubAckReasonCode.SUCCESS]),
    mqtt5.PingReqPacket(),
    mqtt5.PingRespPacket(),
    mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_BUSY, reason_str="later"),
    mqtt5.AuthPacket(authentication_method="m", authentication_data=b"\xff"),
]
STREAM = b"".join(packet.write() for packet in PACKETS)


def test_whole_stream() -> None:
    assert [packet.write() for packet in PacketReader().feed(STREAM)] == [packet.write() for packet in PACKETS]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64])
def test_stream_in_pieces(piece: int) -> None:
    reader, found = PacketReader(), []
    for place in range(0, len(STREAM), piece):
        found += reader.feed(STREAM[place : place + piece])
    assert b"".join(packet.write() for packet in found) == STREAM


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: type(packet).__name__)
def test_every_truncation_is_refused(packet: mqtt5.Packet) -> None:
    octets = packet.write()
    for length in range(len(octets)):
        with pytest.raises(DecodeError):
            read(octets[:length])
    with pytest.raises(DecodeError):
        read(octets + b"\x00")


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: type(packet).__name__)
def test_every_octet_changed_raises_decode_error_or_reads(
    packet: mqtt5.Packet, capfd: pytest.CaptureFixture[str]
) -> None:
    octets = packet.write()
    for place in range(min(len(octets), 120)):
        for value in (0x00, 0x01, 0x80, 0xC3, 0xFF, octets[place] ^ 0x10):
            damaged = octets[:place] + bytes([value]) + octets[place + 1 :]
            with contextlib.suppress(DecodeError):
                read(damaged)
    assert "panicked" not in capfd.readouterr().err


@given(st.integers(1, 15), st.integers(0, 15), st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_garbage_in_a_frame(kind: int, flags: int, body: bytes) -> None:
    try:
        read(bytes([kind << 4 | flags, len(body)]) + body)
    except DecodeError:
        return


@given(st.binary(max_size=100))
@settings(max_examples=200, deadline=None)
def test_garbage_stream(data: bytes) -> None:
    try:
        PacketReader().feed(data)
    except DecodeError:
        return


def test_length_is_bounded_before_it_is_awaited() -> None:
    assert PacketReader(1_000).feed(b"\x30\xe5\x07") == []  # 2 + 1 + 997 octets
    with pytest.raises(TooLargeError):
        PacketReader(1_000).feed(b"\x30\xe6\x07")
    with pytest.raises(TooLargeError):
        PacketReader().feed(b"\x30\xff\xff\xff\x7f")
    with pytest.raises(DecodeError):
        PacketReader().feed(b"\x30\xff\xff\xff\xff")
    large = mqtt5.PublishPacket("t", b"x" * (LARGEST_PACKET - 8)).write()
    assert len(PacketReader().feed(large)) == 1


def test_other_versions_are_named() -> None:
    for version in (3, 4, 6):
        with pytest.raises(VersionError) as caught:
            read(b"\x10\x0c\x00\x04MQTT" + bytes([version]) + b"\x02\x00\x05\x00\x00")
        assert caught.value.version == version


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x00\x00",
        b"\x32\x05\x00\x01t\x00\x00\x00"[:1] + b"\x06\x00\x01t\x00\x00\x00",  # packet identifier 0
        b"\x40\x02\x00\x00",
        b"\x82\x03\x00\x01\x00",  # no filter
        b"\x30\x04\x00\x01\x00\x00",  # the null character
        b"\x30\x05\x00\x02\xc3\x28\x00",  # not UTF-8
        b"\x30\x06\x00\x03\xed\xa0\x80\x00",  # a surrogate
        b"\x30\x06\x00\x01t\x02\x04\x00",  # a property that does not exist
    ],
)
def test_named_faults(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        read(octets)


def test_properties_as_another_implementation_writes_them() -> None:
    """paho's encoder, our walk, the codec's values."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = 70_000
    properties.ContentType = "application/json"
    properties.UserProperty = [("a", "ü"), ("b", "2")]
    properties.CorrelationData = b"\x80\x81"
    block = properties.pack()  # type: ignore[no-untyped-call]
    body = b"\x00\x03a/b" + b"\x00\x09" + block + b"payload"
    packet = read(bytes([0x32, len(body)]) + body)
    assert isinstance(packet, mqtt5.PublishPacket)
    assert (packet.message_expiry_interval, packet.content_type) == (70_000, "application/json")
    assert packet.user_properties == [("a", "ü"), ("b", "2")]
    assert (packet.correlation_data, packet.payload, packet.packet_id) == (b"\x80\x81", b"payload", 9)
