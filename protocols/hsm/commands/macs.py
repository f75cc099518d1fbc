# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on message authentication codes: M6, M8, GW. Layouts only."""

from types import MappingProxyType
from typing import Annotated, Any

from protocols.hsm.codes import USUAL_KSN_DESCRIPTOR, ErrorCode
from protocols.hsm.commands.command import (
    AnyKey,
    AnyKeyOrPair,
    Command,
    Descriptor,
    Ksn,
)
from protocols.hsm.data_fields import CountedOctets
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import (
    Choice,
    Counted,
    Hex,
    HexOneOf,
)
from protocols.hsm.layout import Fields, IfLonger, When, layout

MacMode = Annotated[str, Choice(("0", "1", "2", "3"), refusal=ErrorCode.COMMAND_SPECIFIC_02)]
InputFormat = Annotated[str, Choice(("0", "1", "2"), refusal=ErrorCode.COMMAND_SPECIFIC_03)]
MacSize = Annotated[str, Choice(("0", "1"), refusal=ErrorCode.INVALID_TYPE_CODE)]
MacAlgorithm = Annotated[str, Choice(("1", "3"), refusal=ErrorCode.INVALID_TYPE_CODE)]
MacPadding = Annotated[str, Choice(("0", "1", "2"), refusal=ErrorCode.COMMAND_SPECIFIC_09)]
MacKeyType = Annotated[str, Choice(("003", "008", "FFF"), refusal=ErrorCode.INVALID_LENGTH_FLAG)]
MacText = Annotated[bytes, HexOneOf((16, 8))]
Chaining = Annotated[bytes, Hex(16)]


@layout
class M6(Fields):
    """Make a MAC: mode 0 whole message, 1 first, 2 middle, 3 last piece; input 0 binary, 1 hexadecimal, 2 text.

    Size 0 is 8, 1 is 16 hexadecimal digits; algorithm and padding carry the numbers of ISO/IEC 9797-1, padding 0 none.
    """

    mode: MacMode = "0"
    input_format: InputFormat = "0"
    size: MacSize = "1"
    algorithm: MacAlgorithm = "3"
    padding: MacPadding = "1"
    key_type: MacKeyType = "003"
    key: AnyKey
    chaining: Annotated[Chaining | None, When("mode", "2", "3")] = None
    data: Annotated[bytes, Counted(4, short=ErrorCode.COMMAND_SPECIFIC_06)]
    """As it travels; with input format 1 two digits for an octet, and the length counts digits."""


@layout
class M7(Fields):
    """The MAC; after a first or middle piece the chaining value, 16 digits, for the next one."""

    mac: MacText


@layout
class M8(Fields):
    """Verify a MAC: fields as in M6, and the MAC behind the data of a whole message or last piece."""

    mode: MacMode = "0"
    input_format: InputFormat = "0"
    size: MacSize = "1"
    algorithm: MacAlgorithm = "3"
    padding: MacPadding = "1"
    key_type: MacKeyType = "003"
    key: AnyKey
    chaining: Annotated[Chaining | None, When("mode", "2", "3")] = None
    data: Annotated[bytes, Counted(4, short=ErrorCode.COMMAND_SPECIFIC_06)]
    mac: Annotated[MacText | None, When("mode", "0", "3")] = None


@layout
class M9(Fields):
    """After a first or middle piece the chaining value; else nothing."""

    chaining: Annotated[Chaining | None, IfLonger(0)] = None


@layout
class GW(Fields):
    """Verify or make a MAC under the DUKPT key of a serial number for requests (ANSI X9.19).

    Mode 1 verifies 16 digits, 2 the left 8 and 3 the right 8; 4, 5 and 6 make the same.
    """

    mode: Annotated[str, Choice(tuple("123456"))]
    method: Annotated[str, Choice(("1",))] = "1"
    bdk: AnyKeyOrPair
    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    whole: Annotated[Annotated[bytes, Hex(16)] | None, When("mode", "1")] = None
    half: Annotated[Annotated[bytes, Hex(8)] | None, When("mode", "2", "3")] = None
    data: Annotated[bytes, CountedOctets(4, 9999)]


@layout
class GX(Fields):
    """The MAC, where one was to be made."""

    mac: Annotated[MacText | None, IfLonger(0)] = None


_MAC_ERRORS = MappingProxyType(
    {
        "02": "invalid mode flag",
        "03": "invalid input format flag",
        "04": "invalid MAC size or algorithm",
        "05": "invalid key type",
        "06": "invalid message length",
        "09": "invalid padding method",
        "10": "MAC key parity error",
    }
)

ROWS: tuple[Command[Any, Any], ...] = (
    Command(
        "generate a MAC",
        M6,
        M7,
        Evidence(("TS", "UT", "PP", "I8", "J8"), vectors=1),
        _MAC_ERRORS,
        note="with hexadecimal input the length counts digits (two sources), not octets (one)",
    ),
    Command(
        "verify a MAC",
        M8,
        M9,
        Evidence(("TS", "UT", "PP", "I8", "J8"), vectors=1),
        {"01": "MAC verification failed", **_MAC_ERRORS},
        note="the chaining value in the answer to a first or middle piece follows M6",
    ),
    Command(
        "verify or make a MAC under DUKPT",
        GW,
        GX,
        Evidence(("UT",)),
        {"01": "MAC verification failed", "10": "BDK parity error", "27": "BDK not of double length"},
        note="a second source writes another layout; counter 0, as in the source's value, is refused by X9.24-1",
    ),
)
