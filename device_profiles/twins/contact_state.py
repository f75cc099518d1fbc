# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How far a payment with a virtual card has come, which commands it takes there, what the chip keeps. Answers nothing.

Rule: which command is taken in which state stands in :data:`ALLOWED` and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

from protocols.emv.apdu import Ins


class State(Enum):
    """How far a payment has come since power-on."""

    OFF = auto()
    IDLE = auto()
    DIRECTORY = auto()
    APPLICATION = auto()
    PROCESSED = auto()
    ASKED = auto()
    """The first cryptogram asks for the issuer."""
    ANSWERED = auto()
    """The issuer's answer was presented, right or wrong."""
    ENDED = auto()


_POWERED = frozenset(State) - {State.OFF}
_SELECTED = _POWERED - {State.IDLE, State.DIRECTORY}
_PAYING = frozenset({State.PROCESSED, State.ASKED, State.ANSWERED})
_AFTER_ISSUER = frozenset({State.ASKED, State.ANSWERED, State.ENDED})

ALLOWED: Mapping[int, tuple[int, frozenset[State]]] = MappingProxyType(
    {
        Ins.SELECT: (0x00, _POWERED),
        Ins.READ_RECORD: (0x00, _POWERED - {State.IDLE}),
        Ins.GET_DATA: (0x80, _SELECTED),
        Ins.GET_PROCESSING_OPTIONS: (0x80, frozenset({State.APPLICATION})),
        Ins.GENERATE_AC: (0x80, _PAYING),
        Ins.EXTERNAL_AUTHENTICATE: (0x00, frozenset({State.ASKED})),
        Ins.INTERNAL_AUTHENTICATE: (0x00, frozenset({State.PROCESSED})),
        Ins.GET_CHALLENGE: (0x00, _SELECTED),
        Ins.VERIFY: (0x00, frozenset({State.PROCESSED})),
    }
)
"""The commands of this card: their class octet, and in which states they are taken (EMV 4.4 Book 3, 6.3.5)."""

SECURED = 0x84
SCRIPTS: Mapping[int, tuple[frozenset[int], frozenset[State]]] = MappingProxyType(
    {
        Ins.APPLICATION_BLOCK: (frozenset({0x84, 0x8C}), _AFTER_ISSUER),
        Ins.APPLICATION_UNBLOCK: (frozenset({0x84, 0x8C}), _AFTER_ISSUER),
        Ins.CARD_BLOCK: (frozenset({0x84, 0x8C}), _AFTER_ISSUER),
        Ins.PIN_CHANGE_UNBLOCK: (frozenset({0x84, 0x8C}), _AFTER_ISSUER),
        Ins.PUT_DATA: (frozenset({0x04}), _AFTER_ISSUER),
    }
)
"""The issuer's commands, with secure messaging (EMV 4.4 Book 3, 6.5; Book 2, 9), once the issuer was asked."""


@dataclass(slots=True)
class Memory:
    """What the chip keeps of an application without power."""

    atc: int = 0
    last_online_atc: int = 0
    online_pending: bool = False
    """The last payment that asked for the issuer did not come to its end."""
    authentication_failed: bool = False
    authentication_missing: bool = False
    pin_tries_left: int | None = None
    """None before the first PIN: as personalised."""
    test_pin: str = field(default="", repr=False)
    """Where the issuer changed it."""
    blocked: bool | None = None
    """Where the issuer changed it, by a script."""
    card_blocked: bool = False
    scripts_taken: int = 0
    """Commands of scripts after the last second cryptogram."""
    script_failed: bool = False
    objects: dict[int, bytes] = field(default_factory=dict)
    """Data objects that the issuer wrote anew."""
    others: dict[str, "Memory"] = field(default_factory=dict)
    """Of the card's further applications, by name."""


@dataclass(slots=True)
class Session:
    """What is known of the payment under way; gone with the power or the next SELECT."""

    state: State = State.OFF
    arqc: bytes = b""
    pdol_data: bytes = b""
    cdol_data: tuple[bytes, ...] = ()
    given: dict[int, bytes] = field(default_factory=dict)
    """What the terminal gave for the first cryptogram; a second list need not repeat it."""
    pin_presented: bool = False
    pin_right: bool = False
    challenge: bytes = b""
    challenges: int = 0
    dynamic_number: bytes = b""
    signed_dynamic: bool = False
    script_commands: int = 0
    script_failed: bool = False
    issuer: "tuple[bool, bool] | None" = None
    """Whether the issuer's proof was genuine, and whether it approves."""
