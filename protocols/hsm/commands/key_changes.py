# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that wrap keys anew inside a unit or for its terminals: B0 scheme, BW LMK, AE and AG TMK. Layouts only."""

from typing import Annotated

from protocols.hsm.commands.command import (
    Activity,
    AnyKey,
    CheckValueKind,
    Command,
    KeyTypeCode,
    LengthFlag,
    LmkId,
    Reserved,
    Row,
    Scheme,
    TypeCode,
)
from protocols.hsm.commands.keys import CheckValue
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice
from protocols.hsm.layout import Fields, IfLonger, Introduced, layout


@layout
class B0(Fields):
    """Put a key under the LMK into another scheme."""

    key_type: KeyTypeCode
    key: AnyKey
    scheme: Scheme


@layout
class B1(Fields):
    """The key in the scheme asked for."""

    key: AnyKey


@layout
class MigrationOptions(Fields):
    """The scheme under the LMK (0: as it was)."""

    reserved_1: Reserved = "0"
    scheme: Scheme
    reserved_2: Reserved = "0"


@layout
class MigrationType(Fields):
    """The key type in three digits, and behind it the options."""

    key_type: KeyTypeCode
    options: Annotated[MigrationOptions | None, Introduced(b";")] = None


@layout
class MigrationCheck(Fields):
    """Whether to give a check value (flag 1), and which."""

    wanted: Annotated[str, Choice(("0", "1"))]
    kind: CheckValueKind


@layout
class BW(Fields):
    """Bring a key from the LMK before to the one in force: type codes as in BU."""

    type_code: TypeCode
    length_flag: LengthFlag
    key: AnyKey
    more: Annotated[MigrationType | None, Introduced(b";")] = None
    lmk: Annotated[LmkId | None, Introduced(b"%")] = None
    check: Annotated[MigrationCheck | None, Introduced(b"!")] = None


@layout
class BX(Fields):
    """The key under the LMK in force, and its check value if asked for."""

    key: AnyKey
    check_value: Annotated[CheckValue | None, IfLonger(0)] = None


@layout
class TmkExportOptions(Fields):
    """The scheme under the TMK (0: as under the LMK)."""

    scheme: Scheme
    reserved_1: Reserved = "0"
    reserved_2: Reserved = "0"


@layout
class AE(Fields):
    """Give a TMK, TPK or PVK out under another one."""

    current: AnyKey
    stored: AnyKey
    options: Annotated[TmkExportOptions | None, Introduced(b";")] = None


@layout
class AF(Fields):
    """The stored key under the current one."""

    key: AnyKey


@layout
class AG(Fields):
    """Give a TAK out under a TMK."""

    tmk: AnyKey
    tak: AnyKey
    options: Annotated[TmkExportOptions | None, Introduced(b";")] = None


@layout
class AH(Fields):
    """The TAK under the TMK and its check value."""

    key: AnyKey
    check_value: CheckValue


ROWS: tuple[Row, ...] = (
    Command(
        "translate a key's scheme under the LMK",
        B0,
        B1,
        Evidence(("TS", "SH"), vectors=1),
        {"10": "key parity error"},
        activity=Activity.KEY_SCHEME,
    ),
    Command(
        "translate a key from the old LMK to the new one",
        BW,
        BX,
        Evidence(("TS", "UT", "I8"), vectors=2),
        {
            "04": "invalid key type code",
            "05": "invalid key length flag",
            "10": "key parity error",
            "33": "there is no old LMK",
        },
        note="the check value (`!`) rests on one source",
    ),
    Command(
        "export a TMK, TPK or PVK under another",
        AE,
        AF,
        Evidence(("TS", "SH"), vectors=3),
        {"10": "parity error of the current key", "11": "parity error of the stored key"},
    ),
    Command(
        "export a TAK under a TMK",
        AG,
        AH,
        Evidence(("TS", "SH")),
        {"10": "TMK parity error", "11": "TAK parity error"},
        note="the second source gives no check value",
    ),
)
