# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands of PIN issuers: PINs under the LMK, random and derived PINs, PVVs, offsets, PIN change. Layouts only.

BA NG clear PINs; BG QK JC JE JG between forms; JA EE new PINs; DE BK offsets; DG FW PVVs; CU DU PIN change; LO tables.
"""

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
from protocols.hsm.optional_fields import OptionalDigits
from protocols.hsm.pin_fields import ClearPin, PaddedPin, PinList

Excluded = Annotated[Annotated[tuple[str, ...], PinList()] | None, Introduced(b"*")]
"""PINs that this cardholder must not get, on top of the unit's own list."""
Clear = Annotated[PaddedPin, ClearPin()]


@layout
class BA(Fields):
    """Put a clear PIN under the LMK."""

    pin: Clear
    account: Account


@layout
class BB(Fields):
    """The PIN under the LMK."""

    pin: UnderLmk


@layout
class NG(Fields):
    """Give out the clear PIN of a PIN under the LMK."""

    account: Account
    pin: UnderLmk


@layout
class NH(Fields):
    """The clear PIN, F behind it."""

    pin: Clear


@layout
class BG(Fields):
    """Bring a PIN from the LMK before to the one in force."""

    account: Account
    pin: UnderLmk


@layout
class BH(Fields):
    """The PIN under the LMK in force."""

    pin: UnderLmk


@layout
class QK(Fields):
    """Bind a PIN under the LMK to another account."""

    pin: UnderLmk
    account: Account
    new_account: Account


@layout
class QL(Fields):
    """The PIN under the LMK for the new account."""

    pin: UnderLmk


@layout
class JA(Fields):
    """Make a random PIN; without a length it has 4 digits."""

    account: Account
    length: Annotated[str | None, OptionalDigits(2)] = None
    excluded: Excluded = None


@layout
class JB(Fields):
    """The PIN under the LMK."""

    pin: UnderLmk


@layout
class JC(Fields):
    """Put the PIN of a block under a TPK under the LMK."""

    tpk: AnyKey
    block: PinBlock
    format: PinFormat
    account: Account


@layout
class JD(Fields):
    """The PIN under the LMK."""

    pin: UnderLmk


@layout
class JE(Fields):
    """Put the PIN of a block under a ZPK under the LMK."""

    zpk: AnyKey
    block: PinBlock
    format: PinFormat
    account: Account


@layout
class JF(Fields):
    """The PIN under the LMK."""

    pin: UnderLmk


@layout
class JG(Fields):
    """Make a block under a ZPK of a PIN under the LMK."""

    zpk: AnyKey
    format: PinFormat
    account: Account
    pin: UnderLmk


@layout
class JH(Fields):
    """The block."""

    block: PinBlock


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
_PVK_ERRORS = MappingProxyType(
    {"10": "PVK parity error", "81": "PIN shorter than the check length", "86": "PIN is excluded"}
)
_BLOCK_ERRORS = MappingProxyType({**_PVK_ERRORS, "10": "PIN key parity error", "11": "PVK parity error"})
_CHANGE_ERRORS = MappingProxyType({**_BLOCK_ERRORS, "01": "PIN verification failed"})
_IBM_NOTE = "units answer 02 as advice where the PVK is not of single length; here it is 00"

ROWS: tuple[Row, ...] = (
    Command("encipher a clear PIN", BA, BB, Evidence(("TS", "I8")), note=_OWN_FORM, activity=Activity.CLEAR_PIN),
    Command(
        "decipher a PIN under the LMK",
        NG,
        NH,
        Evidence(("TS", "I8")),
        note="units also give a reference number, of which nothing is public; " + _OWN_FORM,
        activity=Activity.CLEAR_PIN,
    ),
    Command("translate a PIN from the old LMK to the new one", BG, BH, Evidence(("UT", "I8")), note=_OWN_FORM),
    Command("bind a PIN under the LMK to another account", QK, QL, Evidence(("UT", "SH")), note=_OWN_FORM),
    Command(
        "generate a random PIN",
        JA,
        JB,
        Evidence(("TS", "UT", "SH", "PT")),
        {"24": "PIN length not taken"},
        _OWN_FORM,
    ),
    Command(
        "translate a PIN from TPK to LMK",
        JC,
        JD,
        Evidence(("TS", "UT", "SH", "I8")),
        {"10": "TPK parity error"},
        _OWN_FORM,
    ),
    Command(
        "translate a PIN from ZPK to LMK",
        JE,
        JF,
        Evidence(("TS", "UT", "SH", "I8")),
        {"10": "ZPK parity error"},
        _OWN_FORM,
    ),
    Command(
        "translate a PIN from LMK to ZPK",
        JG,
        JH,
        Evidence(("TS", "UT", "SH", "I8")),
        {"11": "ZPK parity error"},
        _OWN_FORM,
    ),
    Command(
        "generate an offset of a PIN under the LMK",
        DE,
        DF,
        Evidence(("TS", "UT", "SH", "I8")),
        {**_PVK_ERRORS, "11": "PVK parity error"},
        _IBM_NOTE,
    ),
    Command("generate an offset of a chosen PIN", BK, BL, Evidence(("UT", "SH")), _BLOCK_ERRORS, _IBM_NOTE),
    Command(
        "derive a PIN from its offset",
        EE,
        EF,
        Evidence(("TS", "UT", "SH", "I8")),
        {**_PVK_ERRORS, "11": "PVK parity error"},
        _OWN_FORM,
    ),
    Command(
        "generate a PVV of a PIN under the LMK",
        DG,
        DH,
        Evidence(("TS", "UT", "SH", "I8")),
        {**_PVK_ERRORS, "11": "PVK parity error"},
        _OWN_FORM,
    ),
    Command("generate a PVV of a chosen PIN", FW, FX, Evidence(("UT", "SH")), _BLOCK_ERRORS),
    Command(
        "verify a PIN by its PVV and generate that of another",
        CU,
        CV,
        Evidence(("TS", "UT", "SH")),
        _CHANGE_ERRORS,
        "a fourth source writes another layout",
    ),
    Command(
        "verify a PIN by its offset and generate that of another",
        DU,
        DV,
        Evidence(("UT", "SH")),
        _CHANGE_ERRORS,
        "a third source writes another layout",
    ),
    Command(
        "encipher a decimalisation table",
        LO,
        LP,
        Evidence(("UT",)),
        {"25": "the table is none, or spreads badly"},
        "how a unit does it under a variant LMK is not public: there it is own",
        Activity.TABLES,
    ),
)
