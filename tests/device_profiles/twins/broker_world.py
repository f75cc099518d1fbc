# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The broker twin with its clock, its clients and the octets on their way, as terse as tests want it. No test."""

from typing import Any

import mqtt5
from mqtt5 import QoS

from device_profiles.twins.broker import Broker, Limits
from protocols.mqtt.packets import PacketReader

T1 = "pos/v1/s20/TG000001"
QOS1 = QoS.AT_LEAST_ONCE


class World:
    """A broker, its clock and the octets on their way."""

    def __init__(self, **limits: Any) -> None:
        self.now = 0.0
        self.traced: list[str] = []
        self.broker = Broker(Limits(**limits), lambda direction, words: self.traced.append(f"{direction} {words}"))

    def client(self, name: str, client_id: str = "c", **connect: Any) -> "Client":
        client = Client(self, name)
        connect.setdefault("clean_start", False)
        client.sends(mqtt5.ConnectPacket(client_id, **connect))
        return client

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.broker.tick(self.now)


class Client:
    """One connection, as terse as tests want it."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.link = world.broker.open(name, world.now)
        self._reader = PacketReader()

    def sends(self, *packets: mqtt5.Packet) -> "Client":
        self.world.broker.receive(self.link, b"".join(packet.write() for packet in packets), self.world.now)
        return self

    def got(self) -> list[mqtt5.Packet]:
        packets = self._reader.feed(bytes(self.link.output))
        self.link.output.clear()
        return packets

    def got_one(self) -> Any:
        packets = self.got()
        assert len(packets) == 1, packets
        return packets[0]

    def subscribes(self, *patterns: str, qos: QoS = QOS1, no_local: bool = False) -> list[int]:
        self.got()
        filters = [mqtt5.TopicFilter(pattern, max_qos=qos, no_local=no_local) for pattern in patterns]
        self.sends(mqtt5.SubscribePacket(1, filters))
        return [int(code) for code in self.got_one().reason_codes]

    def publishes(self, topic: str, payload: bytes = b"x", packet_id: int = 1, **more: Any) -> int | None:
        """The acknowledgement's reason code."""
        self.sends(mqtt5.PublishPacket(topic, payload, qos=QOS1, packet_id=packet_id, **more))
        acks = [packet for packet in self.got() if isinstance(packet, mqtt5.PubAckPacket)]
        return int(acks[0].reason_code) if acks else None

    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.got() if isinstance(packet, mqtt5.PublishPacket)]

    def dies(self) -> None:
        self.world.broker.lost(self.link, self.world.now)


def office(world: World, **connect: Any) -> Client:
    client = world.client("head-office", "office", session_expiry_interval=3_600, **connect)
    assert client.subscribes("pos/v1/#") == [1]
    return client


def will(**more: Any) -> mqtt5.Will:
    return mqtt5.Will(f"{T1}/alert", payload=b"gone", qos=QOS1, **more)
