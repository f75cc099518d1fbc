# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Byte-fed framing of control characters and check-summed packets (ISO 1155 LRC). Knows no message and no time.

Two envelopes share one line: ``STX body ETX LRC`` for transactions and ``SI body SO LRC`` for administration; between
them stand the single characters ACK, NAK and EOT. The LRC is the exclusive or of everything behind the start
character up to and including the end character, so it may itself look like any control character: it is found by
place, never by value.

A line is noisy. The framer never raises: it reports what it could not use as :class:`Damaged` and starts anew at the
next start character. Bodies hold text and the separators FS, GS, RS, SUB, DC1 and DC2; a start character inside a body
therefore means that the packet before it was cut. What an error leaves hanging (a packet without an end) only
silence can tell: whoever owns the clock calls :meth:`PacketFramer.lapse`.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError
from protocols.octets import lrc

STX, ETX = 0x02, 0x03
SI, SO = 0x0F, 0x0E
SUB, FS, GS, RS = 0x1A, 0x1C, 0x1D, 0x1E

LONGEST_PACKET = 255  # octets with envelope and LRC: the least that pads of this family take
LARGEST_PACKET = 4096  # no profile may ask for more: a body without an end must not grow for ever


class Control(IntEnum):
    """Single characters between packets."""

    EOT = 0x04
    ACK = 0x06
    NAK = 0x15


class Envelope(IntEnum):
    """Which pair of characters encloses a body: its start character."""

    TRANSACTION = STX
    ADMINISTRATION = SI

    @property
    def end(self) -> int:
        """The end character of this envelope."""
        return ETX if self is Envelope.TRANSACTION else SO


@dataclass(frozen=True, slots=True)
class Packet:
    """A body whose LRC was right. Prints without its content."""

    envelope: Envelope
    body: bytes

    def encode(self) -> bytes:
        """The octets on the line: start, body, end, LRC."""
        if _NOTABLE.search(self.body):
            raise EncodeError("a packet body holds a start, end or link control character")
        covered = self.body + bytes((self.envelope.end,))
        return bytes((self.envelope,)) + covered + bytes((lrc(covered),))

    def __repr__(self) -> str:
        return f"Packet({self.envelope.name}, {len(self.body)} octets)"


@dataclass(frozen=True, slots=True)
class Damaged:
    """Octets that were meant as a packet and are not one; ``why`` quotes nothing of them."""

    why: str


Event = Control | Packet | Damaged

_NOTABLE = re.compile(rb"[\x02\x03\x04\x06\x0e\x0f\x15]")
_CLOSING = {STX: re.compile(rb"[\x02\x03\x0f]"), SI: re.compile(rb"[\x02\x0e\x0f]")}
_ENDS = frozenset((ETX, SO))
_ENVELOPES = {int(envelope): envelope for envelope in Envelope}
_CONTROLS = {int(control): control for control in Control}


class PacketFramer:
    """Turns octets, in whatever pieces they come, into :data:`Event` values. Holds at most ``longest`` octets."""

    __slots__ = ("_buffer", "_longest", "_noise")

    def __init__(self, longest: int = LONGEST_PACKET) -> None:
        """``longest`` counts a whole packet with envelope and LRC."""
        if not 4 <= longest <= LARGEST_PACKET:
            raise EncodeError(f"a packet of {longest} octets, expected 4 to {LARGEST_PACKET}")
        self._buffer = bytearray()
        self._longest = longest
        self._noise = 0

    @property
    def unfinished(self) -> bool:
        """Whether something was heard that is not an event yet: a begun packet, or noise between packets."""
        return bool(self._buffer) or self._noise > 0

    def feed(self, data: bytes) -> list[Event]:
        """Take octets and return what they complete, in order."""
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        place, size = 0, len(buffer)
        while place < size:
            start = buffer[place]
            if start in _CONTROLS:
                events.append(_CONTROLS[start])
                self._noise = 0
                place += 1
                continue
            closing = _CLOSING.get(start)
            if closing is None:
                if start in _ENDS:
                    # The tail of a packet whose start was lost: the octet behind it is an LRC, not a character.
                    if place + 1 == size:
                        break
                    upto = place + 2
                else:
                    found = _NOTABLE.search(buffer, place)
                    upto = found.start() if found else size
                self._noise += upto - place
                place = upto
                continue
            found = closing.search(buffer, place + 1)
            last = found.start() if found else size
            if last - place + 2 > self._longest:
                events.append(Damaged(f"no end within {self._longest} octets"))
                place = last
            elif found is None:
                break
            elif buffer[last] in _CLOSING:
                events.append(Damaged("a packet began inside a packet"))
                place = last
            elif last + 1 == size:
                break
            else:
                covered = bytes(buffer[place + 1 : last + 2])
                if lrc(covered):  # over the LRC itself, a right one leaves zero
                    events.append(Damaged("the LRC is not that of the packet"))
                else:
                    events.append(Packet(_ENVELOPES[start], covered[:-2]))
                self._noise = 0
                place = last + 2
        del buffer[:place]
        return events

    def lapse(self) -> list[Event]:
        """The line fell silent: give up what is unfinished. A peer that broke off with EOT is heard doing so."""
        events: list[Event] = []
        if self.unfinished:
            events.append(Damaged("the line fell silent inside a packet" if self._buffer else "noise between packets"))
            if self._buffer[-1:] == bytes((Control.EOT,)):
                events.append(Control.EOT)
        self._buffer.clear()
        self._noise = 0
        return events


def decode_packet(frame: bytes, longest: int = LARGEST_PACKET) -> Packet:
    """Exactly one whole packet; anything else is a :class:`DecodeError`."""
    framer = PacketFramer(longest)
    events = framer.feed(frame)
    if len(events) != 1 or framer.unfinished:
        raise DecodeError("packet", f"{len(events)} events in {len(frame)} octets, one whole packet expected")
    event = events[0]
    if isinstance(event, Damaged):
        raise DecodeError("packet", event.why)
    if isinstance(event, Control):
        raise DecodeError("packet", "a single control character, a packet expected")
    return event
