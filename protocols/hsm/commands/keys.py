# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on keys: A0, BU, HA, HC. Layouts only."""

from typing import Annotated, Any

from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.command import AnyKey, CheckValue6, Command, KeyTypeCode, Reserved, Scheme
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice, HexOneOf, HexText
from protocols.hsm.layout import Fields, IfLonger, Introduced, When, layout


@layout
class A0Export(Fields):
    """The key above the new one: flag 0 says ZMK (also if left out), 1 says TMK."""

    flag: Annotated[Annotated[str, Choice(("0", "1"))] | None, Introduced(b";")] = None
    key: AnyKey
    scheme: Scheme


@layout
class A0(Fields):
    """Make a random key: mode 0 under the LMK only, 1 also under a ZMK or TMK."""

    mode: Annotated[str, Choice(("0", "1"))]
    key_type: KeyTypeCode
    scheme: Scheme
    export: Annotated[A0Export | None, When("mode", "1")] = None


@layout
class A1(Fields):
    """The key under the LMK, under the ZMK or TMK if asked for, and its check value."""

    key: AnyKey
    exported: Annotated[AnyKey | None, IfLonger(6)] = None
    check_value: CheckValue6


@layout
class CheckValueOptions(Fields):
    """Kind 0 asks for 16 hexadecimal digits, 1 for 6."""

    reserved_1: Reserved = "0"
    reserved_2: Reserved = "0"
    kind: Annotated[str, Choice(("0", "1"))]


@layout
class BU(Fields):
    """The check value of a key: type code FF says that the three-digit key type follows behind the key."""

    type_code: Annotated[str, HexText(2, refusal=ErrorCode.INVALID_TYPE_CODE)]
    length_flag: Annotated[str, Choice(("0", "1", "2"), refusal=ErrorCode.INVALID_LENGTH_FLAG)]
    key: AnyKey
    key_type: Annotated[KeyTypeCode | None, When("type_code", "FF"), Introduced(b";")] = None
    options: Annotated[CheckValueOptions | None, Introduced(b";")] = None


@layout
class BV(Fields):
    """The check value."""

    check_value: Annotated[bytes, HexOneOf((16, 6), plain=True)]


@layout
class TmkOptions(Fields):
    """Schemes of the new key under the terminal's key and under the LMK."""

    scheme_tmk: Scheme
    scheme_lmk: Scheme
    reserved: Reserved = "0"


@layout
class HA(Fields):
    """Make a random TAK; without options it is of single length."""

    tmk: AnyKey
    options: Annotated[TmkOptions | None, Introduced(b";")] = None


@layout
class HB(Fields):
    """The TAK under the TMK and under the LMK."""

    under_tmk: AnyKey
    under_lmk: AnyKey


@layout
class HC(Fields):
    """Make a random TMK, TPK or PVK under a key of that same type; without options it is of single length."""

    current: AnyKey
    options: Annotated[TmkOptions | None, Introduced(b";")] = None


@layout
class HD(Fields):
    """The new key under the given one and under the LMK."""

    under_current: AnyKey
    under_lmk: AnyKey


ROWS: tuple[Command[Any, Any], ...] = (
    Command(
        "generate a key",
        A0,
        A1,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "I8")),
        {"10": "ZMK or TMK parity error"},
        note="modes A and B (derivation) and key block options are not handled yet",
    ),
    Command(
        "generate a check value",
        BU,
        BV,
        Evidence(("TS", "UT", "PY", "DU", "GH", "PP", "I8"), vectors=4),
        {"04": "invalid key type code", "05": "invalid key length flag", "10": "key parity error"},
    ),
    Command("generate a TAK under a TMK", HA, HB, Evidence(("TS", "SH")), {"10": "TMK parity error"}),
    Command(
        "generate a TMK, TPK or PVK under another",
        HC,
        HD,
        Evidence(("TS", "SH", "PY", "DU", "GH")),
        {"10": "current key parity error"},
    ),
)
