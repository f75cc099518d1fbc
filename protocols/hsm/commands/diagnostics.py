# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics: NC, NO, B2. Layouts only."""

from typing import Annotated, Any

from protocols.hsm.commands.command import (
    Command,
)
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Characters, Choice, Counted, Digits, Hex, Rest
from protocols.hsm.frame import LARGEST_FRAME
from protocols.hsm.layout import Fields, layout


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
)
