# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""MQTT 5 packets out of a byte stream, bounded and screened, over the `mqtt5` codec. No session, no topic.

The codec is fast, but it trusts its caller in two things: it buffers nothing, so a length must be bounded before its
octets are awaited; and a string that is not UTF-8 makes it panic instead of raising. So every packet is walked here
first (:func:`screen`): its lengths, its property types, its strings. Its codes are called IntEnum but are not: they
compare with ``==`` and by ``int()`` only, and do not hash. Sections are of MQTT Version 5.0, OASIS, 2019.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum

import mqtt5
from mqtt5 import Packet

from protocols.errors import DecodeError
from protocols.octets import Cursor

LARGEST_PACKET = 65_536  # our reports stay under 8 KiB; a peer that sends more than 64 KiB is not one of ours
PROTOCOL_VERSION = 5  # 3.1.2.2


class PacketType(IntEnum):
    """2.1.2: the four high bits of the first octet."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class VersionError(DecodeError):
    """The peer opens with another version of MQTT, named in ``version``: it may be told so in its own words."""

    def __init__(self, version: int) -> None:
        super().__init__("MQTT CONNECT", "protocol version 5 expected")
        self.version = version


class TooLargeError(DecodeError):
    """The peer announces a packet above our bound."""


class PacketReader:
    """Turns octets into packets. Holds at most one packet's octets; refuses a length before waiting for it."""

    def __init__(self, largest: int = LARGEST_PACKET) -> None:
        self._largest = largest
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that ``data`` completes; raises :class:`DecodeError`, after which the stream is lost."""
        if self._held:
            self._held += data
        held = self._held or data  # mostly nothing is held: then nothing is copied twice
        packets: list[Packet] = []
        place, end = 0, len(held)
        while (length := self._length(held, place)) and place + length <= end:
            packets.append(read(bytes(held[place : place + length])))
            place += length
        if held is data:
            self._held += data[place:]
        else:
            del self._held[:place]
        return packets

    def _length(self, held: bytes | bytearray, place: int) -> int:
        """Octets of the packet that begins at ``place``, zero while its length is not complete (1.5.5)."""
        remaining = shift = 0
        for index in range(place + 1, min(place + 5, len(held))):
            octet = held[index]
            remaining |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                total = index + 1 - place + remaining
                if total > self._largest:
                    raise TooLargeError(
                        "MQTT fixed header", f"a packet of {total} octets, at most {self._largest} expected"
                    )
                return total
        if shift == 28:
            raise DecodeError("MQTT fixed header", "a remaining length of one to four octets expected")
        return 0


def read(octets: bytes) -> Packet:
    """One whole packet; raises :class:`DecodeError` for anything else."""
    screen(octets)
    try:
        packet, taken = mqtt5.read(memoryview(octets))
    except (ValueError, IndexError) as fault:
        # The codec's text may end in a value; what stands before the colon names the rule.
        raise DecodeError(_named(octets), str(fault).partition(":")[0].lower()) from None
    if taken != len(octets):
        raise DecodeError(_named(octets), "octets behind the packet")
    return packet


def _named(octets: bytes) -> str:
    return f"MQTT {PacketType(octets[0] >> 4).name}"


# 2.2.2.2: how the value of each property is written. "u" text, "d" binary, "p" pair of texts, "v" variable integer.
_PROPERTIES: Mapping[int, str | int] = {
    0x01: 1, 0x02: 4, 0x03: "u", 0x08: "u", 0x09: "d", 0x0B: "v", 0x11: 4, 0x12: "u", 0x13: 2, 0x15: "u", 0x16: "d",
    0x17: 1, 0x18: 4, 0x19: 1, 0x1A: "u", 0x1C: "u", 0x1F: "u", 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1, 0x26: "p",
    0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip


def screen(octets: bytes) -> None:
    """Walk the lengths, properties and strings of one packet; raises :class:`DecodeError` where they do not hold."""
    if _is_plain_publish(octets):
        return
    try:
        kind = PacketType(octets[0] >> 4) if octets else None
    except ValueError:
        kind = None
    if kind is None:
        raise DecodeError("MQTT fixed header", "a packet type of 1 to 15 expected")
    body = Cursor(octets, f"MQTT {kind.name}")
    flags = body.u8("flags")
    if _variable(body) != body.left:
        raise DecodeError(f"MQTT {kind.name}", "the remaining length is not that of the octets")
    _BODIES[kind](body, flags)


def _is_plain_publish(octets: bytes) -> bool:
    """Whether it is a PUBLISH of QoS 1 with a topic in ASCII and no property, as most packets are: nothing to walk."""
    length = len(octets)
    if length < 8 or octets[0] & 0xF6 != 0x32:
        return False
    start, remaining = 2, octets[1]
    if remaining >= 0x80:  # 1.5.5; of three octets and more: a batch of many reports, which may be walked as well
        start, remaining = 3, (remaining & 0x7F) | octets[2] << 7
    if octets[start - 1] >= 0x80 or remaining != length - start:
        return False
    end = start + 2 + (octets[start] << 8 | octets[start + 1])
    if end + 3 > length or octets[end + 2] or not (octets[end] or octets[end + 1]):
        return False
    topic = octets[start + 2 : end]
    return topic.isascii() and 0 not in topic


def _variable(body: Cursor) -> int:
    value = 0
    for shift in (0, 7, 14, 21):
        octet = body.u8("variable byte integer")
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value
    raise DecodeError(f"MQTT, octet {body.place}", "a variable byte integer of one to four octets expected")


def _text(body: Cursor) -> None:
    """1.5.4: UTF-8, well formed, without the null character."""
    octets = body.take(body.u16("length of a text"), "text")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        # `from None`: the inner message quotes an octet.
        raise DecodeError(f"MQTT, octet {body.place}", "text in UTF-8 expected") from None
    if "\x00" in text:
        raise DecodeError(f"MQTT, octet {body.place}", "text without the null character expected")


def _binary(body: Cursor) -> None:
    body.take(body.u16("length of binary data"), "binary data")


def _properties(body: Cursor) -> None:
    length = _variable(body)
    if not length:
        return
    part = Cursor(body.take(length, "properties"), "MQTT properties")
    while part.left:
        form = _PROPERTIES.get(_variable(part))
        match form:
            case int():
                part.take(form, "property value")
            case "u":
                _text(part)
            case "p":
                _text(part)
                _text(part)
            case "d":
                _binary(part)
            case "v":
                _variable(part)
            case _:
                raise DecodeError(f"MQTT properties, octet {part.place}", "a property identifier of 2.2.2.2 expected")


def _connect(body: Cursor, _: int) -> None:
    _text(body)
    version = body.u8("protocol version")
    if version != PROTOCOL_VERSION:
        raise VersionError(version)
    flags = body.u8("connect flags")
    body.take(2, "keep alive")
    _properties(body)
    _text(body)
    if flags & 0x04:  # 3.1.2.5: will
        _properties(body)
        _text(body)
        _binary(body)
    if flags & 0x80:  # 3.1.2.8: user name
        _text(body)
    if flags & 0x40:  # 3.1.2.9: password
        _binary(body)


def _connack(body: Cursor, _: int) -> None:
    body.take(2, "acknowledge flags and reason code")
    _properties(body)


def _publish(body: Cursor, flags: int) -> None:
    _text(body)
    if flags & 0x06 and body.u16("packet identifier") == 0:
        raise DecodeError("MQTT PUBLISH", "a packet identifier above 0 expected (2.2.1)")
    _properties(body)


def _answer(body: Cursor, _: int) -> None:
    if body.u16("packet identifier") == 0:
        raise DecodeError("MQTT acknowledgement", "a packet identifier above 0 expected (2.2.1)")
    _reason(body, _)


def _reason(body: Cursor, _: int) -> None:
    """3.4.2, 3.14.2: reason code and properties may be left out from the right."""
    if body.left:
        body.u8("reason code")
    if body.left:
        _properties(body)


def _listing(item: Callable[[Cursor], None]) -> Callable[[Cursor, int], None]:
    """SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK: identifier, properties, then items to the end, one at least."""

    def walk(body: Cursor, _: int) -> None:
        if body.u16("packet identifier") == 0:
            raise DecodeError("MQTT subscription", "a packet identifier above 0 expected (2.2.1)")
        _properties(body)
        if not body.left:
            raise DecodeError("MQTT subscription", "one item at least expected (3.8.3)")
        while body.left:
            item(body)

    return walk


def _octet(body: Cursor) -> None:
    body.u8("reason code")


def _filter(body: Cursor) -> None:
    _text(body)
    body.u8("subscription options")


_BODIES: Mapping[PacketType, Callable[[Cursor, int], None]] = {
    PacketType.CONNECT: _connect,
    PacketType.CONNACK: _connack,
    PacketType.PUBLISH: _publish,
    PacketType.PUBACK: _answer,
    PacketType.PUBREC: _answer,
    PacketType.PUBREL: _answer,
    PacketType.PUBCOMP: _answer,
    PacketType.SUBSCRIBE: _listing(_filter),
    PacketType.SUBACK: _listing(_octet),
    PacketType.UNSUBSCRIBE: _listing(_text),
    PacketType.UNSUBACK: _listing(_octet),
    PacketType.PINGREQ: lambda body, _: body.end(),
    PacketType.PINGRESP: lambda body, _: body.end(),
    PacketType.DISCONNECT: _reason,
    PacketType.AUTH: _reason,
}
