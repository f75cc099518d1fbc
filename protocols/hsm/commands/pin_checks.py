# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that verify PINs: BC BE by comparison, CK DA EA GO by IBM offset, CM DC EC GQ by PVV. Layouts only."""

from types import MappingProxyType
from typing import Annotated

from protocols.hsm.codes import USUAL_KSN_DESCRIPTOR
from protocols.hsm.commands.command import (
    Account,
    AnyKey,
    AnyKeyOrPair,
    CheckLength,
    Command,
    Descriptor,
    Ksn,
    MaximumPinLength,
    PinBlock,
    PinFormat,
    Pvki,
    Pvv,
    Row,
)
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice
from protocols.hsm.layout import Fields, Introduced, layout
from protocols.hsm.pin_fields import LmkPin, Offset, Table, ValidationData

UnderLmk = Annotated[str, LmkPin()]
DecimalisationTable = Annotated[str, Table()]
Validation = Annotated[str, ValidationData()]
IbmOffset = Annotated[str, Offset()]
PinOnly = Annotated[str, Choice(("0",))]


@layout
class BC(Fields):
    """Verify a PIN block under a TPK by comparison with a PIN under the LMK."""

    tpk: AnyKey
    block: PinBlock
    format: PinFormat
    account: Account
    pin: UnderLmk


@layout
class BD(Fields):
    """Nothing: the error code is the answer."""


@layout
class BE(Fields):
    """Verify a PIN block under a ZPK by comparison with a PIN under the LMK."""

    zpk: AnyKey
    block: PinBlock
    format: PinFormat
    account: Account
    pin: UnderLmk


@layout
class BF(Fields):
    """Nothing: the error code is the answer."""


@layout
class CK(Fields):
    """Verify a PIN block (ISO 9564 format 0) under TDES DUKPT by its IBM offset."""

    bdk: AnyKeyOrPair
    pvk: AnyKey
    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    block: PinBlock
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    offset: IbmOffset


@layout
class CL(Fields):
    """Nothing: the error code is the answer."""


@layout
class CM(Fields):
    """Verify a PIN block (ISO 9564 format 0) under TDES DUKPT by its Visa PVV."""

    bdk: AnyKeyOrPair
    pvk: AnyKeyOrPair
    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    block: PinBlock
    account: Account
    pvki: Pvki
    pvv: Pvv


@layout
class CN(Fields):
    """Nothing: the error code is the answer."""


@layout
class DA(Fields):
    """Verify a PIN block under a TPK by its IBM offset."""

    tpk: AnyKey
    pvk: AnyKey
    maximum: MaximumPinLength = "12"
    block: PinBlock
    format: PinFormat
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    offset: IbmOffset


@layout
class DB(Fields):
    """Nothing: the error code is the answer."""


@layout
class DC(Fields):
    """Verify a PIN block under a TPK by its Visa PVV."""

    tpk: AnyKey
    pvk: AnyKeyOrPair
    block: PinBlock
    format: PinFormat
    account: Account
    pvki: Pvki
    pvv: Pvv


@layout
class DD(Fields):
    """Nothing: the error code is the answer."""


@layout
class EA(Fields):
    """Verify a PIN block under a ZPK by its IBM offset."""

    zpk: AnyKey
    pvk: AnyKey
    maximum: MaximumPinLength = "12"
    block: PinBlock
    format: PinFormat
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    offset: IbmOffset


@layout
class EB(Fields):
    """Nothing: the error code is the answer."""


@layout
class EC(Fields):
    """Verify a PIN block under a ZPK by its Visa PVV, which may be that of another account number."""

    zpk: AnyKey
    pvk: AnyKeyOrPair
    block: PinBlock
    format: PinFormat
    account: Account
    pvv_account: Annotated[Account | None, Introduced(b";")] = None
    pvki: Pvki
    pvv: Pvv


@layout
class ED(Fields):
    """Nothing: the error code is the answer."""


@layout
class GO(Fields):
    """Verify a PIN block under DUKPT by its IBM offset; mode 0 verifies the PIN and no MAC."""

    mode: PinOnly = "0"
    bdk: AnyKeyOrPair
    pvk: AnyKey
    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    block: PinBlock
    format: PinFormat
    check_length: CheckLength
    account: Account
    table: DecimalisationTable
    validation: Validation
    offset: IbmOffset


@layout
class GP(Fields):
    """Nothing: the error code is the answer."""


@layout
class GQ(Fields):
    """Verify a PIN block under DUKPT by its Visa PVV; mode 0 verifies the PIN and no MAC."""

    mode: PinOnly = "0"
    bdk: AnyKeyOrPair
    pvk: AnyKeyOrPair
    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    block: PinBlock
    format: PinFormat
    account: Account
    pvv_account: Annotated[Account | None, Introduced(b";")] = None
    pvki: Pvki
    pvv: Pvv


@layout
class GR(Fields):
    """Nothing: the error code is the answer."""


_PIN_ERRORS = MappingProxyType(
    {"01": "PIN verification failed", "10": "PIN key parity error", "11": "PVK parity error"}
)
_COMPARISON_ERRORS = MappingProxyType({"01": "PIN verification failed", "10": "PIN key parity error"})
_PVV_ERRORS = MappingProxyType({**_PIN_ERRORS, "27": "PVK not of double length"})
_DUKPT_ERRORS = MappingProxyType({**_PIN_ERRORS, "10": "BDK parity error", "27": "BDK not of double length"})
_DUKPT_PVV_ERRORS = MappingProxyType({**_DUKPT_ERRORS, "27": "BDK or PVK not of double length"})
_PVV_NOTE = "earlier releases of one source take other digits of the account into the PVV"
_IBM_NOTE = "units answer 02 as advice where the PVK is not of single length; here it is 00"
_MAC_NOTE = "the modes that verify a MAC too are not agreed on and not handled"

ROWS: tuple[Row, ...] = (
    Command("verify a PIN block under a TPK by comparison", BC, BD, Evidence(("TS", "SH", "I8")), _COMPARISON_ERRORS),
    Command("verify a PIN block under a ZPK by comparison", BE, BF, Evidence(("TS", "SH")), _COMPARISON_ERRORS),
    Command("verify a PIN block under DUKPT by its offset", CK, CL, Evidence(("TS", "J8"), vectors=1), _DUKPT_ERRORS),
    Command(
        "verify a PIN block under DUKPT by its PVV",
        CM,
        CN,
        Evidence(("TS",)),
        _DUKPT_PVV_ERRORS,
        note="the source's own example needs a PVK with equal halves and an unchecked PIN block: refused here (75, 20)",
    ),
    Command(
        "verify a PIN block under a TPK by its offset",
        DA,
        DB,
        Evidence(("TS", "UT", "SH", "I8", "J8"), vectors=1),
        _PIN_ERRORS,
        _IBM_NOTE,
    ),
    Command(
        "verify a PIN block under a TPK by its PVV",
        DC,
        DD,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "I8", "J8"), vectors=1),
        _PVV_ERRORS,
        _PVV_NOTE,
    ),
    Command(
        "verify a PIN block under a ZPK by its offset",
        EA,
        EB,
        Evidence(("TS", "UT", "SH", "J8"), vectors=1),
        _PIN_ERRORS,
        _IBM_NOTE,
    ),
    Command(
        "verify a PIN block under a ZPK by its PVV",
        EC,
        ED,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "J8"), vectors=1),
        _PVV_ERRORS,
        _PVV_NOTE + "; the account number of the PVV rests on one source",
    ),
    Command(
        "verify a PIN block under DUKPT by its offset, with format",
        GO,
        GP,
        Evidence(("UT", "J8"), vectors=1),
        _DUKPT_ERRORS,
        _MAC_NOTE,
    ),
    Command(
        "verify a PIN block under DUKPT by its PVV, with format",
        GQ,
        GR,
        Evidence(("UT",)),
        _DUKPT_PVV_ERRORS,
        _MAC_NOTE,
    ),
)
