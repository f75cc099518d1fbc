# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""CCID messages, and the envelope that Gemplus' serial readers put around them. Drives no reader.

A message is a header of ten octets (type, length of the data, slot, sequence number, three that depend on the type) and
data (CCID 1.1, 6). On a serial line it travels as 03 06, the message, and the exclusive or of everything before; 03 15
16 asks for it again. Two of the kinds of readers repeat each command's header as an echo before they answer.

Source: CCID 1.1 (2005); the envelope as Debian's libccidtwin 1.5.2 speaks it, see tests/vectors/ccid_serial_captures.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError
from protocols.octets import lrc
from protocols.serial.framer import Damaged

SYNC, ACK, NAK = 0x03, 0x06, 0x15
REPEAT = bytes((SYNC, NAK, SYNC ^ NAK))
LARGEST_DATA = 65_548
_HEADER = struct.Struct("<BIBB3s")


class Type(IntEnum):
    """Types of messages; those of the reader have bit 8 set."""

    SET_PARAMETERS = 0x61
    ICC_POWER_ON = 0x62
    ICC_POWER_OFF = 0x63
    GET_SLOT_STATUS = 0x65
    SECURE = 0x69
    T0_APDU = 0x6A
    ESCAPE = 0x6B
    GET_PARAMETERS = 0x6C
    RESET_PARAMETERS = 0x6D
    ICC_CLOCK = 0x6E
    XFR_BLOCK = 0x6F
    ABORT = 0x72
    DATA_BLOCK = 0x80
    SLOT_STATUS = 0x81
    PARAMETERS = 0x82
    ESCAPED = 0x83


class Fault(IntEnum):
    """bError of a failed command (CCID 1.1, 6.2.6); below 80 it is the place of the wrong field."""

    NOT_SUPPORTED = 0x00
    BAD_SLOT = 0x05
    PIN_CANCELLED = 0xEF
    PIN_TIMEOUT = 0xF0
    ICC_PROTOCOL = 0xF6
    ICC_MUTE = 0xFE


@dataclass(frozen=True, slots=True)
class Message:
    """One message. It prints its type and sizes only: data may be a command with a PIN."""

    kind: int
    slot: int
    sequence: int
    specific: bytes = b"\0\0\0"
    data: bytes = b""

    def encode(self) -> bytes:
        """Its octets, without the envelope."""
        if len(self.data) > LARGEST_DATA or len(self.specific) != 3:
            raise EncodeError(f"a CCID message with {len(self.data)} octets of data")
        return _HEADER.pack(self.kind, len(self.data), self.slot, self.sequence, self.specific) + self.data

    def framed(self) -> bytes:
        """Its octets as they travel on a serial line."""
        body = bytes((SYNC, ACK)) + self.encode()
        return body + bytes((lrc(body),))

    def __repr__(self) -> str:
        return f"Message({self.kind:02X}, slot {self.slot}, {len(self.data)} octets)"


def decode(octets: bytes) -> Message:
    """One message without an envelope, as a USB pipe carries it (CCID 1.1, 6), else :class:`DecodeError`."""
    if len(octets) < _HEADER.size:
        raise DecodeError("CCID message", f"{len(octets)} octets; at least {_HEADER.size} expected")
    kind, size, slot, sequence, specific = _HEADER.unpack_from(octets)
    if size != len(octets) - _HEADER.size:
        raise DecodeError("CCID message, dwLength", f"{size}; {len(octets) - _HEADER.size} expected")
    return Message(kind, slot, sequence, specific, octets[_HEADER.size :])


class Framer:
    """Turns octets, in whatever pieces they come, into messages, requests to repeat, and what could not be used."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun."""
        return bool(self._held)

    def lapse(self) -> list[Message | Damaged]:
        """The line fell silent: give up what has begun."""
        begun = self.unfinished
        self._held.clear()
        return [Damaged("the line fell silent inside a message")] if begun else []

    def feed(self, octets: bytes) -> list[Message | Damaged]:
        """Octets in, complete messages out; a request to repeat comes as :class:`Damaged`, for so it is answered."""
        held = self._held
        held += octets
        events: list[Message | Damaged] = []
        while held:
            if held[0] != SYNC:
                start = held.find(SYNC)
                del held[: start if start >= 0 else len(held)]
                events.append(Damaged("noise between messages"))
                continue
            if len(held) < 2:
                break
            if held[1] == NAK:
                if len(held) < 3:
                    break
                del held[:3]
                events.append(Damaged("the other side asks for a repetition"))
                continue
            if held[1] != ACK:
                del held[:1]
                continue
            if len(held) < 2 + _HEADER.size + 1:
                break
            kind, size, slot, sequence, specific = _HEADER.unpack_from(held, 2)
            if size > LARGEST_DATA:
                del held[:2]
                events.append(Damaged(f"a message longer than {LARGEST_DATA} octets"))
                continue
            end = 2 + _HEADER.size + size
            if len(held) < end + 1:
                break
            whole = bytes(held[: end + 1])
            del held[: end + 1]
            if lrc(whole):
                events.append(Damaged("the LRC is not that of the message"))
            else:
                events.append(Message(kind, slot, sequence, specific, whole[2 + _HEADER.size : -1]))
        return events
