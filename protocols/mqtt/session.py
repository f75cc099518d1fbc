# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A client's MQTT 5 session: connect, subscribe, publish, acknowledge by hand, keep alive. No socket, no clock.

The caller moves octets: what it reads goes into :meth:`ClientSession.receive`, what :meth:`ClientSession.take_output`
gives goes out. Time is an argument, in seconds of any steady clock. One session outlives its connections: call
:meth:`ClientSession.connect` again over a new one, and publishes that nobody acknowledged are sent once more.

A received message of QoS 1 is acknowledged only when the caller says so, which is after it has done with it; until then
the broker keeps it. That is what an ingest needs and what clients that acknowledge on arrival cannot give.

Sections are of MQTT Version 5.0, OASIS, 2019. QoS 2 is not spoken: our receivers know a report by its number.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mqtt5
from mqtt5 import Packet, QoS, RetainHandling, Will

from protocols.errors import DecodeError, EncodeError
from protocols.mqtt.filters import is_topic_name
from protocols.mqtt.packets import LARGEST_PACKET, PacketReader
from protocols.mqtt.states import TRANSITIONS, Input, State
from protocols.mqtt.words import code as in_words

__all__ = [
    "Acknowledged",
    "ClientSession",
    "Connected",
    "Ended",
    "Message",
    "Notice",
    "QoS",
    "RetainHandling",
    "Settings",
    "State",
    "Subscribed",
    "Will",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session asks for. Times in seconds."""

    client_id: str
    keep_alive_s: int = 20
    session_expiry_s: int = 0
    """How long the broker keeps the session after a connection; 0 ends it with the connection (3.1.2.11.2)."""
    receive_maximum: int = 1_000
    """Messages of QoS 1 that may wait for our acknowledgement (3.1.2.11.3)."""
    window: int = 100
    """Our publishes that may wait for the broker's; the broker may ask for fewer."""
    answer_s: float = 10.0
    """How long an answer to CONNECT or PINGREQ may take."""
    largest_packet: int = LARGEST_PACKET
    will: Will | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted; ``session_present`` says whether it still knows the session of before (3.2.2.1.1)."""

    session_present: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker answered a subscription: for each filter whether it was granted, and in which words if not."""

    packet_id: int
    refused: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker took a publish; ``refused`` is its reason in words where it did not (3.4.2.1)."""

    packet_id: int
    refused: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message arrived. With ``packet_id`` it is of QoS 1 and waits for :meth:`ClientSession.acknowledge`."""

    topic: str
    payload: bytes
    packet_id: int | None
    duplicate: bool
    retained: bool
    connection: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over; close the transport. ``refused`` where the broker said no to CONNECT."""

    why: str
    refused: bool = False


Notice = Connected | Subscribed | Acknowledged | Message | Ended


class ClientSession:
    """One client id's session with a broker, over one connection after the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.state = State.IDLE
        self._connection = 0
        self._output = bytearray()
        self._now = 0.0
        self._last_sent = 0.0
        self._answer_by: float | None = None
        self._keep_alive = float(settings.keep_alive_s)
        self._reader = PacketReader(settings.largest_packet)
        self._next_id = 1
        self._window = settings.window
        self._largest_out = LARGEST_PACKET
        self._unanswered: dict[int, tuple[str, bytes, int | None]] = {}  # ours, QoS 1: topic, payload and expiry
        self._again: list[int] = []  # of these, what this connection has yet to send
        self._duplicate = False
        self._subscribing: dict[int, int] = {}  # packet id → number of filters
        self._unacknowledged: OrderedDict[int, bool] = OrderedDict()  # theirs → whether the caller is done with it

    # What the caller does

    def connect(self, now: float) -> None:
        """Open over a fresh transport: CONNECT is in the output, the answer comes as a notice."""
        self._move(Input.CONNECT)
        self._connection += 1
        self._reader = PacketReader(self._settings.largest_packet)
        self._output.clear()
        self._unacknowledged.clear()
        self._subscribing.clear()
        self._now = now
        wanted = self._settings
        self._send(
            mqtt5.ConnectPacket(
                wanted.client_id,
                clean_start=wanted.session_expiry_s == 0,
                will=wanted.will,
                keep_alive=wanted.keep_alive_s,
                session_expiry_interval=wanted.session_expiry_s,
                receive_max=wanted.receive_maximum,
                max_packet_size=wanted.largest_packet,
            )
        )
        self._answer_by = now + wanted.answer_s

    def subscribe(
        self,
        patterns: Sequence[str],
        qos: QoS = QoS.AT_LEAST_ONCE,
        retained: RetainHandling = RetainHandling.SEND_NEVER,
    ) -> int:
        """Ask for topics; retained messages are not wanted (3.8.3.1). The answer names the returned packet id."""
        self._must_be_connected()
        packet_id = self._fresh_id()
        filters = [mqtt5.TopicFilter(pattern, max_qos=qos, retain_handling=retained) for pattern in patterns]
        self._send(mqtt5.SubscribePacket(packet_id, filters))
        self._subscribing[packet_id] = len(filters)
        return packet_id

    @property
    def free(self) -> int:
        """How many more messages of QoS 1 may be published before an acknowledgement (4.9)."""
        return max(0, self._window - len(self._unanswered))

    def publish(
        self, topic: str, payload: bytes, qos: QoS = QoS.AT_LEAST_ONCE, *, expiry_s: int | None = None
    ) -> int | None:
        """Publish; with QoS 1 returns the packet id that the broker's acknowledgement will name.

        ``expiry_s``: after so many seconds the broker hands the message to nobody any more (3.3.2.3.3).
        """
        self._must_be_connected()
        if not is_topic_name(topic):
            raise EncodeError("topic: something without wildcards expected (4.7.1)")
        if qos == QoS.AT_MOST_ONCE:
            self._send(mqtt5.PublishPacket(topic, payload, message_expiry_interval=expiry_s))
            return None
        if qos != QoS.AT_LEAST_ONCE:
            raise EncodeError("QoS 0 or 1 expected")
        if not self.free:
            raise EncodeError(f"{len(self._unanswered)} publishes wait for the broker, no more may")
        packet_id = self._fresh_id()
        self._send(mqtt5.PublishPacket(topic, payload, qos=qos, packet_id=packet_id, message_expiry_interval=expiry_s))
        self._unanswered[packet_id] = (topic, payload, expiry_s)
        return packet_id

    def acknowledge(self, message: Message) -> bool:
        """Say that ``message`` is done with. False where its connection is over: the broker will send it again.

        PUBACKs leave in the order in which the messages came (4.6), so one may wait for those before it.
        """
        if (
            message.packet_id is None
            or message.connection != self._connection
            or self.state is not State.CONNECTED
            or message.packet_id not in self._unacknowledged
        ):
            return False
        self._unacknowledged[message.packet_id] = True
        while (packet_id := next(iter(self._unacknowledged), None)) and self._unacknowledged[packet_id]:
            del self._unacknowledged[packet_id]
            self._send(mqtt5.PubAckPacket(packet_id))
        return True

    def close(self) -> None:
        """End the connection in good order: DISCONNECT is in the output; send it, then close the transport."""
        if self.state is State.CONNECTED:
            self._send(mqtt5.DisconnectPacket())
        if self.state in (State.CONNECTING, State.CONNECTED):
            self._move(Input.CLOSE)

    # What happens to it

    def receive(self, data: bytes, now: float) -> list[Notice]:
        """What octets from the broker mean. After :class:`Ended` nothing more is read."""
        self._now = now
        notices: list[Notice] = []
        if self.state not in (State.CONNECTING, State.CONNECTED):
            return notices
        try:
            packets = self._reader.feed(data)
        except DecodeError as fault:
            return [self._end(Input.GARBAGE, f"the broker sent {fault}", mqtt5.DisconnectReasonCode.MALFORMED_PACKET)]
        for packet in packets:
            notice = self._take(packet)
            if notice is not None:
                notices.append(notice)
            if self._over():
                break
        return notices

    def lost(self) -> list[Notice]:
        """The transport is gone without a word."""
        if self.state not in (State.CONNECTING, State.CONNECTED):
            return []
        return [self._end(Input.LOST, "the connection was lost")]

    def tick(self, now: float) -> list[Notice]:
        """Let time pass: sends PINGREQ where it is due, ends a connection whose broker is silent (3.1.2.10)."""
        self._now = now
        if self._answer_by is not None and now >= self._answer_by:
            return [self._end(Input.SILENCE, f"no answer from the broker within {self._settings.answer_s:g} s")]
        if self.state is State.CONNECTED and self._answer_by is None and self._ping_at() <= now:
            self._send(mqtt5.PingReqPacket())
            self._answer_by = now + self._settings.answer_s
        return []

    def deadline(self) -> float | None:
        """When :meth:`tick` has something to do, on the clock of the caller; None where never."""
        if self.state not in (State.CONNECTING, State.CONNECTED):
            return None
        if self._answer_by is not None:
            return self._answer_by
        return self._ping_at() if self._keep_alive else None

    def take_output(self) -> bytes:
        """Octets for the broker, once."""
        output = bytes(self._output)
        self._output.clear()
        return output

    # Inside

    def _take(self, packet: Packet) -> Notice | None:
        kind, handler = _INPUTS.get(type(packet), (Input.OTHER, None))
        if isinstance(packet, mqtt5.ConnAckPacket) and packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            kind = Input.REFUSED
        if handler is None or (self.state, kind) not in TRANSITIONS:
            return self._violation(f"{type(packet).__name__.removesuffix('Packet').upper()} while {self.state.value}")
        notice = handler(self, packet)
        if not self._over():
            self._move(kind)
        return notice

    def _connack(self, packet: mqtt5.ConnAckPacket) -> Notice:
        self._answer_by = None
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            return Ended(f"the broker refused the connection: {in_words(packet.reason_code.name)}", refused=True)
        if packet.server_keep_alive is not None:
            self._keep_alive = float(packet.server_keep_alive)
        self._window = min(self._settings.window, packet.receive_max)
        self._largest_out = packet.max_packet_size or LARGEST_PACKET
        self._again, self._duplicate = list(self._unanswered), packet.session_present  # 4.4: in their order
        self._send_again(self._window)
        return Connected(packet.session_present)

    def _send_again(self, count: int) -> None:
        """Send the next of what the connection before left without an answer, no more than the broker takes (4.9)."""
        for packet_id in self._again[:count]:
            topic, payload, expiry_s = self._unanswered[packet_id]
            self._send(
                mqtt5.PublishPacket(
                    topic, payload, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id, duplicate=self._duplicate,
                    message_expiry_interval=expiry_s,
                )
            )  # fmt: skip
        del self._again[:count]

    def _publish(self, packet: mqtt5.PublishPacket) -> Notice:
        if packet.qos == QoS.EXACTLY_ONCE:
            return self._violation("PUBLISH of QoS 2, 1 at most was asked for")
        if packet.topic_alias is not None:
            return self._violation("a topic alias, none was allowed")
        if packet.packet_id is not None:
            if len(self._unacknowledged) >= self._settings.receive_maximum:
                return self._violation("more messages than may wait", mqtt5.DisconnectReasonCode.RECEIVE_MAX_EXCEEDED)
            self._unacknowledged[packet.packet_id] = False
        return Message(
            packet.topic, bytes(packet.payload), packet.packet_id, packet.duplicate, packet.retain, self._connection
        )

    def _puback(self, packet: mqtt5.PubAckPacket) -> Notice:
        if self._unanswered.pop(packet.packet_id, None) is None:
            return self._violation("PUBACK for nothing that was published")
        self._send_again(1)
        refused = int(packet.reason_code) >= 0x80  # 1.2.1 and 2.4: reason codes from 80 on are failures
        return Acknowledged(packet.packet_id, in_words(packet.reason_code.name) if refused else None)

    def _suback(self, packet: mqtt5.SubAckPacket) -> Notice:
        if self._subscribing.pop(packet.packet_id, None) != len(packet.reason_codes):
            return self._violation("SUBACK for nothing that was asked")
        return Subscribed(
            packet.packet_id, tuple(in_words(code.name) if int(code) >= 0x80 else None for code in packet.reason_codes)
        )

    def _pingresp(self, _: mqtt5.PingRespPacket) -> None:
        self._answer_by = None

    def _disconnect(self, packet: mqtt5.DisconnectPacket) -> Notice:
        self._answer_by = None
        return Ended(f"the broker disconnected: {in_words(packet.reason_code.name)}")

    def _violation(
        self, what: str, code: mqtt5.DisconnectReasonCode = mqtt5.DisconnectReasonCode.PROTOCOL_ERROR
    ) -> Ended:
        return self._end(Input.GARBAGE, f"the broker broke the protocol: {what}", code)

    def _end(self, why: Input, words: str, code: mqtt5.DisconnectReasonCode | None = None) -> Ended:
        if code is not None and self.state is State.CONNECTED:
            self._send(mqtt5.DisconnectPacket(reason_code=code))
        self._move(why)
        self._answer_by = None
        return Ended(words)

    def _move(self, what: Input) -> None:
        state = TRANSITIONS.get((self.state, what))
        if state is None:
            raise EncodeError(f"{what.value}: not while {self.state.value}")
        self.state = state

    def _over(self) -> bool:
        return self.state is State.ENDED

    def _must_be_connected(self) -> None:
        if self.state is not State.CONNECTED:
            raise EncodeError(f"not while {self.state.value}")

    def _ping_at(self) -> float:
        return self._last_sent + self._keep_alive if self._keep_alive else float("inf")

    def _fresh_id(self) -> int:
        """A packet identifier that no exchange of ours uses (2.2.1)."""
        while self._next_id in self._unanswered or self._next_id in self._subscribing:
            self._next_id = self._next_id % 0xFFFF + 1
        packet_id = self._next_id
        self._next_id = packet_id % 0xFFFF + 1
        return packet_id

    def _send(self, packet: Packet) -> None:
        try:
            octets = packet.write()
        except (ValueError, OverflowError) as fault:
            raise EncodeError(f"MQTT: {str(fault).partition(':')[0].lower()}") from None
        if len(octets) > self._largest_out:
            raise EncodeError(f"a packet of {len(octets)} octets, the broker takes {self._largest_out}")
        self._output += octets
        self._last_sent = self._now


_INPUTS: Mapping[type, tuple[Input, Callable[[ClientSession, Any], Notice | None]]] = {
    mqtt5.ConnAckPacket: (Input.ACCEPTED, ClientSession._connack),
    mqtt5.PublishPacket: (Input.PUBLISH, ClientSession._publish),
    mqtt5.PubAckPacket: (Input.PUBACK, ClientSession._puback),
    mqtt5.SubAckPacket: (Input.SUBACK, ClientSession._suback),
    mqtt5.PingRespPacket: (Input.PINGRESP, ClientSession._pingresp),
    mqtt5.DisconnectPacket: (Input.DISCONNECT, ClientSession._disconnect),
}
