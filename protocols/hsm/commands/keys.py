# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that make keys or tell about them: A0 A4 BU GY HA HC IA KA, FI. Layouts only."""

from typing import Annotated

from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.command import (
    Activity,
    AnyKey,
    AnyKeyOrPair,
    CheckValue6,
    CheckValueKind,
    CheckValueOptions,
    Command,
    Exportability,
    KeyTypeCode,
    KeyVersion,
    LengthFlag,
    LmkId,
    NoOptionalBlocks,
    Reserved,
    Row,
    Scheme,
    TypeCode,
)
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Characters, Choice, HexOneOf, HexText
from protocols.hsm.layout import Fields, IfLonger, Introduced, When, layout
from protocols.hsm.optional_fields import TransportFlag

CheckValue = Annotated[bytes, HexOneOf((16, 6), plain=True)]


@layout
class A0Derivation(Fields):
    """A DUKPT master key and the key serial number without its counter; the method is O."""

    method: Annotated[str, Choice(("O",))] = "O"
    master_type: Annotated[str, Choice(("1", "2", "3"))] = "1"
    """BDK-1, BDK-2 or BDK-3."""
    bdk: AnyKeyOrPair
    ksn: Annotated[str, HexText(15)]


@layout
class A0Export(Fields):
    """The key above the new one: flag 0 says ZMK (also if left out), 1 says TMK."""

    flag: Annotated[str | None, TransportFlag()] = None
    key: AnyKey
    scheme: Scheme


@layout
class A0Attributes(Fields):
    """What the new key's block shall say; the algorithm with its length: T2, T3, A1, A2 or A3."""

    usage: Annotated[str, Characters(2)]
    algorithm: Annotated[str, Choice(("T2", "T3", "A1", "A2", "A3"), refusal=ErrorCode.KEY_BLOCK_ALGORITHM)]
    mode: Annotated[str, Characters(1)]
    key_version: KeyVersion = "00"
    exportability: Exportability
    optional_blocks: NoOptionalBlocks = "00"


@layout
class A4Attributes(Fields):
    """What the new key's block shall say beside what its components' blocks say."""

    key_version: KeyVersion = "00"
    optional_blocks: NoOptionalBlocks = "00"


@layout
class A0(Fields):
    """Make a key: mode 0 random, A derived (DUKPT initial key); 1 and B the same and also under a ZMK or TMK.

    Under a key block LMK the key type is FFF, the scheme S, and the attributes say the rest.
    """

    mode: Annotated[str, Choice(("0", "1", "A", "B"))]
    key_type: KeyTypeCode
    scheme: Scheme
    derivation: Annotated[A0Derivation | None, When("mode", "A", "B")] = None
    export: Annotated[A0Export | None, When("mode", "1", "B")] = None
    lmk: Annotated[LmkId | None, Introduced(b"%")] = None
    attributes: Annotated[A0Attributes | None, Introduced(b"#")] = None
    exportability: Annotated[Exportability | None, Introduced(b"&")] = None
    """What the exported key's block says from then on, N if left out."""


@layout
class A1(Fields):
    """The key under the LMK, under the ZMK or TMK if asked for, and its check value."""

    key: AnyKey
    exported: Annotated[AnyKey | None, IfLonger(6)] = None
    check_value: CheckValue6


@layout
class A4(Fields):
    """Form a key of two to nine components that are each under the LMK as a key of that type."""

    count: Annotated[str, Choice(tuple("23456789"), refusal=ErrorCode.COMMAND_SPECIFIC_03)]
    key_type: KeyTypeCode
    scheme: Scheme
    component_1: AnyKey
    component_2: AnyKey
    component_3: Annotated[AnyKey | None, When("count", *"3456789")] = None
    component_4: Annotated[AnyKey | None, When("count", *"456789")] = None
    component_5: Annotated[AnyKey | None, When("count", *"56789")] = None
    component_6: Annotated[AnyKey | None, When("count", *"6789")] = None
    component_7: Annotated[AnyKey | None, When("count", *"789")] = None
    component_8: Annotated[AnyKey | None, When("count", *"89")] = None
    component_9: Annotated[AnyKey | None, When("count", "9")] = None
    lmk: Annotated[LmkId | None, Introduced(b"%")] = None
    attributes: Annotated[A4Attributes | None, Introduced(b"#")] = None


@layout
class A5(Fields):
    """The key under the LMK and its check value."""

    key: AnyKey
    check_value: CheckValue6


@layout
class SchemeOptions(Fields):
    """The scheme under the LMK (0: as it came) and which check value to give."""

    reserved: Reserved = "0"
    scheme: Scheme
    kind: CheckValueKind


@layout
class GY(Fields):
    """Form a ZMK of two to nine components that are each under the LMK as a ZMK, of double length without tag."""

    count: Annotated[str, Choice(tuple("23456789"), refusal=ErrorCode.COMMAND_SPECIFIC_03)]
    component_1: AnyKeyOrPair
    component_2: AnyKeyOrPair
    component_3: Annotated[AnyKeyOrPair | None, When("count", *"3456789")] = None
    component_4: Annotated[AnyKeyOrPair | None, When("count", *"456789")] = None
    component_5: Annotated[AnyKeyOrPair | None, When("count", *"56789")] = None
    component_6: Annotated[AnyKeyOrPair | None, When("count", *"6789")] = None
    component_7: Annotated[AnyKeyOrPair | None, When("count", *"789")] = None
    component_8: Annotated[AnyKeyOrPair | None, When("count", *"89")] = None
    component_9: Annotated[AnyKeyOrPair | None, When("count", "9")] = None
    options: Annotated[SchemeOptions | None, Introduced(b";")] = None


@layout
class GZ(Fields):
    """The ZMK under the LMK, without tag where no options ask for another scheme, and its check value."""

    zmk: AnyKeyOrPair
    check_value: CheckValue


@layout
class BU(Fields):
    """The check value of a key: type code FF says that the three-digit key type follows behind the key."""

    type_code: TypeCode
    length_flag: LengthFlag
    key: AnyKey
    key_type: Annotated[KeyTypeCode | None, When("type_code", "FF"), Introduced(b";")] = None
    options: Annotated[CheckValueOptions | None, Introduced(b";")] = None


@layout
class BV(Fields):
    """The check value."""

    check_value: CheckValue


@layout
class KA(Fields):
    """The check value of a key of one of the old types: 00 ZMK, 01 ZPK, 02 TMK, TPK or PVK, 03 TAK."""

    key: AnyKey
    type_code: Annotated[str, Choice(("00", "01", "02", "03"), refusal=ErrorCode.INVALID_TYPE_CODE)]
    options: Annotated[CheckValueOptions | None, Introduced(b";")] = None


@layout
class KB(Fields):
    """The check value."""

    check_value: CheckValue


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


@layout
class ZmkOptions(Fields):
    """Schemes of the new key under the ZMK and under the LMK, and which check value to give."""

    scheme_zmk: Scheme
    scheme_lmk: Scheme
    kind: CheckValueKind


@layout
class IA(Fields):
    """Make a random ZPK; without options it is of single length."""

    zmk: AnyKey
    options: Annotated[ZmkOptions | None, Introduced(b";")] = None


@layout
class IB(Fields):
    """The ZPK under the ZMK, under the LMK, and its check value."""

    under_zmk: AnyKey
    under_lmk: AnyKey
    check_value: CheckValue


@layout
class FI(Fields):
    """Make a random ZEK (flag 0) or ZAK (flag 1); without options it is of single length."""

    flag: Annotated[str, Choice(("0", "1"))]
    zmk: AnyKey
    options: Annotated[ZmkOptions | None, Introduced(b";")] = None


@layout
class FJ(Fields):
    """The key under the ZMK, under the LMK, and its check value."""

    under_zmk: AnyKey
    under_lmk: AnyKey
    check_value: CheckValue


_NO_BLOCKS = "under a key block LMK A0 makes keys: nothing is public on what this would answer there (A1)"

ROWS: tuple[Row, ...] = (
    Command(
        "generate a key",
        A0,
        A1,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "I8")),
        {"10": "ZMK, TMK or BDK parity error"},
        note="modes A and B rest on two sources; derivation methods other than O are not handled; one source leaves "
        "out the `;` before the flag where a key with a tag follows: taken too",
    ),
    Command(
        "form a key from components under the LMK",
        A4,
        A5,
        Evidence(("TS", "UT", "SH"), vectors=2),
        {"03": "invalid number of components", "10": "component parity error"},
        activity=Activity.COMPONENTS,
    ),
    Command(
        "form a ZMK from components",
        GY,
        GZ,
        Evidence(("TS",), vectors=3),
        {"03": "invalid number of components", "10": "component parity error"},
        note="under a key block LMK A4 forms keys (here 26)",
        activity=Activity.COMPONENTS,
    ),
    Command(
        "generate a check value",
        BU,
        BV,
        Evidence(("TS", "UT", "PY", "DU", "GH", "PP", "I8"), vectors=8),
        {"04": "invalid key type code", "05": "invalid key length flag", "10": "key parity error"},
    ),
    Command(
        "generate a check value, old form",
        KA,
        KB,
        Evidence(("TS", "I8"), vectors=4),
        {"04": "invalid key type code", "10": "key parity error"},
    ),
    Command("generate a TAK under a TMK", HA, HB, Evidence(("TS", "SH")), {"10": "TMK parity error"}, note=_NO_BLOCKS),
    Command(
        "generate a TMK, TPK or PVK under another",
        HC,
        HD,
        Evidence(("TS", "SH", "PY", "DU", "GH")),
        {"10": "current key parity error"},
        note=_NO_BLOCKS,
    ),
    Command("generate a ZPK under a ZMK", IA, IB, Evidence(("TS",)), {"10": "ZMK parity error"}, note=_NO_BLOCKS),
    Command(
        "generate a ZEK or ZAK under a ZMK", FI, FJ, Evidence(("TS",)), {"10": "ZMK parity error"}, note=_NO_BLOCKS
    ),
)
