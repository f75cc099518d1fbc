# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Framing of host commands on a byte stream, sans-IO: length, header, command code. Knows no command's fields.

    length   2 octets, big-endian, counts everything behind it
    header   m octets that the host chooses and the HSM echoes; m is a setting of the HSM (commonly 4)
    code     2 characters; the response code is the command code with its second character raised by one
    fields   see :mod:`protocols.hsm.commands`
    tail     optional `%` and an LMK identifier, optional X'19' and a trailer that is echoed

The tail is read only after all fields: binary fields may hold X'19' themselves.
"""

from dataclasses import dataclass

from protocols.errors import DecodeError, EncodeError
from protocols.hsm.codes import ErrorCode

LENGTH_OCTETS = 2
LARGEST_FRAME = 0xFFFF  # what the two length octets can say
ENOUGH = 1 << 14
"""Octets after which a turn ends: long messages take long, and others wait meanwhile."""
HEADER_OCTETS = range(256)  # what units let an operator set
LARGEST_TRAILER = 32
TRAILER_MARK = 0x19
LMK_MARK = 0x25  # "%"


def frame(message: bytes) -> bytes:
    """One message with its length in front."""
    if len(message) > LARGEST_FRAME:
        raise EncodeError(f"host command of {len(message)} octets, a frame takes {LARGEST_FRAME}")
    return len(message).to_bytes(LENGTH_OCTETS, "big") + message


class FrameBuffer:
    """Cuts a byte stream into messages, however it arrives. What it holds is bounded by one frame and one read."""

    __slots__ = ("_held", "_largest", "_most_held", "_place", "more")

    def __init__(self, largest: int = LARGEST_FRAME) -> None:
        self._held: bytes | bytearray = b""
        self._place = 0
        self._largest = largest
        self._most_held = LENGTH_OCTETS + largest
        self.more = False
        """Whether :meth:`messages` stopped before it had looked at all that is held."""

    def feed(self, octets: bytes) -> None:
        """Append what arrived."""
        held = self._held
        if not held:
            self._held = octets  # the usual case, without a copy
            return
        if isinstance(held, bytearray):
            del held[: self._place]
            held += octets
        else:
            self._held = bytearray(held[self._place :]) + octets
        self._place = 0

    def take(self) -> bytes | None:
        """The next whole message without its length, or None while it is incomplete.

        Raises :class:`DecodeError` for a length above the bound: the stream cannot be trusted any further.
        """
        found = self.messages(1)
        return found[0] if found else None

    def messages(self, most: int) -> list[bytes]:
        """At most so many whole messages, as :meth:`take` gives them, and no further one behind :data:`ENOUGH` octets.

        A length above the bound is raised at the next call, once what came before it was taken.
        """
        held, place = self._held, self._place
        size, enough = len(held), place + ENOUGH
        self.more = False
        if not place and LENGTH_OCTETS <= size == LENGTH_OCTETS + (held[0] << 8 | held[1]) <= self._most_held:
            self._held = b""
            return [bytes(held[LENGTH_OCTETS:])]  # one message and nothing else, as most often
        found: list[bytes] = []
        while size - place >= LENGTH_OCTETS:
            if place >= enough or len(found) == most:
                self.more = True
                break
            start = place + LENGTH_OCTETS
            end = start + (held[place] << 8 | held[place + 1])
            if end - start > self._largest:
                if found:
                    self.more = True
                    break
                raise DecodeError("frame length", f"{end - start} octets announced, at most {self._largest} accepted")
            if end > size:
                break
            found.append(bytes(held[start:end]))
            place = end
        if place == size:
            self._held, self._place = b"", 0  # nothing that was taken stays here
        else:
            self._place = place
        return found

    @property
    def waiting(self) -> int:
        """Octets held and not yet taken."""
        return len(self._held) - self._place


@dataclass(frozen=True, slots=True)
class Message:
    """A message cut into what every command has: header, two-character code, and the fields as octets."""

    header: bytes
    code: str
    body: bytes


def open_message(message: bytes, header_octets: int) -> Message:
    """Cut a message; raises :class:`DecodeError` where it is too short or its code is not two letters or digits."""
    end = header_octets + 2
    code = message[header_octets:end]
    if len(code) != 2:
        raise DecodeError(
            "host command", f"{len(message)} octets, a header of {header_octets} and a code of 2 expected"
        )
    if not code.isalnum():
        raise DecodeError("command code", "two letters or digits expected")
    return Message(message[:header_octets], code.decode("ascii"), message[end:])


def response_code(code: str) -> str:
    """The response code of a command: A0 gives A1, CY gives CZ, NO gives NP."""
    return code[0] + chr(ord(code[1]) + 1)


def response(header: bytes, code: str, error: str = ErrorCode.NO_ERROR, body: bytes = b"") -> bytes:
    """A response message (without frame length) to the command ``code``."""
    return header + response_code(code).encode("ascii") + error.encode("ascii") + body
