# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands of card issuers: CW, CY, KQ, KW, RY. Layouts only."""

from typing import Annotated, Any

from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.command import AnyKeyOrPair, Command
from protocols.hsm.data_fields import CountedOctets, EndedBy
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Choice, Counted, Digits, Octets, PanUntil
from protocols.hsm.layout import Fields, IfLonger, When, layout
from protocols.pan import Pan

TransactionData = Annotated[bytes, EndedBy(Counted(2, empty=ErrorCode.ZERO_LENGTH), b";")]


@layout
class CW(Fields):
    """Make a card verification value."""

    cvk: AnyKeyOrPair
    pan: Annotated[Pan, PanUntil()]
    expiry: Annotated[str, Digits(4)]
    service_code: Annotated[str, Digits(3)]


@layout
class CX(Fields):
    """The value."""

    cvv: Annotated[str, Digits(3, hidden=True)]


@layout
class CY(Fields):
    """Verify a card verification value."""

    cvk: AnyKeyOrPair
    cvv: Annotated[str, Digits(3, hidden=True)]
    pan: Annotated[Pan, PanUntil()]
    expiry: Annotated[str, Digits(4)]
    service_code: Annotated[str, Digits(3)]


@layout
class CZ(Fields):
    """Nothing: the error code is the answer."""


@layout
class KQ(Fields):
    """Verify an ARQC and/or make an ARPC: mode 0 verifies, 1 does both, 2 makes an ARPC without verifying."""

    mode: Annotated[str, Choice(("0", "1", "2"), refusal=ErrorCode.INVALID_TYPE_CODE)]
    scheme: Annotated[str, Choice(("0", "1"), refusal=ErrorCode.INVALID_LENGTH_FLAG)] = "0"
    """0: the card's own key makes the cryptogram; 1: a session key of counter and unpredictable number (M/Chip)."""
    mk_ac: AnyKeyOrPair
    pan_sequence: Annotated[bytes, Octets(8, hidden=True)]
    """Rightmost 14 digits of the PAN and the two of the sequence number, as BCD."""
    atc: Annotated[bytes, Octets(2, plain=True)]
    unpredictable_number: Annotated[bytes, Octets(4, plain=True)]
    data: Annotated[TransactionData | None, When("mode", "0", "1")] = None
    arqc: Annotated[bytes, Octets(8, plain=True)]
    arc: Annotated[Annotated[bytes, Octets(2, plain=True)] | None, When("mode", "1", "2")] = None


@layout
class KR(Fields):
    """The ARPC if asked for."""

    arpc: Annotated[Annotated[bytes, Octets(8, plain=True)] | None, IfLonger(0)] = None


@layout
class KW(Fields):
    """As KQ for the common session key: modes 1 and 3 answer by method 1, modes 2 and 4 by method 2; 3 and 4 do not
    verify."""

    mode: Annotated[str, Choice(("0", "1", "2", "3", "4"), refusal=ErrorCode.INVALID_TYPE_CODE)]
    scheme: Annotated[str, Choice(("2",), refusal=ErrorCode.INVALID_LENGTH_FLAG)] = "2"
    """2: the card's master key by option A, the common session key."""
    mk_ac: AnyKeyOrPair
    pan_sequence: Annotated[bytes, Octets(8, hidden=True)]
    """Rightmost 14 digits of the PAN and the two of the sequence number, as BCD."""
    atc: Annotated[bytes, Octets(2, plain=True)]
    data: Annotated[TransactionData | None, When("mode", "0", "1", "2")] = None
    arqc: Annotated[bytes, Octets(8, plain=True)]
    arc: Annotated[Annotated[bytes, Octets(2, plain=True)] | None, When("mode", "1", "3")] = None
    csu: Annotated[Annotated[bytes, Octets(4, plain=True)] | None, When("mode", "2", "4")] = None
    proprietary: Annotated[Annotated[bytes, CountedOctets(1, 8)] | None, When("mode", "2", "4")] = None


@layout
class KX(Fields):
    """The ARPC if asked for; one of method 2 has four octets and zeros behind."""

    arpc: Annotated[Annotated[bytes, Octets(8, plain=True)] | None, IfLonger(0)] = None


@layout
class RY(Fields):
    """Make (mode 3) or verify (mode 4) American Express card security codes of 5, 4 and 3 digits, version 1."""

    mode: Annotated[str, Choice(("3", "4"))]
    flag: Annotated[str, Choice(("0",))] = "0"
    csck: AnyKeyOrPair
    account: Annotated[str, Digits(19, hidden=True)]
    """The PAN behind zeros."""
    expiry: Annotated[str, Digits(4)]
    codes: Annotated[Annotated[str, Digits(12, hidden=True)] | None, When("mode", "4")] = None
    """5, 4 and 3 digits."""


@layout
class RZ(Fields):
    """The three codes where they were to be made."""

    codes: Annotated[Annotated[str, Digits(12, hidden=True)] | None, IfLonger(0)] = None


ROWS: tuple[Command[Any, Any], ...] = (
    Command(
        "generate a CVV",
        CW,
        CX,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "J8"), vectors=4),
        {"10": "CVK parity error", "27": "CVK not of double length"},
    ),
    Command(
        "verify a CVV",
        CY,
        CZ,
        Evidence(("TS", "UT", "SH", "PY", "DU", "GH", "PP", "J8"), vectors=6),
        {"01": "CVV verification failed", "10": "CVK parity error", "27": "CVK not of double length"},
    ),
    Command(
        "verify an ARQC, make an ARPC",
        KQ,
        KR,
        Evidence(("TS", "UT", "GH"), vectors=3),
        {
            "01": "ARQC verification failed",
            "04": "invalid mode",
            "05": "unrecognised scheme",
            "10": "MK-AC parity error",
            "80": "transaction data length error",
            "81": "no transaction data",
        },
        note="two further sources write other layouts, and mean other things by mode 2; modes 3 and 4, which also "
        "verify a MAC over discretionary data, rest on one source and are not handled; two sources name "
        "scheme 1, and no public value confirms it",
    ),
    Command(
        "verify an ARQC, make an ARPC: common session key",
        KW,
        KX,
        Evidence(("UT",)),
        {
            "01": "ARQC verification failed",
            "04": "invalid mode",
            "05": "unrecognised scheme",
            "10": "MK-AC parity error",
            "80": "transaction data length error",
            "81": "no transaction data",
        },
        note="a further source writes another layout; scheme 2 only: with accounts of up to 16 digits option B is "
        "option A; the schemes of EMV 2000 and of clouds are not handled",
    ),
    Command(
        "generate or verify American Express CSCs",
        RY,
        RZ,
        Evidence(("TS",)),
        {"01": "CSC verification failed", "10": "CSCK parity error", "27": "CSCK not of double length"},
        note="version 1 alone (flag 0): version 2 is not public; one program shows how the codes are computed, and no "
        "public value confirms it; the answer to a verification is own",
    ),
)
