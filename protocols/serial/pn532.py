# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the NXP PN532 on its serial line (high speed UART). Knows no port and no time.

A frame is ``00 | 00 FF | LEN LCS | TFI data | DCS | 00`` where LEN counts TFI and data, and both checks make their part
sum to zero modulo 256. Behind ``FF FF`` the length has two octets (extended frame). Three frames carry no data: ACK,
NACK and the chip's syntax error. TFI says the direction: D4 to the chip, D5 from it. Source: NXP UM0701-02, 6.2.1.
Commands and replies are in pn532_messages.py, read from frames by pn532_codec.py.

The last 00 is not filling. The data check is a sum, blind to a zero that was lost: the check would become data and the
last 00 the check. So a frame is taken only with that octet behind it.

The framer is fed octets in any pieces, never raises and finds its feet again at the next start code. The chip wakes on
``55 55`` and zeros, which look like noise here and are skipped.
"""

from dataclasses import dataclass
from enum import Enum

from protocols.errors import DecodeError, EncodeError
from protocols.serial.framer import Damaged

HOST_TO_CHIP, CHIP_TO_HOST, CHIP_ERROR = 0xD4, 0xD5, 0x7F
LARGEST_CONTENT = 265  # TFI and data together (UM0701-02, 6.2.1.2)
LARGEST_NORMAL = 255  # what the one-octet length can say
WAKE = bytes.fromhex("55550000000000000000000000000000")  # UM0701-02, 7.2.11: HSU wakes on 55, then needs some time

_START = b"\x00\xff"


class Signal(Enum):
    """Frames without data, as they stand on the line."""

    ACK = bytes.fromhex("0000FF00FF00")
    NACK = bytes.fromhex("0000FFFF0000")
    SYNTAX_ERROR = bytes.fromhex("0000FF01FF7F8100")


@dataclass(frozen=True, slots=True)
class Frame:
    """TFI and data of a frame whose checks were right. Prints without its content."""

    tfi: int
    data: bytes

    def encode(self) -> bytes:
        """The octets on the line, extended only where the length demands it."""
        content = bytes((self.tfi,)) + self.data
        size = len(content)
        if size > LARGEST_CONTENT:
            raise EncodeError(f"{size} octets in a PN532 frame, at most {LARGEST_CONTENT} expected")
        if size <= LARGEST_NORMAL:
            head = bytes((size, -size & 0xFF))
        else:
            high, low = divmod(size, 256)
            head = bytes((0xFF, 0xFF, high, low, -(high + low) & 0xFF))
        return b"\x00" + _START + head + content + bytes((-sum(content) & 0xFF, 0x00))

    def __repr__(self) -> str:
        return f"Frame({self.tfi:02X}, {len(self.data)} octets)"


Event = Signal | Frame | Damaged


class FrameFramer:
    """Turns octets, in whatever pieces they come, into :data:`Event` values. Holds at most one frame."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun and not ended."""
        return _START in self._buffer

    def feed(self, data: bytes) -> list[Event]:
        """Take octets and return what they complete, in order."""
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        while True:
            start = buffer.find(_START)
            if start < 0:
                del buffer[: -1 if buffer.endswith(b"\x00") else len(buffer)]
                return events
            del buffer[:start]
            if len(buffer) < 4:
                return events
            taken = self._take(events)
            if not taken:
                return events
            del buffer[:taken]

    def lapse(self) -> list[Event]:
        """The line fell silent: give up what is unfinished."""
        unfinished = self.unfinished
        self._buffer.clear()
        return [Damaged("the line fell silent inside a frame")] if unfinished else []

    def _take(self, events: list[Event]) -> int:
        """Read the frame that starts the buffer; returns the octets used up, 0 where more are needed."""
        buffer = self._buffer
        size, check = buffer[2], buffer[3]
        if (size, check) == (0x00, 0xFF):
            events.append(Signal.ACK)
            return 4
        if (size, check) == (0xFF, 0x00):
            events.append(Signal.NACK)
            return 4
        head = 4
        if (size, check) == (0xFF, 0xFF):
            head = 7
            if len(buffer) < head:
                return 0
            size = buffer[4] << 8 | buffer[5]
            right = not (buffer[4] + buffer[5] + buffer[6]) & 0xFF
        else:
            right = not (size + check) & 0xFF
        if not right or not 1 <= size <= LARGEST_CONTENT:
            events.append(Damaged("the length check is wrong or the length out of range"))
            return 2
        end = head + size + 1
        if len(buffer) <= end:
            return 0
        if sum(buffer[head:end]) & 0xFF or buffer[end]:
            # Skip its content: that came from a card, which must not be able to slip us a frame of its own making.
            events.append(Damaged("the data check is not that of the frame"))
            return end
        if size == 1 and buffer[head] == CHIP_ERROR:
            events.append(Signal.SYNTAX_ERROR)
        else:
            events.append(Frame(buffer[head], bytes(buffer[head + 1 : end - 1])))
        return end + 1


def decode_frame(octets: bytes) -> Frame:
    """Exactly one frame with data; anything else is a :class:`DecodeError`."""
    framer = FrameFramer()
    events = framer.feed(octets)
    if len(events) != 1 or framer.unfinished:
        raise DecodeError("PN532 frame", f"{len(events)} events in {len(octets)} octets, one whole frame expected")
    event = events[0]
    if isinstance(event, Damaged):
        raise DecodeError("PN532 frame", event.why)
    if isinstance(event, Signal):
        raise DecodeError("PN532 frame", f"{event.name}, a frame with data expected")
    return event
