# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Sessions at the broker twin on a clock of ours: what waits, what comes again, takeover, wills, keep alive."""

import mqtt5

from tests.device_profiles.twins.broker_world import T1, Client, World, office, will


def test_session_keeps_what_comes_while_the_client_is_away_in_order() -> None:
    world = World()
    head, terminal = office(world), world.client("TG000001")
    head.dies()
    for number in range(5):
        assert terminal.publishes(f"{T1}/health", b"%d" % number) == 0
    terminal.sends(mqtt5.PublishPacket(f"{T1}/health", b"QoS 0 does not wait"))
    again = world.client("head-office", "office", session_expiry_interval=3_600)
    connack, *messages = again.got()
    assert isinstance(connack, mqtt5.ConnAckPacket)
    assert connack.session_present
    assert [packet.payload for packet in messages if isinstance(packet, mqtt5.PublishPacket)] == [
        b"0", b"1", b"2", b"3", b"4",
    ]  # fmt: skip


def test_what_was_not_acknowledged_comes_again_as_duplicate() -> None:
    world = World()
    head, terminal = office(world), world.client("TG000001")
    for number in range(3):
        terminal.publishes(f"{T1}/health", b"%d" % number)
    first = [packet for packet in head.got() if isinstance(packet, mqtt5.PublishPacket)]
    assert first[0].packet_id is not None
    head.sends(mqtt5.PubAckPacket(first[0].packet_id))
    head.dies()
    again = world.client("head-office", "office", session_expiry_interval=3_600)
    second = [packet for packet in again.got() if isinstance(packet, mqtt5.PublishPacket)]
    assert [(packet.payload, packet.duplicate) for packet in second] == [(b"1", True), (b"2", True)]


def test_receive_maximum_of_the_client_is_kept() -> None:
    world = World()
    head, terminal = office(world, receive_max=2), world.client("TG000001")
    for number in range(5):
        terminal.publishes(f"{T1}/health", b"%d" % number)
    first = [packet for packet in head.got() if isinstance(packet, mqtt5.PublishPacket)]
    assert [packet.payload for packet in first] == [b"0", b"1"]
    head.sends(mqtt5.PubAckPacket(first[0].packet_id or 0))
    assert head.payloads() == [b"2"]


def test_full_queue_is_refused_to_the_publisher_and_to_all_receivers_alike() -> None:
    world = World(queue=3)
    office(world).dies()
    other = world.client("head-office", "other")
    other.subscribes("pos/v1/#")
    terminal = world.client("TG000001")
    assert [terminal.publishes(f"{T1}/health", b"%d" % number) for number in range(5)] == [0, 0, 0, 0x97, 0x97]
    assert other.payloads() == [b"0", b"1", b"2"]


def test_session_ends_with_its_expiry_or_at_once() -> None:
    world = World()
    office(world).dies()
    world.passes(3_599)
    assert world.client("TG000001").publishes(f"{T1}/health") == 0
    world.passes(2)
    assert world.client("TG000001").publishes(f"{T1}/health") == 0x10
    passing = world.client("head-office", "passing")
    passing.subscribes("pos/v1/#")
    passing.sends(mqtt5.DisconnectPacket())
    assert world.client("TG000001").publishes(f"{T1}/health") == 0x10


def test_clean_start_forgets() -> None:
    world = World()
    office(world).dies()
    connack = world.client("head-office", "office", clean_start=True).got_one()
    assert not connack.session_present
    assert world.client("TG000001").publishes(f"{T1}/health") == 0x10


def test_message_expires() -> None:
    world = World()
    office(world).dies()
    terminal = world.client("TG000001")
    terminal.publishes(f"{T1}/health", b"short", message_expiry_interval=10)
    terminal.publishes(f"{T1}/health", b"long", message_expiry_interval=100)
    world.passes(11)
    again = world.client("head-office", "office", session_expiry_interval=3_600)
    (message,) = [packet for packet in again.got() if isinstance(packet, mqtt5.PublishPacket)]
    assert (message.payload, message.message_expiry_interval) == (b"long", 89)


def test_takeover_ends_the_old_connection_and_only_the_same_name_can() -> None:
    world = World()
    first = world.client("TG000001", "same")
    first.got()
    thief = world.client("TG000002", "same")
    assert not thief.got_one().session_present
    assert first.got() == []
    second = world.client("TG000001", "same")
    assert int(first.got_one().reason_code) == 0x8E
    assert first.link.closing
    assert int(second.got_one().reason_code) == 0
    first.dies()
    assert second.publishes(f"{T1}/health") == 0x10


def test_will_is_published_when_the_client_dies_and_not_when_it_leaves() -> None:
    world = World()
    head = office(world)
    world.client("TG000001", will=will()).dies()
    assert head.payloads() == [b"gone"]
    leaver = world.client("TG000001", will=will())
    leaver.sends(mqtt5.DisconnectPacket())
    leaver.dies()
    assert head.payloads() == []
    leaver = world.client("TG000001", will=will())
    leaver.sends(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE))
    assert head.payloads() == [b"gone"]


def test_delayed_will_waits_and_a_return_cancels_it() -> None:
    world = World()
    head = office(world)
    delayed = {"will": will(will_delay_interval=30), "session_expiry_interval": 300}
    world.client("TG000001", **delayed).dies()
    world.passes(29)
    world.client("TG000001", **delayed).dies()
    world.passes(29)
    assert head.payloads() == []
    world.passes(2)
    assert head.payloads() == [b"gone"]
    world.passes(600)
    assert head.payloads() == []


def test_will_on_anothers_topic_is_refused() -> None:
    assert int(World().client("TG000002", will=will()).got_one().reason_code) == 0x87


def test_keep_alive_of_one_and_a_half() -> None:
    world = World()
    head = office(world, keep_alive=300)
    client = world.client("TG000001", keep_alive=10, will=will())
    client.got()
    world.passes(14)
    client.sends(mqtt5.PingReqPacket())
    assert isinstance(client.got_one(), mqtt5.PingRespPacket)
    world.passes(14.9)
    assert not client.link.closing
    world.passes(0.2)
    assert int(client.got_one().reason_code) == 0x8D
    assert head.payloads() == [b"gone"]


def test_who_says_nothing_after_the_handshake_is_closed() -> None:
    world = World()
    client = Client(world, "TG000001")
    world.passes(10)
    assert client.link.closing
    assert client.got() == []
