# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Relay resistance: what was exchanged, how long it may take, and what a time says. It measures nothing itself.

Whoever relays a card over a network adds time to every answer. So the terminal sends four random octets, the card
answers at once with four of its own and with the times that it needs, and both sign what was exchanged within their
cryptogram. The rule is the one of EMV Contactless Book C-2, states SR1.18 to SR1.30, as public kernels name and build
it; times are in its unit, hundreds of microseconds. Nothing of the book is copied, and nobody has certified this.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Self

from protocols.emv.bits import Tvr
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from protocols.octets import Cursor

UNIT_US = 100.0
MOST_EXCHANGES = 3  # a slow exchange is made again twice
ANSWER_OCTETS = 10
LONGEST = 0xFFFF


@dataclass(frozen=True, slots=True)
class RelayTimes:
    """``[emv.relay]``: what this reader needs for the two transmissions, and how exact a card must be.

    The values are those that public kernels ship for readers at 106 kbit/s. A reader behind a slow line needs its own.
    """

    command_time: int = 0x12
    """To send the command."""
    answer_time: int = 0x18
    """To receive the answer."""
    least_grace: int = 0x14
    """How much faster than its own word a card may be."""
    most_grace: int = 0x32
    """How much slower."""
    accuracy: int = 0x012C
    """How far above its least time a card may be without being suspect."""
    mismatch_percent: int = 0x32
    """How near card and terminal must be in what they expect of the answer's transmission."""

    def __post_init__(self) -> None:
        for name in ("command_time", "answer_time", "least_grace", "most_grace", "accuracy"):
            if not 0 <= getattr(self, name) <= LONGEST:
                raise ValueError(f"{name.replace('_', '-')}: 0 to {LONGEST} hundreds of microseconds expected")
        if not 0 <= self.mismatch_percent <= 100:
            raise ValueError("mismatch-percent: 0 to 100 expected")


class Exchanged(NamedTuple):
    """One exchange: the terminal's octets, the card's, and the card's times."""

    terminal: bytes
    card: bytes
    least: int
    most: int
    estimate: int
    """For the transmission of its answer."""
    octets: bytes
    """The card's answer as it was."""

    @classmethod
    def decode(cls, terminal: bytes, data: bytes) -> Self:
        """The card's answer: object 80 with ten octets (Book C-2, EXCHANGE RELAY RESISTANCE DATA)."""
        where = "answer to EXCHANGE RELAY RESISTANCE DATA"
        if len(data) != ANSWER_OCTETS + 2 or data[0] != Tag.RESPONSE_FORMAT_1 or data[1] != ANSWER_OCTETS:
            raise DecodeError(where, f"object 80 with {ANSWER_OCTETS} octets expected")
        cursor = Cursor(data[2:], where)
        entropy = cursor.take(4, "entropy")
        least, most, estimate = (
            int.from_bytes(cursor.take(2, what), "big") for what in ("least time", "most time", "estimate")
        )
        return cls(terminal, entropy, least, most, estimate, data[2:])

    @property
    def signed(self) -> bytes:
        """What the card signs of it behind its cryptogram (Book C-2, ICC Dynamic Data with relay resistance)."""
        return self.terminal + self.octets


class Pace(Enum):
    """What the time of one exchange says."""

    TOO_FAST = auto()
    """Faster than this card can be: its answer was known before."""
    IN_TIME = auto()
    TOO_SLOW = auto()


def processing_time(times: RelayTimes, exchanged: Exchanged, taken_us: float) -> int:
    """What the card itself needed: the measured time less both transmissions (SR1.18)."""
    sent = times.command_time + min(exchanged.estimate, times.answer_time)
    return max(0, int(taken_us / UNIT_US) - sent)


def pace(times: RelayTimes, exchanged: Exchanged, taken_us: float) -> Pace:
    """Whether the time is within what the card says of itself (SR1.19 and SR1.28)."""
    needed = processing_time(times, exchanged, taken_us)
    if needed < max(0, exchanged.least - times.least_grace):
        return Pace.TOO_FAST
    return Pace.TOO_SLOW if needed > exchanged.most + times.most_grace else Pace.IN_TIME


def findings(times: RelayTimes, exchanged: Exchanged, taken_us: float) -> Tvr:
    """The bits of TVR for the last exchange (SR1.29 and SR1.30); a card that gives no estimate is suspect."""
    found = Tvr.RELAY_PERFORMED
    if pace(times, exchanged, taken_us) is Pace.TOO_SLOW:
        found |= Tvr.RELAY_TIME_EXCEEDED
    expected, estimate, least = times.answer_time, exchanged.estimate, times.mismatch_percent
    known = bool(expected and estimate)
    near = known and estimate * 100 >= least * expected and expected * 100 >= least * estimate
    late = processing_time(times, exchanged, taken_us) - exchanged.least > times.accuracy
    return found if near and not late else found | Tvr.RELAY_THRESHOLD_EXCEEDED
