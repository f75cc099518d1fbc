# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the broker twin keeps for one client: subscriptions, what waits for it, what it has not acknowledged. No I/O."""

from collections import deque
from dataclasses import dataclass, field

import mqtt5
from mqtt5 import QoS, Will

from protocols.mqtt.filters import topic_matches


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way to one client. ``expires`` is on the broker's clock (MQTT 5, 3.3.2.3.3)."""

    packet: mqtt5.PublishPacket
    qos: QoS
    retain: bool
    expires: float | None


@dataclass(slots=True, eq=False)
class Session:
    """One client's session, kept over its connections. It belongs to a certificate's name and a client id."""

    name: str
    client_id: str
    queue_limit: int
    expiry_s: int = 0
    ends_at: float | None = None
    """Set while no connection uses it."""
    will: Will | None = None
    will_at: float | None = None
    receive_maximum: int = 65_535
    largest_packet: int | None = None
    subscriptions: dict[str, mqtt5.TopicFilter] = field(default_factory=dict)
    waiting: deque[Letter] = field(default_factory=deque)
    sent: dict[int, Letter] = field(default_factory=dict)
    _next_id: int = 1

    def wants(self, topic: str, sender: "Session") -> mqtt5.TopicFilter | None:
        """The subscription with the highest QoS that takes ``topic``; a client gets one copy however many match."""
        matching = [
            option
            for pattern, option in self.subscriptions.items()
            if topic_matches(pattern, topic) and not (option.no_local and sender is self)
        ]
        return max(matching, key=lambda option: int(option.max_qos), default=None)

    @property
    def full(self) -> bool:
        """Whether no further message of QoS 1 can wait here."""
        return len(self.waiting) + len(self.sent) >= self.queue_limit

    def next_packets(self, now: float) -> list[bytes]:
        """What may be sent now: as many waiting messages as the client's receive maximum leaves room for."""
        packets = []
        while self.waiting and (self.waiting[0].qos == QoS.AT_MOST_ONCE or len(self.sent) < self.receive_maximum):
            letter = self.waiting.popleft()
            if letter.expires is not None and letter.expires <= now:
                continue
            packet_id = None
            if letter.qos == QoS.AT_LEAST_ONCE:
                packet_id = self._fresh_id()
            octets = self._octets(letter, packet_id, now, duplicate=False)
            if self.largest_packet is not None and len(octets) > self.largest_packet:
                continue  # 3.1.2.11.4: what the client cannot take counts as delivered
            if packet_id is not None:
                self.sent[packet_id] = letter
            packets.append(octets)
        return packets

    def sent_again(self, now: float) -> list[bytes]:
        """What the connection before left without an acknowledgement, as duplicates in their order (4.4)."""
        return [self._octets(letter, packet_id, now, duplicate=True) for packet_id, letter in self.sent.items()]

    def _fresh_id(self) -> int:
        while self._next_id in self.sent:
            self._next_id = self._next_id % 0xFFFF + 1
        packet_id = self._next_id
        self._next_id = packet_id % 0xFFFF + 1
        return packet_id

    def _octets(self, letter: Letter, packet_id: int | None, now: float, *, duplicate: bool) -> bytes:
        packet = letter.packet
        left = None if letter.expires is None else max(1, int(letter.expires - now))
        return mqtt5.PublishPacket(
            packet.topic,
            packet.payload,
            qos=letter.qos,
            retain=letter.retain,
            packet_id=packet_id,
            duplicate=duplicate,
            payload_format_indicator=packet.payload_format_indicator,
            message_expiry_interval=left,
            content_type=packet.content_type,
            response_topic=packet.response_topic,
            correlation_data=packet.correlation_data,
            user_properties=packet.user_properties,
        ).write()
