# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks of T=1 as octets: prologue, information, LRC (ISO/IEC 7816-3:2006, 11.3). Keeps no sequence numbers."""

from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError
from protocols.octets import lrc

LARGEST = 254  # octets of information


class Kind(IntEnum):
    """Kinds of blocks, by the first bits of PCB."""

    INFORMATION = 0
    RECEIVE_READY = 1
    SUPERVISORY = 2


class Supervisory(IntEnum):
    """S-blocks: requests; the response has bit 6 set (11.3.2.2)."""

    RESYNCH = 0xC0
    IFS = 0xC1
    ABORT = 0xC2
    WTX = 0xC3


RESPONSE = 0x20
MORE = 0x20
NO_ERROR, LRC_ERROR, OTHER_ERROR = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Block:
    """One block. It prints its PCB and size only."""

    nad: int
    pcb: int
    information: bytes = b""

    @property
    def kind(self) -> Kind:
        """What it is."""
        if not self.pcb & 0x80:
            return Kind.INFORMATION
        return Kind.SUPERVISORY if self.pcb & 0x40 else Kind.RECEIVE_READY

    @property
    def number(self) -> int:
        """N(S) of an I-block, N(R) of an R-block."""
        return self.pcb >> (6 if self.kind is Kind.INFORMATION else 4) & 1

    @property
    def more(self) -> bool:
        """Whether an I-block is one of a chain and not its last."""
        return bool(self.pcb & MORE)

    def encode(self) -> bytes:
        """Its octets."""
        if len(self.information) > LARGEST:
            raise EncodeError(f"a block with {len(self.information)} octets, {LARGEST} at most")
        body = bytes((self.nad, self.pcb, len(self.information))) + self.information
        return body + bytes((lrc(body),))

    def __repr__(self) -> str:
        return f"Block({self.pcb:02X}, {len(self.information)} octets)"


def decode(octets: bytes) -> Block:
    """Read one whole block; :class:`DecodeError` where length or LRC are wrong."""
    if len(octets) < 4 or octets[2] == 0xFF or len(octets) != octets[2] + 4:
        raise DecodeError("T=1 block", f"{len(octets)} octets, which its length field does not announce")
    if lrc(octets):
        raise DecodeError("T=1 block", "the LRC is wrong")
    return Block(octets[0], octets[1], octets[3:-1])


def information(number: int, data: bytes, *, more: bool = False, nad: int = 0) -> Block:
    """An I-block."""
    return Block(nad, (number & 1) << 6 | (MORE if more else 0), data)


def ready(number: int, error: int = NO_ERROR, nad: int = 0) -> Block:
    """An R-block: the number of the I-block that is expected, and what was wrong with the last."""
    return Block(nad, 0x80 | (number & 1) << 4 | error)
