# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that translate PIN blocks between keys: CA CC CI G0. Layouts only."""

from typing import Annotated

from protocols.hsm.codes import USUAL_KSN_DESCRIPTOR
from protocols.hsm.commands.command import (
    Account,
    AnyKey,
    AnyKeyOrPair,
    Command,
    Descriptor,
    Ksn,
    MaximumPinLength,
    PinBlock,
    PinFormat,
    PinLength,
    Row,
    derives,
)
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import KeyField
from protocols.hsm.layout import Fields, When, layout
from protocols.hsm.optional_fields import Flag

DukptFlag = Annotated[str | None, Flag("*~")]
"""Says that the destination key is a BDK: `*` BDK-1, `~` BDK-2; its serial number follows the key."""


def _derivation(flag: str | None, key: KeyField) -> str:
    return "number" if flag is not None or derives(key) else "none"


@layout
class DukptNumber(Fields):
    """A key serial number with its descriptor."""

    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn


@layout
class CA(Fields):
    """Translate a PIN block from TPK to ZPK, or to the DUKPT key of a serial number."""

    tpk: AnyKey
    flag: DukptFlag = None
    zpk: AnyKey
    number: Annotated[DukptNumber | None, When("derivation", "number")] = None
    maximum: MaximumPinLength = "12"
    block: PinBlock
    source_format: PinFormat
    destination_format: PinFormat
    account: Account

    @property
    def derivation(self) -> str:
        """Whether the destination key is a BDK, by its flag or its key block."""
        return _derivation(self.flag, self.zpk)


@layout
class Translated(Fields):
    """Length of the PIN, the block under the new key, its format."""

    length: PinLength
    block: PinBlock
    format: PinFormat


@layout
class CB(Translated):
    """Length of the PIN, the block under the new key, its format."""


@layout
class CC(Fields):
    """Translate a PIN block from one ZPK to another."""

    source_zpk: AnyKey
    destination_zpk: AnyKey
    maximum: MaximumPinLength = "12"
    block: PinBlock
    source_format: PinFormat
    destination_format: PinFormat
    account: Account


@layout
class CD(Translated):
    """As CB."""


@layout
class CI(Fields):
    """Translate a PIN block (ISO 9564 format 0) from the TDES DUKPT key of a serial number to a ZPK."""

    bdk: AnyKeyOrPair
    zpk: AnyKey
    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    block: PinBlock
    destination_format: PinFormat
    account: Account


@layout
class CJ(Translated):
    """As CB."""


@layout
class G0(Fields):
    """Translate a PIN block from the DUKPT key of a serial number to a ZPK, or to another such key."""

    source_flag: Annotated[str | None, Flag("~")] = None
    """Says that the source key is a BDK-2."""
    bdk: AnyKeyOrPair
    flag: DukptFlag = None
    destination: AnyKey
    descriptor: Descriptor = USUAL_KSN_DESCRIPTOR
    ksn: Ksn
    number: Annotated[DukptNumber | None, When("derivation", "number")] = None
    block: PinBlock
    source_format: PinFormat
    destination_format: PinFormat
    account: Account

    @property
    def derivation(self) -> str:
        """Whether the destination key is a BDK, by its flag or its key block."""
        return _derivation(self.flag, self.destination)


@layout
class G1(Translated):
    """As CB."""


ROWS: tuple[Row, ...] = (
    Command(
        "translate a PIN block from TPK to ZPK",
        CA,
        CB,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "I8", "J8"), vectors=4),
        {"10": "source TPK parity error", "11": "destination key parity error"},
        note="the flagged destination key (`*`, `~`) rests on two sources",
    ),
    Command(
        "translate a PIN block from ZPK to ZPK",
        CC,
        CD,
        Evidence(("TS", "UT", "SH", "PP", "J8"), vectors=1),
        {"10": "source ZPK parity error", "11": "destination ZPK parity error"},
    ),
    Command(
        "translate a PIN block from DUKPT to ZPK",
        CI,
        CJ,
        Evidence(("TS", "I8"), vectors=3),
        {"10": "BDK parity error", "11": "ZPK parity error"},
    ),
    Command(
        "translate a PIN block from DUKPT to ZPK or DUKPT",
        G0,
        G1,
        Evidence(("TS", "UT", "PP", "I8"), vectors=2),
        {"10": "BDK parity error", "11": "destination key parity error", "27": "BDK not of double length"},
        note="one source lets another account number follow for the destination: refused, PINs do not change accounts",
    ),
)
