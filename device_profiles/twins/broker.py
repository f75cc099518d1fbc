# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A broker of MQTT 5 as the fleet needs one, for demos and tests: octets and time in, octets out. Opens no socket.

QoS 0 and 1, sessions in memory, wills, keep alive, takeover, receive maximum, message expiry. Not spoken, and CONNACK
says so: QoS 2, retained messages (an order that a broker repeats to whoever connects is a replay), shared subscriptions
(they lose a dead member's messages), subscription identifiers, topic aliases. What a full queue cannot take is refused
to the publisher, never dropped in silence. A session belongs to the certificate's name and the client id together, so
no client can take over another's. Sections are of MQTT Version 5.0, OASIS, 2019.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mqtt5
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, Packet, PubAckReasonCode, QoS, SubAckReasonCode

from device_profiles.twins.broker_access import Deed, Trespass, may_publish, may_read, may_subscribe
from device_profiles.twins.broker_session import Letter, Session
from protocols.errors import DecodeError
from protocols.mqtt.filters import is_topic_filter, is_topic_name
from protocols.mqtt.packets import LARGEST_PACKET, PacketReader, TooLargeError, VersionError
from protocols.mqtt.words import code as in_words
from protocols.mqtt.words import describe, plain

Trace = Callable[[str, str], None]
"""Called with a direction, ``>`` to the client or ``<`` from it, and words without any payload."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The twin's bounds. Times in seconds."""

    largest_packet: int = LARGEST_PACKET
    receive_maximum: int = 100
    queue: int = 10_000
    """Messages that may wait for one client: an hour of one report every third of a second."""
    sessions: int = 10_000
    subscriptions: int = 100
    longest_expiry_s: int = 86_400
    longest_keep_alive_s: int = 300
    first_packet_s: float = 10.0
    unsent_octets: int = 8 << 20
    """Octets that a slow reader may leave in the socket's buffer before it is disconnected."""


class Link:
    """One connection. The shell moves ``output`` to the socket and closes it once ``closing`` is set."""

    def __init__(self, name: str, largest: int, now: float, first_packet_s: float) -> None:
        self.name = name
        self.session: Session | None = None
        self.output = bytearray()
        self.closing = False
        self.reader = PacketReader(largest)
        self.silent_until: float | None = now + first_packet_s
        self.keep_alive_s = 0


class Broker:
    """The broker. Every method that takes ``now`` expects a steady clock in seconds; ``touched`` has output to move."""

    def __init__(
        self, limits: Limits | None = None, trace: Trace | None = None, alarm: Callable[[Trespass], None] | None = None
    ) -> None:
        """``alarm`` is called whenever a client tries what its certificate's name may not do."""
        self._limits = limits or Limits()
        self._trace = trace or (lambda _direction, _words: None)
        self._alarm = alarm or (lambda _trespass: None)
        self._sessions: dict[tuple[str, str], Session] = {}
        self._links: dict[Session, Link] = {}
        self._waiting: set[Link] = set()
        self._assigned = 0
        self._now = 0.0
        self.touched: set[Link] = set()

    # What the shell does

    def open(self, name: str, now: float) -> Link:
        """A connection whose client certificate says ``name``."""
        link = Link(name, self._limits.largest_packet, now, self._limits.first_packet_s)
        self._waiting.add(link)
        return link

    def receive(self, link: Link, data: bytes, now: float) -> None:
        """Octets from a client."""
        self._now = now
        if link.closing:
            return
        try:
            packets = link.reader.feed(data)
        except VersionError as fault:
            # 3.1.1 of the older versions, 3.2.2.3: their CONNACK with return code 1, so that an old client knows why.
            link.output += (
                b"\x20\x02\x00\x01" if fault.version < 5 else _refusal(ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION)
            )
            self._close(link)
            return
        except DecodeError as fault:
            large = isinstance(fault, TooLargeError)
            self._trace("<", f"{plain(link.name)}: {fault}")
            self._expel(link, DisconnectReasonCode.PACKET_TOO_LARGE if large else DisconnectReasonCode.MALFORMED_PACKET)
            return
        for packet in packets:
            if not self._take(link, packet):
                return

    def lost(self, link: Link, now: float) -> None:
        """The connection is gone, with or without a word."""
        self._now = now
        self._close(link)

    def tick(self, now: float) -> None:
        """Let time pass: silent clients leave (3.1.2.10), sessions end, delayed wills are published."""
        self._now = now
        for link in [*self._waiting, *self._links.values()]:
            if link.silent_until is not None and now >= link.silent_until:
                self._expel(link, DisconnectReasonCode.KEEP_ALIVE_TIMEOUT)
        for key, session in list(self._sessions.items()):
            if session.will_at is not None and now >= session.will_at:
                self._publish_will(session)
            if session.ends_at is not None and now >= session.ends_at:
                self._publish_will(session)
                del self._sessions[key]

    def stop(self) -> None:
        """Tell every client that the broker goes (3.14.2.1); wills stay unpublished."""
        for session, link in list(self._links.items()):
            session.will = None
            self._expel(link, DisconnectReasonCode.SERVER_SHUTTING_DOWN)

    # Packets

    def _take(self, link: Link, packet: Packet) -> bool:
        """Act on one packet; False once the link is closing."""
        self._trace("<", f"{plain(link.name)}: {describe(packet)}")
        if link.keep_alive_s:
            link.silent_until = self._now + link.keep_alive_s * 1.5
        if (link.session is None) != isinstance(packet, mqtt5.ConnectPacket):
            self._expel(link, DisconnectReasonCode.PROTOCOL_ERROR)
            return False
        handler = _HANDLERS.get(type(packet))
        if handler is None:
            self._expel(link, DisconnectReasonCode.PROTOCOL_ERROR)
        else:
            handler(self, link, packet)
        return not link.closing

    def _connect(self, link: Link, packet: mqtt5.ConnectPacket) -> None:
        refusal = self._refuse_connect(link, packet)
        if refusal is not None:
            if packet.will is not None and not may_publish(link.name, packet.will.topic):
                self._alarm(Trespass(link.name, Deed.WILL, packet.will.topic))
            link.output += _refusal(refusal)
            self._trace(">", f"{plain(link.name)}: CONNACK {in_words(refusal.name)}")
            self._close(link)
            return
        client_id, limits = packet.client_id, self._limits
        if not client_id:
            self._assigned += 1
            client_id = f"assigned-{self._assigned}"
        key = (link.name, client_id)
        session = self._sessions.get(key)
        if session is not None and (old := self._links.get(session)) is not None:
            self._expel(old, DisconnectReasonCode.SESSION_TAKEN_OVER)
            session = self._sessions.get(key)
        if session is not None and packet.clean_start:
            self._publish_will(session)
            session = None
        present = session is not None
        if session is None:
            session = self._sessions[key] = Session(link.name, client_id, limits.queue)
        keep_alive = min(packet.keep_alive or limits.longest_keep_alive_s, limits.longest_keep_alive_s)
        session.expiry_s = min(packet.session_expiry_interval, limits.longest_expiry_s)
        session.ends_at = session.will_at = None
        session.will = packet.will
        session.receive_maximum, session.largest_packet = packet.receive_max, packet.max_packet_size
        self._waiting.discard(link)
        self._links[session] = link
        link.session, link.keep_alive_s = session, keep_alive
        link.silent_until = self._now + keep_alive * 1.5
        self._send(
            link,
            mqtt5.ConnAckPacket(
                session_present=present,
                session_expiry_interval=session.expiry_s,
                assigned_client_id=None if packet.client_id else client_id,
                server_keep_alive=None if keep_alive == packet.keep_alive else keep_alive,
                receive_max=limits.receive_maximum,
                max_qos=QoS.AT_LEAST_ONCE,
                retain_available=False,
                max_packet_size=limits.largest_packet,
                subscription_id_available=False,
                shared_subscription_available=False,
            ),
        )
        for octets in session.sent_again(self._now):
            self._put(link, octets, "PUBLISH again")
        self._flush(session)

    def _refuse_connect(self, link: Link, packet: mqtt5.ConnectPacket) -> ConnAckReasonCode | None:
        """3.2.2.2: why not, or None."""
        will = packet.will
        known = (link.name, packet.client_id) in self._sessions
        rules = (
            (packet.authentication_method is not None, ConnAckReasonCode.BAD_AUTHENTICATION_METHOD),
            (len(packet.client_id) > 128 or not packet.client_id.isprintable(), ConnAckReasonCode.CLIENT_ID_NOT_VALID),
            (not known and len(self._sessions) >= self._limits.sessions, ConnAckReasonCode.QUOTA_EXCEEDED),
            (will is not None and will.retain, ConnAckReasonCode.RETAIN_NOT_SUPPORTED),
            (will is not None and will.qos == QoS.EXACTLY_ONCE, ConnAckReasonCode.QUALITY_NOT_SUPPORTED),
            (will is not None and not may_publish(link.name, will.topic), ConnAckReasonCode.NOT_AUTHORIZED),
        )
        return next((code for holds, code in rules if holds), None)

    def _publish(self, link: Link, packet: mqtt5.PublishPacket) -> None:
        faults = (
            (packet.qos == QoS.EXACTLY_ONCE, DisconnectReasonCode.QOS_NOT_SUPPORTED),
            (packet.retain, DisconnectReasonCode.RETAIN_NOT_SUPPORTED),
            (packet.topic_alias is not None, DisconnectReasonCode.TOPIC_ALIAS_INVALID),
            (not is_topic_name(packet.topic), DisconnectReasonCode.TOPIC_NAME_INVALID),
            (bool(packet.subscription_ids), DisconnectReasonCode.PROTOCOL_ERROR),
        )
        fault = next((reason for holds, reason in faults if holds), None)
        if fault is not None:
            self._alarm(Trespass(link.name, Deed.PACKET, packet.topic))
            self._expel(link, fault)
            return
        assert link.session is not None  # _take lets only CONNECT pass before there is one
        if not may_publish(link.name, packet.topic):
            code = PubAckReasonCode.NOT_AUTHORIZED
            self._trace("<", f"{plain(link.name)}: denied {plain(packet.topic)}")
            self._alarm(Trespass(link.name, Deed.PUBLISH, packet.topic))
        else:
            code = self._distribute(link.session, packet)
        if packet.packet_id is not None:
            self._send(link, mqtt5.PubAckPacket(packet.packet_id, reason_code=code))

    def _distribute(self, sender: Session, packet: mqtt5.PublishPacket) -> PubAckReasonCode:
        """To every session that wants it, or to none where one has no room (QoS 1)."""
        expires = None
        if packet.message_expiry_interval is not None:
            expires = self._now + packet.message_expiry_interval
        letters: list[tuple[Session, Letter]] = []
        for session in self._sessions.values():
            option = session.wants(packet.topic, sender)
            if option is None or not may_read(session.name, packet.topic):
                continue
            qos = min(option.max_qos, packet.qos, key=int)
            if qos == QoS.AT_MOST_ONCE and session not in self._links:
                continue
            if qos == QoS.AT_LEAST_ONCE and session.full:
                return PubAckReasonCode.QUOTA_EXCEEDED
            letters.append((session, Letter(packet, qos, packet.retain and option.retain_as_published, expires)))
        for session, letter in letters:
            session.waiting.append(letter)
            self._flush(session)
        return PubAckReasonCode.SUCCESS if letters else PubAckReasonCode.NO_MATCHING_SUBSCRIBERS

    def _puback(self, link: Link, packet: mqtt5.PubAckPacket) -> None:
        assert link.session is not None
        if link.session.sent.pop(packet.packet_id, None) is not None:
            self._flush(link.session)

    def _subscribe(self, link: Link, packet: mqtt5.SubscribePacket) -> None:
        if packet.subscription_id is not None:
            self._expel(link, DisconnectReasonCode.SUBSCRIPTION_IDS_NOT_SUPPORTED)
            return
        codes = [self._grant(link, option) for option in packet.topic_filters]
        self._send(link, mqtt5.SubAckPacket(packet.packet_id, codes))

    def _grant(self, link: Link, option: mqtt5.TopicFilter) -> SubAckReasonCode:
        assert link.session is not None
        kept = link.session.subscriptions
        if option.pattern.startswith("$share/"):
            return SubAckReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
        if not is_topic_filter(option.pattern):
            return SubAckReasonCode.TOPIC_FILTER_INVALID
        if not may_subscribe(link.name, option.pattern):
            self._trace("<", f"{plain(link.name)}: denied {plain(option.pattern)}")
            self._alarm(Trespass(link.name, Deed.LISTEN, option.pattern))
            return SubAckReasonCode.NOT_AUTHORIZED
        if option.pattern not in kept and len(kept) >= self._limits.subscriptions:
            return SubAckReasonCode.QUOTA_EXCEEDED
        kept[option.pattern] = option
        return (
            SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE
            if option.max_qos == QoS.AT_MOST_ONCE
            else SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
        )

    def _unsubscribe(self, link: Link, packet: mqtt5.UnsubscribePacket) -> None:
        assert link.session is not None
        kept, codes = link.session.subscriptions, mqtt5.UnsubAckReasonCode
        answers = [
            codes.SUCCESS if kept.pop(pattern, None) is not None else codes.NO_SUBSCRIPTION_EXISTED
            for pattern in packet.patterns
        ]
        self._send(link, mqtt5.UnsubAckPacket(packet.packet_id, answers))

    def _pingreq(self, link: Link, _: mqtt5.PingReqPacket) -> None:
        self._send(link, mqtt5.PingRespPacket())

    def _disconnect(self, link: Link, packet: mqtt5.DisconnectPacket) -> None:
        session = link.session
        assert session is not None
        if packet.session_expiry_interval is not None:
            if session.expiry_s == 0 and packet.session_expiry_interval:  # 3.14.2.2.2
                self._expel(link, DisconnectReasonCode.PROTOCOL_ERROR)
                return
            session.expiry_s = min(packet.session_expiry_interval, self._limits.longest_expiry_s)
        if packet.reason_code == DisconnectReasonCode.NORMAL_DISCONNECTION:
            session.will = None  # 3.14.4
        self._close(link)

    # Ends

    def _expel(self, link: Link, code: DisconnectReasonCode) -> None:
        """End a connection and say why, where the client has been accepted (3.14)."""
        if link.session is not None and not link.closing:
            self._send(link, mqtt5.DisconnectPacket(reason_code=code))
        self._close(link)

    def _close(self, link: Link) -> None:
        self._waiting.discard(link)
        link.closing = True
        self.touched.add(link)
        session, link.session = link.session, None
        if session is None:
            return
        del self._links[session]
        session.ends_at = self._now + session.expiry_s
        if session.will is not None:
            session.will_at = self._now + min(session.will.will_delay_interval, session.expiry_s)
            if session.will_at <= self._now:
                self._publish_will(session)
        if not session.expiry_s:
            self._sessions.pop((session.name, session.client_id), None)

    def _publish_will(self, session: Session) -> None:
        will, session.will, session.will_at = session.will, None, None
        if will is not None:
            packet = mqtt5.PublishPacket(
                will.topic,
                will.payload or b"",
                qos=will.qos,
                packet_id=1 if will.qos else None,
                message_expiry_interval=will.message_expiry_interval,
                content_type=will.content_type,
                user_properties=will.user_properties,
            )
            self._distribute(session, packet)

    # Output

    def _flush(self, session: Session) -> None:
        link = self._links.get(session)
        if link is not None:
            for octets in session.next_packets(self._now):
                self._put(link, octets, "PUBLISH")

    def _send(self, link: Link, packet: Packet) -> None:
        self._put(link, packet.write(), describe(packet))

    def _put(self, link: Link, octets: bytes, words: str) -> None:
        link.output += octets
        self.touched.add(link)
        self._trace(">", f"{plain(link.name)}: {words}, {len(octets)} octets")


_HANDLERS: Mapping[type, Callable[[Broker, Link, Any], None]] = {
    mqtt5.ConnectPacket: Broker._connect,
    mqtt5.PublishPacket: Broker._publish,
    mqtt5.PubAckPacket: Broker._puback,
    mqtt5.SubscribePacket: Broker._subscribe,
    mqtt5.UnsubscribePacket: Broker._unsubscribe,
    mqtt5.PingReqPacket: Broker._pingreq,
    mqtt5.DisconnectPacket: Broker._disconnect,
}


def _refusal(code: ConnAckReasonCode) -> bytes:
    return mqtt5.ConnAckPacket(reason_code=code).write()
