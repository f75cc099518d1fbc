# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The client's session: every state with every input, acknowledgement by hand, keep alive on a clock of ours."""

from typing import Any

import mqtt5
import pytest

from protocols.errors import EncodeError
from protocols.mqtt.packets import PacketReader
from protocols.mqtt.session import (
    Acknowledged,
    ClientSession,
    Connected,
    Ended,
    Message,
    QoS,
    Settings,
    State,
    Subscribed,
)
from protocols.mqtt.states import TRANSITIONS, Input

QOS1 = QoS.AT_LEAST_ONCE


class Server:
    """The far end of one session, as terse as tests want it. Reads with the codec, decides nothing."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.session = ClientSession(settings or Settings("client", session_expiry_s=60))
        self.now = 100.0

    def connected(self, **connack: Any) -> "Server":
        self.session.connect(self.now)
        self.sent()
        assert self.gets(mqtt5.ConnAckPacket(**connack)) == [Connected(connack.get("session_present", False))]
        return self

    def sent(self) -> list[mqtt5.Packet]:
        return PacketReader().feed(self.session.take_output())

    def gets(self, *packets: mqtt5.Packet) -> list[Any]:
        return list(self.session.receive(b"".join(packet.write() for packet in packets), self.now))

    def publishes(self, number: int, *, duplicate: bool = False) -> Message:
        packet = mqtt5.PublishPacket("a/b", b"%d" % number, qos=QOS1, packet_id=number, duplicate=duplicate)
        (message,) = self.gets(packet)
        assert isinstance(message, Message)
        return message


def acks(packets: list[mqtt5.Packet]) -> list[int]:
    return [packet.packet_id for packet in packets if isinstance(packet, mqtt5.PubAckPacket)]


def test_connect_asks_for_what_the_settings_say() -> None:
    server = Server(Settings("c1", keep_alive_s=30, session_expiry_s=60, receive_maximum=7))
    server.session.connect(0.0)
    (packet,) = server.sent()
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.client_id, packet.keep_alive, packet.clean_start) == ("c1", 30, False)
    assert (packet.session_expiry_interval, packet.receive_max) == (60, 7)
    server = Server(Settings("c1"))
    server.session.connect(0.0)
    (packet,) = server.sent()
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert packet.clean_start


def test_refusal_is_said_in_words() -> None:
    server = Server()
    server.session.connect(0.0)
    (ended,) = server.gets(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED))
    assert ended == Ended("the broker refused the connection: not authorized", refused=True)
    assert server.session.state is State.ENDED
    assert server.gets(mqtt5.PingRespPacket()) == []


def test_subscription_and_its_refusals() -> None:
    server = Server().connected()
    packet_id = server.session.subscribe(["a/#", "b"])
    (packet,) = server.sent()
    assert isinstance(packet, mqtt5.SubscribePacket)
    assert [option.pattern for option in packet.topic_filters] == ["a/#", "b"]
    codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, mqtt5.SubAckReasonCode.NOT_AUTHORIZED]
    assert server.gets(mqtt5.SubAckPacket(packet_id, codes)) == [Subscribed(packet_id, (None, "not authorized"))]


def test_nothing_is_acknowledged_until_the_caller_says_so_and_then_in_order() -> None:
    server = Server().connected()
    first, second, third = (server.publishes(number) for number in (1, 2, 3))
    assert server.sent() == []
    assert server.session.acknowledge(second)
    assert server.sent() == []
    assert server.session.acknowledge(first)
    assert acks(server.sent()) == [1, 2]
    assert server.session.acknowledge(third)
    assert acks(server.sent()) == [3]
    assert not server.session.acknowledge(third)


def test_message_of_an_ended_connection_cannot_be_acknowledged_over_the_next() -> None:
    server = Server().connected()
    old = server.publishes(1)
    server.session.lost()
    server.connected(session_present=True)
    assert not server.session.acknowledge(old)
    assert server.sent() == []
    assert server.session.acknowledge(server.publishes(1, duplicate=True))
    assert acks(server.sent()) == [1]


def test_message_of_qos_0_needs_no_acknowledgement() -> None:
    server = Server().connected()
    (message,) = server.gets(mqtt5.PublishPacket("t", b"x"))
    assert message.packet_id is None
    assert not server.session.acknowledge(message)


def test_publishing_and_its_refusal() -> None:
    server = Server().connected()
    assert server.session.publish("t", b"x", QoS.AT_MOST_ONCE) is None
    packet_id = server.session.publish("t", b"y")
    assert packet_id is not None
    assert len(server.sent()) == 2
    code = mqtt5.PubAckReasonCode.QUOTA_EXCEEDED
    assert server.gets(mqtt5.PubAckPacket(packet_id, reason_code=code)) == [Acknowledged(packet_id, "quota exceeded")]
    other = server.session.publish("t", b"z")
    assert other is not None
    none = mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS
    assert server.gets(mqtt5.PubAckPacket(other, reason_code=none)) == [Acknowledged(other, None)]


def test_window_is_the_smaller_of_ours_and_the_brokers() -> None:
    server = Server(Settings("c", window=3)).connected(receive_max=2)
    server.session.publish("t", b"1")
    server.session.publish("t", b"2")
    assert server.session.free == 0
    with pytest.raises(EncodeError, match="no more may"):
        server.session.publish("t", b"3")


def test_unanswered_publishes_are_sent_again_in_order_and_no_more_than_the_broker_takes() -> None:
    server = Server().connected()
    ids = [server.session.publish("t", b"%d" % number) for number in range(5)]
    server.sent()
    server.session.lost()
    server.connected(session_present=True, receive_max=2)
    again = server.sent()
    assert [(packet.packet_id, packet.duplicate) for packet in again if isinstance(packet, mqtt5.PublishPacket)] == [
        (ids[0], True),
        (ids[1], True),
    ]
    server.gets(mqtt5.PubAckPacket(ids[0] or 0))
    assert [packet.packet_id for packet in server.sent() if isinstance(packet, mqtt5.PublishPacket)] == [ids[2]]


def test_without_a_session_at_the_broker_they_are_new() -> None:
    server = Server().connected()
    server.session.publish("t", b"x")
    server.session.lost()
    server.connected(session_present=False)
    (packet,) = server.sent()
    assert isinstance(packet, mqtt5.PublishPacket)
    assert not packet.duplicate


def test_keep_alive_asks_and_gives_up() -> None:
    server = Server(Settings("c", keep_alive_s=20, answer_s=5)).connected()
    assert server.session.deadline() == 120.0
    assert server.session.tick(119.9) == []
    assert server.sent() == []
    server.session.tick(120.0)
    assert isinstance(server.sent()[0], mqtt5.PingReqPacket)
    assert server.session.deadline() == 125.0
    server.now = 121.0
    assert server.gets(mqtt5.PingRespPacket()) == []
    assert server.session.deadline() == 140.0
    server.session.tick(140.0)
    assert server.session.tick(145.0) == [Ended("no answer from the broker within 5 s")]
    assert server.session.deadline() is None


def test_broker_may_shorten_the_keep_alive() -> None:
    server = Server(Settings("c", keep_alive_s=200)).connected(server_keep_alive=7)
    assert server.session.deadline() == 107.0


def test_silence_after_connect_ends_it() -> None:
    server = Server()
    server.session.connect(0.0)
    assert server.session.tick(9.9) == []
    assert server.session.tick(10.0) == [Ended("no answer from the broker within 10 s")]


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (mqtt5.PublishPacket("t", b"", qos=QoS.EXACTLY_ONCE, packet_id=1), "QoS 2"),
        (mqtt5.PublishPacket("t", b"", topic_alias=1), "topic alias"),
        (mqtt5.PubAckPacket(77), "PUBACK for nothing"),
        (mqtt5.SubAckPacket(77, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]), "SUBACK for nothing"),
        (mqtt5.ConnAckPacket(), "CONNACK while connected"),
        (mqtt5.PubRecPacket(1), "PUBREC while connected"),
        (mqtt5.PingReqPacket(), "PINGREQ while connected"),
        (mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("a")]), "SUBSCRIBE while connected"),
    ],
)
def test_violations_end_the_connection_with_a_reason(packet: mqtt5.Packet, why: str) -> None:
    server = Server().connected()
    (ended,) = server.gets(packet, mqtt5.PublishPacket("t", b"not read any more"))
    assert why in ended.why
    (last,) = server.sent()
    assert isinstance(last, mqtt5.DisconnectPacket)
    assert last.reason_code == mqtt5.DisconnectReasonCode.PROTOCOL_ERROR


def test_more_messages_than_may_wait_end_the_connection() -> None:
    server = Server(Settings("c", receive_maximum=2)).connected()
    server.publishes(1)
    server.publishes(2)
    (ended,) = server.gets(mqtt5.PublishPacket("t", b"", qos=QOS1, packet_id=3))
    assert "more messages than may wait" in ended.why


def test_garbage_ends_the_connection() -> None:
    server = Server().connected()
    (ended,) = server.session.receive(b"\x00\x00", 0.0)
    assert isinstance(ended, Ended)
    assert server.session.state is State.ENDED


def test_packets_that_the_broker_would_not_take_are_refused_here() -> None:
    server = Server().connected(max_packet_size=100)
    with pytest.raises(EncodeError, match="the broker takes 100"):
        server.session.publish("t", b"x" * 100)
    with pytest.raises(EncodeError):
        server.session.publish("a/#", b"")
    assert server.session.free == 100


def test_octet_by_octet() -> None:
    server = Server().connected()
    octets = mqtt5.PublishPacket("a/b", b"payload", qos=QOS1, packet_id=1).write()
    notices = [notice for octet in octets for notice in server.session.receive(bytes([octet]), 0.0)]
    assert [notice.payload for notice in notices if isinstance(notice, Message)] == [b"payload"]


def _in_state(state: State) -> Server:
    server = Server()
    if state is not State.IDLE:
        server.session.connect(server.now)
    if state in (State.CONNECTED, State.ENDED):
        server.gets(mqtt5.ConnAckPacket())
        server.session.publish("t", b"x")
        server.session.subscribe(["a"])
    if state is State.ENDED:
        server.session.lost()
    server.sent()
    return server


_ACTS: dict[Input, Any] = {
    Input.CONNECT: lambda server: server.session.connect(server.now),
    Input.ACCEPTED: lambda server: server.gets(mqtt5.ConnAckPacket()),
    Input.REFUSED: lambda server: server.gets(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.BANNED)),
    Input.PUBLISH: lambda server: server.publishes(1),
    Input.PUBACK: lambda server: server.gets(mqtt5.PubAckPacket(1)),
    Input.SUBACK: lambda server: server.gets(mqtt5.SubAckPacket(2, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE])),
    Input.PINGRESP: lambda server: server.gets(mqtt5.PingRespPacket()),
    Input.DISCONNECT: lambda server: server.gets(mqtt5.DisconnectPacket()),
    Input.OTHER: lambda server: server.gets(mqtt5.PubRelPacket(1)),
    Input.GARBAGE: lambda server: server.session.receive(b"\x00\x00", server.now),
    Input.SILENCE: lambda server: (server.session.tick(server.now + 1e6), server.session.tick(server.now + 2e6)),
    Input.CLOSE: lambda server: server.session.close(),
    Input.LOST: lambda server: server.session.lost(),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("what", Input)
def test_every_state_with_every_input(state: State, what: Input) -> None:
    """In the table: the state that it says. Not in it: a protocol error ends what lives, and nothing else moves."""
    server = _in_state(state)
    live = state in (State.CONNECTING, State.CONNECTED)
    try:
        _ACTS[what](server)
    except (EncodeError, ValueError, AssertionError):
        assert (state, what) not in TRANSITIONS
    expected = TRANSITIONS.get((state, what), State.ENDED if live and what is not Input.CONNECT else state)
    assert server.session.state is expected
