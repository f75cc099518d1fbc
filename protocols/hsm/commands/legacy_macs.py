# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on MACs from before M6: MA, MC, ME, MQ, MS. Layouts only."""

from types import MappingProxyType
from typing import Annotated

from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.command import AnyKey, AnyKeyOrPair, Command, Row
from protocols.hsm.data_fields import CountedHex
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice, Counted, Hex, Rest
from protocols.hsm.frame import LARGEST_FRAME
from protocols.hsm.layout import Fields, When, layout

Piece = Annotated[str, Choice(("0", "1", "2", "3"), refusal=ErrorCode.INVALID_LENGTH_FLAG)]
"""0 the whole message, 1 its first, 2 a middle, 3 its last piece."""
Chaining = Annotated[bytes, Hex(16)]
ShortMac = Annotated[bytes, Hex(8)]
Text = Annotated[bytes, Rest(LARGEST_FRAME)]


@layout
class MA(Fields):
    """Make a MAC with a TAK over everything that follows."""

    tak: AnyKey
    data: Text


@layout
class MB(Fields):
    """The left half of the MAC."""

    mac: ShortMac


@layout
class MC(Fields):
    """Verify a MAC with a TAK over everything that follows."""

    tak: AnyKey
    mac: ShortMac
    data: Text


@layout
class MD(Fields):
    """Nothing: the error code is the answer."""


@layout
class ME(Fields):
    """Verify a MAC under one TAK and make one under another."""

    source_tak: AnyKey
    destination_tak: AnyKey
    mac: ShortMac
    data: Text


@layout
class MF(Fields):
    """The left half of the MAC under the second key."""

    mac: ShortMac


@layout
class MQ(Fields):
    """Make a MAC with a ZAK over a long message, piece by piece."""

    piece: Piece
    zak: AnyKey
    chaining: Annotated[Chaining | None, When("piece", "2", "3")] = None
    data: Annotated[bytes, Counted(3)]


@layout
class MR(Fields):
    """The MAC; after a first or middle piece the chaining value for the next one."""

    mac: Annotated[bytes, Hex(16)]


@layout
class MS(Fields):
    """Make a retail MAC (ANSI X9.19) over a long message: key type 0 TAK, 1 ZAK; key length 0 single, 1 double."""

    piece: Piece
    key_type: Annotated[str, Choice(("0", "1"), refusal=ErrorCode.INVALID_TYPE_CODE)]
    key_length: Annotated[str, Choice(("0", "1"), refusal=ErrorCode.COMMAND_SPECIFIC_06)]
    message_type: Annotated[str, Choice(("0", "1"), refusal=ErrorCode.COMMAND_SPECIFIC_03)]
    single: Annotated[AnyKey | None, When("key_length", "0")] = None
    double: Annotated[AnyKeyOrPair | None, When("key_length", "1")] = None
    chaining: Annotated[Chaining | None, When("piece", "2", "3")] = None
    data: Annotated[Annotated[bytes, Counted(4)] | None, When("message_type", "0")] = None
    hexadecimal: Annotated[Annotated[bytes, CountedHex(4, 1)] | None, When("message_type", "1")] = None


@layout
class MT(Fields):
    """The MAC; after a first or middle piece the chaining value for the next one."""

    mac: Annotated[bytes, Hex(16)]


_TAK = MappingProxyType({"10": "TAK parity error"})
_WRONG = "MAC verification failed"
_BIG = (
    "algorithm 1 of ISO/IEC 9797-1 with keys of any length, as the first source computes it; "
    "the other ends the data with `~`; no tail can follow data without a length"
)

ROWS: tuple[Row, ...] = (
    Command("generate a MAC, TAK", MA, MB, Evidence(("TS", "J8")), _TAK, note=_BIG),
    Command("verify a MAC, TAK", MC, MD, Evidence(("TS", "J8")), {"01": _WRONG, **_TAK}, note=_BIG),
    Command(
        "verify a MAC, make another, TAK",
        ME,
        MF,
        Evidence(("TS", "J8")),
        {"01": _WRONG, "10": "source TAK parity error", "11": "destination TAK parity error"},
        note=_BIG,
    ),
    Command(
        "generate a MAC over a long message, ZAK",
        MQ,
        MR,
        Evidence(("TS", "J8"), vectors=2),
        {"05": "invalid piece", "10": "ZAK parity error", "80": "data length error"},
        note="algorithm 1 also with a ZAK of double length; first and middle pieces of whole blocks only",
    ),
    Command(
        "generate a retail MAC over a long message",
        MS,
        MT,
        Evidence(("TS", "J8")),
        {
            "03": "invalid message type",
            "04": "invalid key type",
            "05": "invalid piece",
            "06": "invalid key length",
            "10": "MAC key parity error",
            "80": "data length error",
        },
        note="the length counts octets also where they come as hexadecimal digits",
    ),
)
