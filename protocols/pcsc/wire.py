# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages between libpcsclite and pcscd, protocol 4:4, as octets. Keeps no state and answers nothing.

A client sends a header of two words, the size of what follows and the command; then a structure whose last words are
filled in by the daemon and sent back without a header. TRANSMIT and CONTROL are followed by their data both ways. All
words are little-endian here; pcsc-lite itself uses the machine's order, so this is the wire of little-endian machines.

Source: the message layouts of pcsc-lite 1.9.9, unchanged as the oldest version that 2.x still speaks; checked against
unmodified libpcsclite by the tests of the twin that speaks it.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import NamedTuple

from protocols.errors import DecodeError

VERSION = (4, 4)
MOST_READERS = 16  # the table of readers has so many rows
NAME_OCTETS = 128
ATR_OCTETS = 33
ATTRIBUTE_OCTETS = 264
LARGEST_DATA = 65_548  # MAX_BUFFER_SIZE_EXTENDED: an extended APDU and its header
HEADER = struct.Struct("<II")


class Command(IntEnum):
    """What a client asks."""

    ESTABLISH_CONTEXT = 0x01
    RELEASE_CONTEXT = 0x02
    CONNECT = 0x04
    RECONNECT = 0x05
    DISCONNECT = 0x06
    BEGIN_TRANSACTION = 0x07
    END_TRANSACTION = 0x08
    TRANSMIT = 0x09
    CONTROL = 0x0A
    STATUS = 0x0B
    CANCEL = 0x0D
    GET_ATTRIB = 0x0F
    SET_ATTRIB = 0x10
    VERSION = 0x11
    GET_READERS_STATE = 0x12
    WAIT_READER_STATE_CHANGE = 0x13
    STOP_WAITING = 0x14


FIELDS: Mapping[int, struct.Struct] = MappingProxyType(
    {
        Command.ESTABLISH_CONTEXT: struct.Struct("<III"),  # scope, context, code
        Command.RELEASE_CONTEXT: struct.Struct("<II"),  # context, code
        Command.CONNECT: struct.Struct(f"<I{NAME_OCTETS}sIIiII"),  # context, reader, share, wanted, card, active, code
        Command.RECONNECT: struct.Struct("<iIIIII"),  # card, share, wanted, initialization, active, code
        Command.DISCONNECT: struct.Struct("<iII"),  # card, disposition, code
        Command.BEGIN_TRANSACTION: struct.Struct("<iI"),  # card, code
        Command.END_TRANSACTION: struct.Struct("<iII"),  # card, disposition, code
        Command.TRANSMIT: struct.Struct("<iIIIIIII"),  # card, PCI sent (2), sent, PCI received (2), received, code
        Command.CONTROL: struct.Struct("<iIIIII"),  # card, control code, sent, room, returned, code
        Command.STATUS: struct.Struct("<iI"),  # card, code
        Command.CANCEL: struct.Struct("<II"),  # context, code
        Command.GET_ATTRIB: struct.Struct(f"<iI{ATTRIBUTE_OCTETS}sII"),  # card, attribute, value, length, code
        Command.SET_ATTRIB: struct.Struct(f"<iI{ATTRIBUTE_OCTETS}sII"),
        Command.VERSION: struct.Struct("<iiI"),  # major, minor, code
        Command.GET_READERS_STATE: struct.Struct(""),
        Command.WAIT_READER_STATE_CHANGE: struct.Struct(""),
        Command.STOP_WAITING: struct.Struct(""),
    }
)
"""What follows the header, and what comes back, by command."""

EVENT = struct.Struct("<II")  # time-out (unused), code: pushed once to a client that waits


class Share(IntEnum):
    """How a card is taken hold of (PC/SC part 5, 3.2.5)."""

    EXCLUSIVE = 1
    SHARED = 2
    DIRECT = 3


class Protocol(IntFlag):
    """Transmission protocols; more than one where a client leaves the choice."""

    NONE = 0
    T0 = 1
    T1 = 2
    RAW = 4


class Disposition(IntEnum):
    """What becomes of the card when a hold ends."""

    LEAVE = 0
    RESET = 1
    UNPOWER = 2
    EJECT = 3


class ReaderFlag(IntFlag):
    """State of a reader in the daemon's table."""

    ABSENT = 0x02
    PRESENT = 0x04
    SWALLOWED = 0x08
    POWERED = 0x10
    NEGOTIABLE = 0x20
    SPECIFIC = 0x40


class Attribute(IntEnum):
    """Attributes of readers (PC/SC part 3, 3.1.3); the rest is refused."""

    VENDOR_NAME = 0x00010100
    VENDOR_IFD_VERSION = 0x00010102
    VENDOR_IFD_SERIAL_NO = 0x00010103
    MAXINPUT = 0x0007A007
    ICC_PRESENCE = 0x00090300
    ICC_INTERFACE_STATUS = 0x00090301
    ATR_STRING = 0x00090303
    DEVICE_FRIENDLY_NAME = 0x7FFF0003
    DEVICE_SYSTEM_NAME = 0x7FFF0004


class Code(IntEnum):
    """Return codes that a daemon sends (PC/SC part 5, 3)."""

    SUCCESS = 0x00000000
    CANCELLED = 0x80100002
    INVALID_HANDLE = 0x80100003
    INVALID_PARAMETER = 0x80100004
    INSUFFICIENT_BUFFER = 0x80100008
    UNKNOWN_READER = 0x80100009
    TIMEOUT = 0x8010000A
    SHARING_VIOLATION = 0x8010000B
    NO_SMARTCARD = 0x8010000C
    PROTO_MISMATCH = 0x8010000F
    INVALID_VALUE = 0x80100011
    NOT_TRANSACTED = 0x80100016
    READER_UNAVAILABLE = 0x80100017
    UNSUPPORTED_FEATURE = 0x80100022
    SERVICE_STOPPED = 0x8010001E
    UNRESPONSIVE_CARD = 0x80100066
    UNPOWERED_CARD = 0x80100067
    RESET_CARD = 0x80100068
    REMOVED_CARD = 0x80100069


_ROW = struct.Struct(f"<{NAME_OCTETS}sIIi{ATR_OCTETS}s3xII")


class ReaderRow(NamedTuple):
    """One row of the table of readers: 184 octets."""

    name: str
    events: int
    """How often a card came or went."""
    state: int
    sharing: int
    """0 free, -1 exclusive, else the number of holds."""
    atr: bytes
    protocol: int

    def encode(self) -> bytes:
        """The row's octets."""
        name = self.name.encode("utf-8")[: NAME_OCTETS - 1]
        return _ROW.pack(name, self.events, self.state, self.sharing, self.atr, len(self.atr), self.protocol)


def encode_table(rows: list[ReaderRow]) -> bytes:
    """The whole table; rows without a reader are zero. Daemon's side."""
    return b"".join(row.encode() for row in rows).ljust(MOST_READERS * _ROW.size, b"\0")


def decode_table(octets: bytes) -> list[ReaderRow]:
    """The readers in a table. Client's side."""
    if len(octets) != MOST_READERS * _ROW.size:
        raise DecodeError("table of readers", f"{len(octets)} octets, {MOST_READERS * _ROW.size} expected")
    rows = []
    for name, events, state, sharing, atr, length, protocol in _ROW.iter_unpack(octets):
        if length > ATR_OCTETS:
            raise DecodeError("table of readers, ATR length", f"{length}, at most {ATR_OCTETS} expected")
        if name[0]:
            rows.append(ReaderRow(text(name), events, state, sharing, atr[:length], protocol))
    return rows


def text(octets: bytes) -> str:
    """A name up to its closing zero."""
    return octets.partition(b"\0")[0].decode("utf-8", "replace")


class Request(NamedTuple):
    """One message of a client."""

    command: Command
    fields: tuple[int | bytes, ...]
    data: bytes = b""
    """What follows TRANSMIT and CONTROL."""


_DATA_FOLLOWS: Mapping[int, int] = MappingProxyType({Command.TRANSMIT: 3, Command.CONTROL: 2})
"""Place of the field that says how many octets follow."""


class Framer:
    """Octets of a client in, whole messages out. One that is not the protocol is a :class:`DecodeError`, for good."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, octets: bytes) -> list[Request]:
        """The messages that these octets complete."""
        held = self._held + octets if self._held else octets
        found = []
        while len(held) >= HEADER.size:
            size, number = HEADER.unpack_from(held)
            layout = FIELDS.get(number)
            if layout is None:
                raise DecodeError("message of a PC/SC client", f"command {number}, which protocol 4:4 does not have")
            if size != layout.size:
                raise DecodeError(f"command {number}", f"{size} octets announced, {layout.size} expected")
            end = HEADER.size + size
            if len(held) < end:
                break
            fields = layout.unpack_from(held, HEADER.size)
            place = _DATA_FOLLOWS.get(number)
            data = b""
            if place is not None:
                count = fields[place]
                if count > LARGEST_DATA:
                    raise DecodeError(f"command {number}", f"{count} octets of data, at most {LARGEST_DATA}")
                if len(held) < end + count:
                    break
                data, end = held[end : end + count], end + count
            found.append(Request(Command(number), fields, data))
            held = held[end:]
        self._held = held
        return found


def encode_request(command: Command, *fields: int | bytes, data: bytes = b"") -> bytes:
    """One message as a client sends it."""
    layout = FIELDS[command]
    return HEADER.pack(layout.size, command) + layout.pack(*fields) + data
