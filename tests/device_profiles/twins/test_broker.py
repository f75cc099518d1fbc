# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The broker twin, packet by packet on a clock of ours: delivery, access, bounds, refusals."""

import random

import mqtt5
import pytest
from mqtt5 import QoS

from tests.device_profiles.twins.broker_world import QOS1, T1, Client, World, office, will


def test_connack_says_what_is_not_spoken() -> None:
    connack = World().client("TG000001", "", keep_alive=0).got_one()
    assert int(connack.reason_code) == 0
    assert connack.assigned_client_id == "assigned-1"
    assert connack.server_keep_alive == 300
    assert (connack.max_qos, connack.retain_available) == (QOS1, False)
    assert not connack.shared_subscription_available
    assert not connack.subscription_id_available


def test_report_reaches_head_office_and_is_acknowledged() -> None:
    world = World()
    head, terminal = office(world), world.client("TG000001")
    assert terminal.publishes(f"{T1}/health", b"report") == 0
    message = head.got_one()
    assert (message.topic, message.payload, message.qos) == (f"{T1}/health", b"report", QOS1)
    terminal.sends(mqtt5.PublishPacket(f"{T1}/health", b"zero"))
    assert head.payloads() == [b"zero"]


def test_publisher_is_told_that_nobody_listens() -> None:
    world = World()
    assert world.client("TG000001").publishes(f"{T1}/health") == 0x10


def test_another_terminals_tree_is_denied_both_ways() -> None:
    world = World()
    head, thief = office(world), world.client("TG000002")
    assert thief.publishes(f"{T1}/health") == 0x87
    thief.sends(mqtt5.PublishPacket(f"{T1}/health", b"zero"))
    assert head.payloads() == []
    assert thief.subscribes(f"{T1}/#", "#", "pos/v1/#", "pos/v1/+/TG000002/#") == [0x87, 0x87, 0x87, 1]
    assert any("denied" in line for line in world.traced)


def test_orders_go_to_the_one_terminal_and_cannot_be_forged() -> None:
    world = World()
    head, terminal, other = office(world), world.client("TG000001"), world.client("TG000002")
    assert terminal.subscribes(f"{T1}/order") == [1]
    assert other.subscribes("pos/v1/+/TG000002/#") == [1]
    assert head.publishes(f"{T1}/order", b"order") == 0
    assert (terminal.payloads(), other.payloads()) == ([b"order"], [])
    assert other.publishes(f"{T1}/order", b"forged") == 0x87
    assert terminal.publishes(f"{T1}/order", b"to myself") == 0x87
    assert terminal.payloads() == []


@pytest.mark.parametrize("topic", [f"{T1}/order", f"{T1}/health"])
def test_retained_messages_end_the_connection(topic: str) -> None:
    world = World()
    head = office(world)
    head.sends(mqtt5.PublishPacket(topic, b"stay", qos=QOS1, packet_id=1, retain=True))
    assert int(head.got_one().reason_code) == 0x9A
    assert head.link.closing
    assert int(world.client("TG000001", will=mqtt5.Will(f"{T1}/alert", retain=True)).got_one().reason_code) == 0x9A


def test_no_local_and_one_copy_for_overlapping_subscriptions() -> None:
    world = World()
    terminal = world.client("TG000001")
    terminal.subscribes(f"{T1}/#", no_local=True)
    assert terminal.publishes(f"{T1}/health") == 0x10
    head = office(world)
    head.subscribes(f"{T1}/#", qos=QoS.AT_MOST_ONCE)
    terminal.publishes(f"{T1}/health")
    assert head.got_one().qos == QOS1


def test_unsubscribe() -> None:
    world = World()
    head = office(world)
    head.sends(mqtt5.UnsubscribePacket(2, ["pos/v1/#", "never"]))
    assert [int(code) for code in head.got_one().reason_codes] == [0, 17]
    assert world.client("TG000001").publishes(f"{T1}/health") == 0x10


def test_what_the_client_cannot_take_is_not_sent() -> None:
    world = World()
    head = office(world, max_packet_size=100)
    terminal = world.client("TG000001")
    terminal.publishes(f"{T1}/health", b"x" * 200)
    terminal.publishes(f"{T1}/health", b"small")
    assert head.payloads() == [b"small"]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (mqtt5.ConnectPacket("again"), 0x82),
        (mqtt5.PublishPacket(f"{T1}/health", b"", qos=QoS.EXACTLY_ONCE, packet_id=1), 0x9B),
        (mqtt5.PublishPacket(f"{T1}/health", b"", topic_alias=1), 0x94),
        (mqtt5.PublishPacket(f"{T1}/health", b"", subscription_ids=[1]), 0x82),
        (mqtt5.SubscribePacket(1, [mqtt5.TopicFilter(f"{T1}/#")], subscription_id=1), 0xA1),
        (mqtt5.PubRelPacket(1), 0x82),
        (mqtt5.PingRespPacket(), 0x82),
        (mqtt5.AuthPacket(), 0x82),
        (mqtt5.DisconnectPacket(session_expiry_interval=60), 0x82),
    ],
)
def test_violations_end_the_connection_with_a_reason(packet: mqtt5.Packet, code: int) -> None:
    client = World().client("TG000001")
    client.got()
    client.sends(packet, mqtt5.PingReqPacket())
    assert int(client.got_one().reason_code) == code
    assert client.link.closing


def test_shared_and_malformed_subscriptions_are_refused() -> None:
    head = World().client("head-office")
    assert head.subscribes("$share/group/pos/v1/#", "") == [0x9E, 0x8F]


def test_first_packet_must_be_connect_of_version_5() -> None:
    world = World()
    for octets, answer in (
        (mqtt5.PingReqPacket().write(), b""),
        (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00", b"\x20\x02\x00\x01"),
        (b"\x00\x00", b""),
        (b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x05\x00\x00\x00", b"\x20\x03\x00\x84\x00"),
    ):
        link = world.broker.open("TG000001", 0.0)
        world.broker.receive(link, octets, 0.0)
        assert (link.closing, bytes(link.output)) == (True, answer)


def test_bounds_of_sessions_subscriptions_and_packets() -> None:
    world = World(sessions=2, subscriptions=1, largest_packet=300)
    head = office(world)
    assert head.subscribes("pos/v1/s20/#") == [0x97]
    assert head.subscribes("pos/v1/#") == [1]
    assert int(world.client("TG000001").got_one().reason_code) == 0
    assert int(world.client("TG000002").got_one().reason_code) == 0x97
    assert int(world.client("TG000001", "c\x01").got_one().reason_code) == 0x85
    head.sends(mqtt5.PublishPacket(f"{T1}/order", b"x" * 300))
    assert int(head.got_one().reason_code) == 0x95


def test_stop_tells_everybody_and_publishes_no_will() -> None:
    world = World()
    head = office(world)
    terminal = world.client("TG000001", will=will())
    terminal.got()
    world.broker.stop()
    assert [int(client.got_one().reason_code) for client in (head, terminal)] == [0x8B, 0x8B]


def test_trace_has_topics_and_sizes_but_no_payload() -> None:
    world = World()
    office(world)
    world.client("TG000001").publishes(f"{T1}/health", b"SECRET-PAYLOAD")
    text = "\n".join(world.traced)
    assert "payload of 14 octets" in text
    assert "SECRET" not in text


def test_any_order_of_packets_keeps_the_broker_alive() -> None:
    """Seeded noise from five clients: nothing but DISCONNECT comes of it, and a sound client is served afterwards."""
    noise = random.Random(7)
    world = World(queue=50, sessions=50)
    names = ["TG000001", "TG000002", "head-office", ""]
    clients: list[Client] = []
    for _ in range(4_000):
        clients = [client for client in clients if not client.link.closing]
        act = noise.randrange(9)
        if act == 0 or not clients:
            clients.append(
                world.client(noise.choice(names), noise.choice("abc"), session_expiry_interval=noise.choice((0, 60)))
            )
            continue
        client = noise.choice(clients)
        packets: list[mqtt5.Packet] = [
            mqtt5.PublishPacket(f"{T1}/health", b"x", qos=QOS1, packet_id=noise.randrange(1, 9)),
            mqtt5.SubscribePacket(1, [mqtt5.TopicFilter(noise.choice(["pos/v1/#", f"{T1}/#", "pos/v1/+/TG000002/#"]))]),
            mqtt5.PubAckPacket(noise.randrange(1, 9)),
            mqtt5.UnsubscribePacket(1, ["pos/v1/#"]),
            mqtt5.PingReqPacket(),
        ]
        if act < 6:
            client.sends(noise.choice(packets))
        elif act == 6:
            client.dies()
        elif act == 7:
            world.passes(noise.random() * 20)
        else:
            world.broker.receive(client.link, noise.randbytes(noise.randrange(1, 12)), world.now)
    world = World()
    head, terminal = office(world), world.client("TG000001")
    assert terminal.publishes(f"{T1}/health") == 0
    assert head.payloads() == [b"x"]
