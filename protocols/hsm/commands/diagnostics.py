# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics: NC, NO, B2, N0, RA, and several commands in one: NK. Layouts only."""

from typing import Annotated, Any

from protocols.hsm.commands.command import (
    Command,
)
from protocols.hsm.data_fields import Pieces
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Characters, Choice, Counted, Digits, Hex, Rest
from protocols.hsm.frame import LARGEST_FRAME
from protocols.hsm.layout import Fields, layout

LARGEST_RANDOM = 256


@layout
class NC(Fields):
    """Diagnostics."""


@layout
class ND(Fields):
    """Check value of the LMK and firmware number, `xxxx-xxxx`."""

    check_value: Annotated[bytes, Hex(16, plain=True)]
    firmware: Annotated[str, Characters(9)]


@layout
class NO(Fields):
    """Status; only mode 00 has fields on which the sources agree."""

    mode: Annotated[str, Choice(("00",))]


@layout
class NP(Fields):
    """What the unit is set to."""

    io_buffer: Annotated[str, Digits(1)]
    ethernet: Annotated[str, Digits(1)]
    sockets: Annotated[str, Digits(2)]
    firmware: Annotated[str, Characters(9)]
    reserved_1: Annotated[str, Digits(1)]
    reserved_2: Annotated[str, Characters(4)]


@layout
class B2(Fields):
    """Echo."""

    data: Annotated[bytes, Counted(4)]


@layout
class B3(Fields):
    """The same data."""

    data: Annotated[bytes, Rest(LARGEST_FRAME)]


@layout
class N0(Fields):
    """Give random octets, 1 to 256."""

    count: Annotated[str, Digits(3)]


@layout
class N1(Fields):
    """The octets."""

    data: Annotated[bytes, Rest(LARGEST_RANDOM)]


@layout
class RA(Fields):
    """End every authorisation."""


@layout
class RB(Fields):
    """Nothing."""


@layout
class NK(Fields):
    """Carry out several commands in one; with headers 1 each has its own message header in front."""

    headers: Annotated[str, Choice(("0", "1"))] = "0"
    pieces: Annotated[tuple[bytes, ...], Pieces()]


@layout
class NL(Fields):
    """The answers in the order of the commands."""

    pieces: Annotated[tuple[bytes, ...], Pieces()]


ROWS: tuple[Command[Any, Any], ...] = (
    Command(
        "diagnostics",
        NC,
        ND,
        Evidence(("TS", "PY", "DU", "GH", "PP", "I8", "PT", "KA")),
        note="how a unit computes the check value of its LMK is not public: ours is own",
    ),
    Command(
        "status",
        NO,
        NP,
        Evidence(("TS", "DU", "PP", "I8", "PT", "KA")),
        note="mode 01 has no agreed fields; newer firmware writes 4N for sockets",
    ),
    Command(
        "echo",
        B2,
        B3,
        Evidence(("TS", "UT", "GH", "J8", "PT"), vectors=4),
        {"80": "less data than the length says", "15": "more data than the length says"},
    ),
    Command("random octets", N0, N1, Evidence(("DU", "PT")), {"01": "invalid length"}),
    Command("end authorisations", RA, RB, Evidence(("TS",))),
    Command(
        "several commands in one",
        NK,
        NL,
        Evidence(("TS",)),
        {"52": "invalid number of commands", "15": "lengths that do not fit"},
        note="no NK inside an NK, and no EI, which takes long: both are answered 68",
    ),
)
