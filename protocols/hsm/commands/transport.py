# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that carry keys between LMK and ZMK. Layouts only.

Import: A6 any type, DW BDK, FA ZPK, FC TMK TPK PVK, FK ZEK ZAK, MI TAK. Export: A8, DY, GC, FE, FM, MG.
"""

from typing import Annotated

from protocols.hsm.commands.command import (
    Activity,
    AnyKey,
    AnyKeyOrPair,
    Atalla,
    CheckValue6,
    CheckValueKind,
    Command,
    Exportability,
    KeyTypeCode,
    LmkId,
    Reserved,
    Row,
    Scheme,
)
from protocols.hsm.commands.keys import CheckValue
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice
from protocols.hsm.layout import Fields, Introduced, layout


@layout
class A6(Fields):
    """Take a key of any type from under a ZMK."""

    key_type: KeyTypeCode
    zmk: AnyKey
    key: AnyKey
    scheme: Scheme
    atalla: Atalla = None


@layout
class A7(Fields):
    """The key under the LMK and its check value; both also with 01, where its parity was corrected."""

    key: AnyKey
    check_value: CheckValue6


@layout
class A8(Fields):
    """Give a key of any type out under a ZMK (flag 0, also if left out) or TMK (flag 1)."""

    key_type: KeyTypeCode
    flag: Annotated[Annotated[str, Choice(("0", "1"))] | None, Introduced(b";")] = None
    transport_key: AnyKey
    key: AnyKey
    scheme: Scheme
    atalla: Atalla = None
    reserved: Annotated[Reserved | None, Introduced(b";")] = None
    """Some hosts end with `;0`."""
    lmk: Annotated[LmkId | None, Introduced(b"%")] = None
    exportability: Annotated[Exportability | None, Introduced(b"&")] = None
    """What the key's block says from then on, N if left out."""


@layout
class A9(Fields):
    """The key under the transport key and its check value."""

    key: AnyKey
    check_value: CheckValue6


@layout
class ImportOptions(Fields):
    """The scheme under the LMK (0: as it came), and which check value to give; the first scheme says nothing."""

    scheme_zmk: Reserved = "0"
    scheme: Scheme
    kind: CheckValueKind


@layout
class ExportOptions(Fields):
    """The scheme under the ZMK (0: as under the LMK), and which check value to give."""

    scheme: Scheme
    reserved: Reserved = "0"
    kind: CheckValueKind


@layout
class Taken(Fields):
    """A key under the LMK and its check value."""

    key: AnyKey
    check_value: CheckValue


@layout
class Given(Fields):
    """A key under the transport key and its check value."""

    key: AnyKey
    check_value: CheckValue


@layout
class DW(Fields):
    """Take a BDK; without tag it has 32 digits."""

    zmk: AnyKey
    bdk: AnyKeyOrPair
    atalla: Atalla = None
    options: Annotated[ImportOptions | None, Introduced(b";")] = None


@layout
class DX(Taken):
    """The BDK under the LMK and its check value."""


@layout
class DY(Fields):
    """Give a BDK out."""

    zmk: AnyKey
    bdk: AnyKeyOrPair
    atalla: Atalla = None
    options: Annotated[ExportOptions | None, Introduced(b";")] = None


@layout
class DZ(Given):
    """The BDK under the ZMK and its check value."""


@layout
class FA(Fields):
    """Take a ZPK."""

    zmk: AnyKey
    zpk: AnyKey
    atalla: Atalla = None
    options: Annotated[ImportOptions | None, Introduced(b";")] = None


@layout
class FB(Taken):
    """The ZPK under the LMK and its check value."""


@layout
class GC(Fields):
    """Give a ZPK out."""

    zmk: AnyKey
    zpk: AnyKey
    atalla: Atalla = None
    options: Annotated[ExportOptions | None, Introduced(b";")] = None


@layout
class GD(Given):
    """The ZPK under the ZMK and its check value."""


@layout
class FC(Fields):
    """Take a TMK, TPK or PVK."""

    zmk: AnyKey
    key: AnyKey
    atalla: Atalla = None
    options: Annotated[ImportOptions | None, Introduced(b";")] = None


@layout
class FD(Taken):
    """The key under the LMK and its check value."""


@layout
class FE(Fields):
    """Give a TMK, TPK or PVK out."""

    zmk: AnyKey
    key: AnyKey
    atalla: Atalla = None
    options: Annotated[ExportOptions | None, Introduced(b";")] = None


@layout
class FF(Given):
    """The key under the ZMK and its check value."""


@layout
class FK(Fields):
    """Take a ZEK (flag 0) or ZAK (flag 1)."""

    flag: Annotated[str, Choice(("0", "1"))]
    zmk: AnyKey
    key: AnyKey
    atalla: Atalla = None
    options: Annotated[ImportOptions | None, Introduced(b";")] = None


@layout
class FL(Taken):
    """The key under the LMK and its check value."""


@layout
class FM(Fields):
    """Give a ZEK (flag 0) or ZAK (flag 1) out."""

    flag: Annotated[str, Choice(("0", "1"))]
    zmk: AnyKey
    key: AnyKey
    atalla: Atalla = None
    options: Annotated[ExportOptions | None, Introduced(b";")] = None


@layout
class FN(Given):
    """The key under the ZMK and its check value."""


@layout
class MI(Fields):
    """Take a TAK."""

    zmk: AnyKey
    tak: AnyKey
    atalla: Atalla = None
    options: Annotated[ImportOptions | None, Introduced(b";")] = None


@layout
class MJ(Taken):
    """The TAK under the LMK and its check value."""


@layout
class MG(Fields):
    """Give a TAK out."""

    zmk: AnyKey
    tak: AnyKey
    atalla: Atalla = None
    options: Annotated[ExportOptions | None, Introduced(b";")] = None


@layout
class MH(Given):
    """The TAK under the ZMK and its check value."""


_IMPORT = {"10": "ZMK parity error", "11": "parity error of the key"}
_EXPORT = {"10": "ZMK parity error", "11": "parity error of the key"}
_I8 = "the second source writes scheme and kind of check value without `;` in front"

ROWS: tuple[Row, ...] = (
    Command(
        "import a key under a ZMK",
        A6,
        A7,
        Evidence(("TS", "UT", "SH", "PP", "I8"), vectors=3),
        {**_IMPORT, "01": "advice: the parity of the key was corrected"},
        note="whether a parity is corrected or refused (11) is a setting; units correct it",
    ),
    Command(
        "export a key under a ZMK or TMK",
        A8,
        A9,
        Evidence(("TS", "UT", "SH", "I8"), vectors=3),
        {"10": "ZMK or TMK parity error", "11": "parity error of the key"},
    ),
    Command("import a BDK", DW, DX, Evidence(("TS",), vectors=1), _IMPORT),
    Command("export a BDK", DY, DZ, Evidence(("TS",), vectors=1), _EXPORT),
    Command("import a ZPK", FA, FB, Evidence(("TS", "PY", "DU", "GH"), vectors=2), _IMPORT),
    Command("export a ZPK", GC, GD, Evidence(("TS", "I8"), vectors=2), _EXPORT, _I8),
    Command("import a TMK, TPK or PVK", FC, FD, Evidence(("TS",), vectors=4), _IMPORT),
    Command("export a TMK, TPK or PVK", FE, FF, Evidence(("TS",), vectors=3), _EXPORT, activity=Activity.KEY_EXPORT),
    Command("import a ZEK or ZAK", FK, FL, Evidence(("TS", "I8"), vectors=2), _IMPORT, _I8),
    Command(
        "export a ZEK or ZAK",
        FM,
        FN,
        Evidence(("TS", "UT"), vectors=2),
        _EXPORT,
    ),
    Command("import a TAK", MI, MJ, Evidence(("TS",)), _IMPORT),
    Command("export a TAK", MG, MH, Evidence(("TS",)), _EXPORT),
)
