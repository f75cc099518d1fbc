# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on offsets, PVVs and decimalisation tables: DE BK EE DG FW CU DU LO. Layouts only."""

from types import MappingProxyType
from typing import Annotated

from protocols.hsm.commands.command import (
    Account,
    Activity,
    AnyKey,
    AnyKeyOrPair,
    CheckLength,
    Command,
    KeyTypeCode,
    PinBlock,
    PinFormat,
    Pvki,
    Pvv,
    Row,
)
from protocols.hsm.commands.pin_checks import DecimalisationTable, IbmOffset, UnderLmk, Validation
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Digits
from protocols.hsm.layout import Fields, Introduced, layout
from protocols.hsm.pin_fields import ClearPin, PaddedPin, PinList

Excluded = Annotated[Annotated[tuple[str, ...], PinList()] | None, Introduced(b"*")]
"""PINs that this cardholder must not get, on top of the unit's own list."""
Clear = Annotated[PaddedPin, ClearPin()]


@layout
class DE(Fields):
    """Make the IBM offset of a PIN under the LMK."""

    pvk: AnyKey
    pin: UnderLmk
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    excluded: Excluded = None


@layout
class DF(Fields):
    """The offset."""

    offset: IbmOffset


@layout
class BK(Fields):
    """Make the IBM offset of a PIN that the cardholder chose, in a block under a TPK or ZPK."""

    key_type: KeyTypeCode
    key: AnyKey
    pvk: AnyKey
    block: PinBlock
    format: PinFormat
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    excluded: Excluded = None


@layout
class BL(Fields):
    """The offset."""

    offset: IbmOffset


@layout
class EE(Fields):
    """Derive the PIN that an IBM offset stands for."""

    pvk: AnyKey
    offset: IbmOffset
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    excluded: Excluded = None


@layout
class EF(Fields):
    """The PIN under the LMK."""

    pin: UnderLmk


@layout
class DG(Fields):
    """Make the Visa PVV of a PIN under the LMK."""

    pvk: AnyKeyOrPair
    pin: UnderLmk
    account: Account
    pvki: Pvki
    excluded: Excluded = None


@layout
class DH(Fields):
    """The PVV."""

    pvv: Pvv


@layout
class FW(Fields):
    """Make the Visa PVV of a PIN that the cardholder chose, in a block under a TPK or ZPK."""

    key_type: KeyTypeCode
    key: AnyKey
    pvk: AnyKeyOrPair
    block: PinBlock
    format: PinFormat
    account: Account
    pvki: Pvki
    excluded: Excluded = None


@layout
class FX(Fields):
    """The PVV."""

    pvv: Pvv


@layout
class CU(Fields):
    """Change a PIN: the Visa PVV of the new one, once the current one is proved by its PVV."""

    key_type: KeyTypeCode
    key: AnyKey
    pvk: AnyKeyOrPair
    block: PinBlock
    format: PinFormat
    account: Account
    pvki: Pvki
    pvv: Pvv
    new_block: PinBlock
    excluded: Excluded = None


@layout
class CV(Fields):
    """The PVV of the new PIN."""

    pvv: Pvv


@layout
class DU(Fields):
    """Change a PIN: the IBM offset of the new one, once the current one is proved by its offset."""

    key_type: KeyTypeCode
    key: AnyKey
    pvk: AnyKey
    block: PinBlock
    format: PinFormat
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    offset: IbmOffset
    new_block: PinBlock
    excluded: Excluded = None


@layout
class DV(Fields):
    """The offset of the new PIN."""

    offset: IbmOffset


@layout
class LO(Fields):
    """Encipher a decimalisation table, so that a host can use it and cannot vary it."""

    table: Annotated[str, Digits(16)]


@layout
class LP(Fields):
    """The table enciphered."""

    table: DecimalisationTable


_OWN_FORM = "a PIN under the LMK has the right length; its digits are this unit's own, as in every simulator"
_EXCLUDED = {"86": "PIN is excluded"}
_OFFSET_ERRORS = MappingProxyType({"81": "PIN length and check length do not fit", **_EXCLUDED})
_PVV_ERRORS = MappingProxyType({"27": "PVK not of double length", **_EXCLUDED})
_PVK_FIRST = MappingProxyType({"10": "PVK parity error"})
_PIN_KEY_FIRST = MappingProxyType({"10": "PIN key parity error", "11": "PVK parity error"})
_WRONG = MappingProxyType({"01": "PIN verification failed"})
_IBM_NOTE = "units answer 02 as advice where the PVK is not of single length; here it is 00"

ROWS: tuple[Row, ...] = (
    Command(
        "generate an offset of a PIN under the LMK",
        DE,
        DF,
        Evidence(("TS", "UT", "SH", "I8")),
        {**_PVK_FIRST, **_OFFSET_ERRORS},
        _IBM_NOTE,
    ),
    Command(
        "generate an offset of a chosen PIN",
        BK,
        BL,
        Evidence(("UT", "SH"), vectors=2),
        {**_PIN_KEY_FIRST, **_OFFSET_ERRORS},
        _IBM_NOTE,
    ),
    Command(
        "derive a PIN from its offset",
        EE,
        EF,
        Evidence(("TS", "UT", "SH", "I8")),
        {**_PVK_FIRST, **_OFFSET_ERRORS},
        _OWN_FORM,
    ),
    Command(
        "generate a PVV of a PIN under the LMK",
        DG,
        DH,
        Evidence(("TS", "UT", "SH", "I8")),
        {**_PVK_FIRST, **_PVV_ERRORS},
        _OWN_FORM,
    ),
    Command(
        "generate a PVV of a chosen PIN",
        FW,
        FX,
        Evidence(("UT", "SH"), vectors=1),
        {**_PIN_KEY_FIRST, **_PVV_ERRORS},
    ),
    Command(
        "verify a PIN by its PVV and generate that of another",
        CU,
        CV,
        Evidence(("TS", "UT", "SH"), vectors=1),
        {**_WRONG, **_PIN_KEY_FIRST, **_PVV_ERRORS},
        "a fourth source writes another layout",
    ),
    Command(
        "verify a PIN by its offset and generate that of another",
        DU,
        DV,
        Evidence(("UT", "SH"), vectors=1),
        {**_WRONG, **_PIN_KEY_FIRST, **_OFFSET_ERRORS},
        "a third source writes another layout",
    ),
    Command(
        "encipher a decimalisation table",
        LO,
        LP,
        Evidence(("UT",), vectors=2),
        {"25": "the table is none, or spreads badly"},
        "how a unit does it under a variant LMK is not public: there it is own",
        Activity.TABLES,
    ),
)
