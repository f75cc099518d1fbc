# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Packets of ABECS PIN pads and the single characters between them. Knows no command and no time.

``SYN data ETB CRC``: in the data DC3, SYN and ETB travel as DC3 and the character plus 20; the CRC (polynomial 1021,
start 0, high octet first) covers the data as they were before that, and the ETB. Source: Pinpad Abecs, protocol 2.12,
2.2.1 and 7.2; recorded sessions agree.

The CRC itself may look like any control character, so it is found by place. The framer never raises: what cannot be
used is :class:`Damaged`, and the next SYN begins anew.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError
from protocols.octets import crc16
from protocols.serial.framer import Damaged

EOT, ACK, DC3, NAK, SYN, ETB, CAN = 0x04, 0x06, 0x13, 0x15, 0x16, 0x17, 0x18
LONGEST_DATA = 2049  # octets, before replacement (2.2.1)
_CRC_OCTETS = 2
_LIFT = 0x20
_REPLACED = re.compile(rb"[\x13\x16\x17]")
_RESTORED = re.compile(rb"\x13(.)", re.DOTALL)
_LONGEST_ON_LINE = 2 * LONGEST_DATA
_NOTABLE = re.compile(rb"[\x04\x06\x15\x16\x18]")


class Control(IntEnum):
    """Single characters between packets (2.2)."""

    EOT = EOT
    ACK = ACK
    NAK = NAK
    CAN = CAN


@dataclass(frozen=True, slots=True)
class Packet:
    """Data whose CRC was right. Prints without them."""

    data: bytes

    def encode(self) -> bytes:
        """The octets on the line."""
        if not 0 < len(self.data) <= LONGEST_DATA:
            raise EncodeError(f"{len(self.data)} octets in an ABECS packet, 1 to {LONGEST_DATA} expected")
        stuffed = _REPLACED.sub(lambda found: bytes((DC3, found[0][0] + _LIFT)), self.data)
        return bytes((SYN,)) + stuffed + bytes((ETB,)) + _crc(self.data).to_bytes(_CRC_OCTETS, "big")

    def __repr__(self) -> str:
        return f"Packet({len(self.data)} octets)"


Event = Control | Packet | Damaged


class PacketFramer:
    """Turns octets, in whatever pieces they come, into :data:`Event` values. Holds at most one packet."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def unfinished(self) -> bool:
        """Whether a packet has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Event]:
        """Take octets and return what they complete, in order."""
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        while buffer:
            if buffer[0] != SYN:
                found = _NOTABLE.search(buffer)
                if found is None:
                    buffer.clear()
                    break
                del buffer[: found.start()]
                if buffer[0] != SYN:
                    events.append(Control(buffer[0]))
                    del buffer[0]
                continue
            end = buffer.find(ETB, 1)
            again = buffer.find(SYN, 1, end if end >= 0 else len(buffer))
            if again >= 0:
                events.append(Damaged("a packet began inside a packet"))
                del buffer[:again]
            elif (end if end >= 0 else len(buffer)) > _LONGEST_ON_LINE:
                events.append(Damaged(f"no end within {_LONGEST_ON_LINE} octets"))
                del buffer[: end if end >= 0 else len(buffer)]
            elif end < 0 or len(buffer) < end + 1 + _CRC_OCTETS:
                break
            else:
                events.append(_judged(bytes(buffer[1:end]), bytes(buffer[end + 1 : end + 1 + _CRC_OCTETS])))
                del buffer[: end + 1 + _CRC_OCTETS]
        return events

    def lapse(self) -> list[Event]:
        """The line fell silent: give up what is unfinished. A peer that broke off by EOT or CAN is heard doing so."""
        events: list[Event] = []
        if self._buffer:
            events.append(Damaged("the line fell silent inside a packet"))
            if self._buffer[-1] in (EOT, CAN):
                events.append(Control(self._buffer[-1]))
        self._buffer.clear()
        return events


def decode_packet(octets: bytes) -> Packet:
    """Exactly one whole packet; anything else is a :class:`DecodeError`."""
    framer = PacketFramer()
    events = framer.feed(octets)
    if len(events) != 1 or framer.unfinished or octets[:1] != bytes((SYN,)):
        raise DecodeError("ABECS packet", f"{len(events)} events in {len(octets)} octets, one whole packet expected")
    event = events[0]
    if isinstance(event, Damaged):
        raise DecodeError("ABECS packet", event.why)
    if isinstance(event, Control) or event.encode() != octets:
        raise DecodeError("ABECS packet", "octets behind the packet, or a single character; one packet expected")
    return event


def _crc(data: bytes) -> int:
    return crc16(data + bytes((ETB,)), 0)


def _judged(stuffed: bytes, crc: bytes) -> Packet | Damaged:
    if stuffed.endswith(bytes((DC3,))):
        return Damaged("a replacement without its character")
    if any(found[1][0] - _LIFT not in (DC3, SYN, ETB) for found in _RESTORED.finditer(stuffed)):
        return Damaged("a replacement of a character that travels as it is")
    data = _RESTORED.sub(lambda found: bytes((found[1][0] - _LIFT,)), stuffed)
    if not 0 < len(data) <= LONGEST_DATA:
        return Damaged(f"{len(data)} octets of data, 1 to {LONGEST_DATA} expected")
    if _crc(data) != int.from_bytes(crc, "big"):
        return Damaged("the CRC is not that of the packet")
    return Packet(data)
