# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames on the acquirer's TCP line: a length of two octets, a TPDU where the dialect has one. Opens no socket.

The length counts everything behind it. A TPDU is five octets, ``60``, destination, source (ISO 8583 hosts reached
through network access controllers); an answer goes back with the two addresses exchanged.
"""

from dataclasses import dataclass, field

from protocols.acquirer.dialects import Dialect
from protocols.acquirer.elements import LARGEST_MESSAGE
from protocols.errors import DecodeError, EncodeError

LENGTH_OCTETS = 2
TPDU_OCTETS = 5
TPDU_TRANSACTION = 0x60
NO_TPDU = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame's content: the TPDU (empty where the dialect has none) and the message."""

    tpdu: bytes
    message: bytes = field(repr=False)

    @property
    def return_tpdu(self) -> bytes:
        """The TPDU of an answer: destination and source exchanged."""
        return self.tpdu[:1] + self.tpdu[3:5] + self.tpdu[1:3]


def tpdu(destination: int, source: int) -> bytes:
    """A TPDU for transactions from ``source`` to ``destination``, each an address of two octets."""
    return bytes([TPDU_TRANSACTION]) + destination.to_bytes(2, "big") + source.to_bytes(2, "big")


def frame(message: bytes, dialect: Dialect, header: bytes = NO_TPDU) -> bytes:
    """Wrap a message for the line; ``header`` is the TPDU, demanded exactly where the dialect has one."""
    expected = TPDU_OCTETS if dialect.tpdu else 0
    if len(header) != expected:
        raise EncodeError(f"TPDU: {len(header)} octets, {expected} expected by dialect {dialect.name}")
    if not 0 < len(message) <= LARGEST_MESSAGE:
        raise EncodeError(f"frame: a message of {len(message)} octets, 1 to {LARGEST_MESSAGE} expected")
    return (len(header) + len(message)).to_bytes(LENGTH_OCTETS, "big") + header + message


class Framer:
    """Cuts a byte stream into frames, however it was cut into segments. Holds at most one unfinished frame."""

    __slots__ = ("_buffer", "_header")

    def __init__(self, dialect: Dialect) -> None:
        self._header = TPDU_OCTETS if dialect.tpdu else 0
        self._buffer = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether part of a frame has come and the rest has not."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take octets, return the frames they complete; none means that more octets are needed.

        A :class:`DecodeError` means that the line is out of step: close it. Frames that stood before the fault are
        returned first, so feed ``b""`` again until nothing comes.
        """
        self._buffer += data
        frames: list[Frame] = []
        while len(self._buffer) >= LENGTH_OCTETS:
            length = int.from_bytes(self._buffer[:LENGTH_OCTETS], "big")
            content = bytes(self._buffer[LENGTH_OCTETS : LENGTH_OCTETS + length])
            fault = self._fault(length, content)
            if fault is not None:
                if frames:
                    return frames
                self._buffer.clear()
                raise fault
            if len(content) < length:
                break
            del self._buffer[: LENGTH_OCTETS + length]
            frames.append(Frame(content[: self._header], content[self._header :]))
        return frames

    def _fault(self, length: int, content: bytes) -> DecodeError | None:
        most = self._header + LARGEST_MESSAGE
        if not self._header < length <= most:
            return DecodeError("frame length", f"{length} announced, {self._header + 1} to {most} expected")
        if self._header and content and content[0] != TPDU_TRANSACTION:
            return DecodeError("TPDU, octet 0", "60 expected")
        return None
