# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on PIN blocks: CA, CC, CM, DC, EC. Layouts only."""

from types import MappingProxyType
from typing import Annotated, Any

from protocols.hsm.codes import USUAL_KSN_DESCRIPTOR
from protocols.hsm.commands.command import (
    Account,
    AnyKey,
    AnyKeyOrPair,
    Command,
    Ksn,
    PinBlock,
    PinFormat,
    PinLength,
    Pvki,
    Pvv,
)
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import (
    Choice,
    HexText,
)
from protocols.hsm.layout import Fields, layout


@layout
class CA(Fields):
    """Translate a PIN block from TPK to ZPK."""

    tpk: AnyKey
    zpk: AnyKey
    maximum: Annotated[str, Choice(("12",))] = "12"
    block: PinBlock
    source_format: PinFormat
    destination_format: PinFormat
    account: Account


@layout
class CB(Fields):
    """Length of the PIN, the block under the new key, its format."""

    length: PinLength
    block: PinBlock
    format: PinFormat


@layout
class CC(Fields):
    """Translate a PIN block from one ZPK to another."""

    source_zpk: AnyKey
    destination_zpk: AnyKey
    maximum: Annotated[str, Choice(("12",))] = "12"
    block: PinBlock
    source_format: PinFormat
    destination_format: PinFormat
    account: Account


@layout
class CD(Fields):
    """As CB."""

    length: PinLength
    block: PinBlock
    format: PinFormat


@layout
class CM(Fields):
    """Verify a PIN block (ISO 9564 format 0) under TDES DUKPT by its Visa PVV."""

    bdk: AnyKeyOrPair
    pvk: AnyKeyOrPair
    descriptor: Annotated[str, HexText(3)] = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    block: PinBlock
    account: Account
    pvki: Pvki
    pvv: Pvv


@layout
class CN(Fields):
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
class EC(Fields):
    """Verify a PIN block under a ZPK by its Visa PVV."""

    zpk: AnyKey
    pvk: AnyKeyOrPair
    block: PinBlock
    format: PinFormat
    account: Account
    pvki: Pvki
    pvv: Pvv


@layout
class ED(Fields):
    """Nothing: the error code is the answer."""


_PIN_ERRORS = MappingProxyType(
    {"01": "PIN verification failed", "10": "PIN key parity error", "11": "PVK parity error"}
)

_PVV_NOTE = "earlier releases of one source take other digits of the account into the PVV"

ROWS: tuple[Command[Any, Any], ...] = (
    Command(
        "translate a PIN block from TPK to ZPK",
        CA,
        CB,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "I8", "J8"), vectors=2),
        {"10": "source TPK parity error", "11": "destination ZPK parity error"},
        note="the flagged destination key (`*`, `~`) is not handled yet",
    ),
    Command(
        "translate a PIN block from ZPK to ZPK",
        CC,
        CD,
        Evidence(("TS", "UT", "SH", "PP", "J8")),
        {"10": "source ZPK parity error", "11": "destination ZPK parity error"},
    ),
    Command(
        "verify a PIN block under DUKPT by its PVV",
        CM,
        CN,
        Evidence(("TS",)),
        {"01": "PIN verification failed", "10": "BDK parity error", "11": "PVK parity error"},
        note="the source's own example needs a PVK with equal halves and an unchecked PIN block: refused here (75, 20)",
    ),
    Command(
        "verify a PIN block under a TPK by its PVV",
        DC,
        DD,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "I8", "J8")),
        _PIN_ERRORS,
        note=_PVV_NOTE,
    ),
    Command(
        "verify a PIN block under a ZPK by its PVV",
        EC,
        ED,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "J8")),
        _PIN_ERRORS,
        note=_PVV_NOTE,
    ),
)
