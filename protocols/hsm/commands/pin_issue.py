# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on PINs under the LMK: BA NG BG QK JA JC JE JG. Layouts only."""

from typing import Annotated

from protocols.hsm.commands.command import (
    Account,
    Activity,
    AnyKey,
    Command,
    PinBlock,
    PinFormat,
    Row,
)
from protocols.hsm.commands.pin_checks import UnderLmk
from protocols.hsm.evidence import Evidence
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


_OWN_FORM = "a PIN under the LMK has the right length; its digits are this unit's own, as in every simulator"

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
)
