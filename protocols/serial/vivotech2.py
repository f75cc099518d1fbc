# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the ViVOtech2 protocol of contactless readers (ID TECH NEO 2). Knows no port, no time and no command.

Both directions: ten octets ``ViVOtech2`` and 00, the command, one octet that is the sub-command in a request and the
status in a reply, two octets of length (high first), the data, and a CRC-16 (polynomial 1021, start FFFF) over all of
that. The CRC's octet order drifts: replies send the high octet first, requests the low one, except where a command
belongs to pass-through mode. Which commands these are is data of the reader's profile. Source: NEO 2 Interface
Developer's Guide (2019), 2.8 and 3.2.2 to 3.2.3; recorded frames agree.

A reader may speak unasked, so the framer finds its feet by the ten octets. It is fed octets in any pieces and never
raises. The content of a frame whose CRC is wrong is skipped whole: it came from a card, which must not be able to slip
us a frame of its own making.
"""

from collections.abc import Collection
from dataclasses import dataclass

from protocols.errors import DecodeError, EncodeError
from protocols.octets import crc16
from protocols.serial.framer import Damaged

TAG = b"ViVOtech2\x00"
HEAD = len(TAG) + 4
CRC_OCTETS = 2
LONGEST_DATA = 4096
_START = 0xFFFF

HIGH_FIRST = frozenset((0x0A, 0x0B, 0x28, 0x2C))
"""Commands whose requests carry the CRC high octet first, where a profile names no others (pass-through, 8.12-8.15)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose CRC was right. ``detail`` is the sub-command or the status. Prints without its data."""

    command: int
    detail: int
    data: bytes = b""

    def encode(self, *, high_first: bool = True) -> bytes:
        """The octets on the line; ``high_first`` is the order of the CRC."""
        if len(self.data) > LONGEST_DATA:
            raise EncodeError(f"{len(self.data)} octets in a ViVOtech2 frame, at most {LONGEST_DATA} expected")
        covered = TAG + bytes((self.command, self.detail)) + len(self.data).to_bytes(2, "big") + self.data
        return covered + crc16(covered, _START).to_bytes(CRC_OCTETS, "big" if high_first else "little")

    def __repr__(self) -> str:
        return f"Frame({self.command:02X}-{self.detail:02X}, {len(self.data)} octets)"


def request_octets(frame: Frame, high_first: Collection[int] = HIGH_FIRST) -> bytes:
    """A request as a reader expects it: the CRC in the order of its command."""
    return frame.encode(high_first=frame.command in high_first)


Event = Frame | Damaged


class FrameFramer:
    """Turns octets, in whatever pieces they come, into :data:`Event` values. Holds at most one frame."""

    __slots__ = ("_buffer", "_high_first")

    def __init__(self, high_first: Collection[int] | None = None) -> None:
        """``high_first``: None hears replies; else requests, of which these commands carry the high octet first."""
        self._buffer = bytearray()
        self._high_first = high_first

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._buffer.startswith(TAG[: len(self._buffer)]) and bool(self._buffer)

    def feed(self, data: bytes) -> list[Event]:
        """Take octets and return what they complete, in order."""
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        while True:
            start = buffer.find(TAG)
            if start < 0:
                del buffer[: len(buffer) - _begun(buffer)]
                return events
            del buffer[:start]
            if len(buffer) < HEAD:
                return events
            size = buffer[12] << 8 | buffer[13]
            if size > LONGEST_DATA:
                events.append(Damaged(f"more than {LONGEST_DATA} octets announced"))
                del buffer[: len(TAG)]
                continue
            end = HEAD + size
            if len(buffer) < end + CRC_OCTETS:
                return events
            events.append(self._judged(bytes(buffer[: end + CRC_OCTETS]), end))
            del buffer[: end + CRC_OCTETS]

    def lapse(self) -> list[Event]:
        """The line fell silent: give up what is unfinished."""
        unfinished = self.unfinished
        self._buffer.clear()
        return [Damaged("the line fell silent inside a frame")] if unfinished else []

    def _judged(self, octets: bytes, end: int) -> Event:
        command = octets[10]
        high_first = self._high_first is None or command in self._high_first
        if crc16(octets[:end], _START) != int.from_bytes(octets[end:], "big" if high_first else "little"):
            return Damaged("the CRC is not that of the frame")
        return Frame(command, octets[11], octets[HEAD:end])


def decode_frame(octets: bytes, high_first: Collection[int] | None = None) -> Frame:
    """Exactly one frame, a reply or (with ``high_first``) a request; anything else is a :class:`DecodeError`."""
    framer = FrameFramer(high_first)
    events = framer.feed(octets)
    if len(events) != 1 or framer.unfinished:
        raise DecodeError("ViVOtech2 frame", f"{len(events)} events in {len(octets)} octets, one whole frame expected")
    event = events[0]
    if isinstance(event, Damaged):
        raise DecodeError("ViVOtech2 frame", event.why)
    if len(octets) != HEAD + len(event.data) + CRC_OCTETS:
        raise DecodeError("ViVOtech2 frame", "octets before or behind the frame, one whole frame expected")
    return event


def _begun(buffer: bytearray) -> int:
    """How many octets at the end may be the beginning of a tag."""
    for size in range(min(len(TAG) - 1, len(buffer)), 0, -1):
        if buffer.endswith(TAG[:size]):
            return size
    return 0
