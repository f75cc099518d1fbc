# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a message is what a terminal of ours reported: topic, state, signature, schema. Stores nothing.

Nothing of a message is read before its signature has been verified with a key that the register has for the terminal
of its topic.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from fleet_console.register import Register, State
from protocols.errors import DecodeError
from protocols.mqtt.session import Message
from protocols.telemetry.batch import CONTEXT, Line, lines, read_batch
from protocols.telemetry.events import Lane
from protocols.telemetry.ranges import read_ranges
from protocols.telemetry.topics import read_report_topic

DROPPED = "report.dropped"


class Reason(StrEnum):
    """Why a message is not taken."""

    TOPIC = "topic"
    RETAINED = "retained"
    UNKNOWN = "unknown terminal"
    ISOLATED = "isolated"
    MALFORMED = "malformed"
    KEY = "unknown key"
    SIGNATURE = "signature"
    FOREIGN = "foreign"
    NO_ROOM = "no room"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Reports that their terminal signed."""

    terminal: str
    boot: int
    lane: Lane
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that is not taken. ``terminal`` is that of its topic where it is one of ours, else empty."""

    message: Message
    terminal: str
    reason: Reason
    words: str


def judge(message: Message, register: Register) -> Accepted | Dead:
    """What one message is."""
    try:
        terminal, lane = _place(message.topic)
    except DecodeError as fault:
        return Dead(message, "", Reason.TOPIC, str(fault))
    known = register.terminals.get(terminal)
    if known is None:
        return Dead(message, "", Reason.UNKNOWN, "no terminal of this name is registered")
    if known.state is not State.ACTIVE:
        return Dead(message, terminal, Reason.ISOLATED, f"the terminal is {known.state}")
    if message.retained:
        return Dead(message, terminal, Reason.RETAINED, "a retained message; a report is fresh or comes from the spool")
    try:
        sealed = read_batch(message.payload)
        key = known.key(sealed.key_id)
        if key is None:
            return Dead(message, terminal, Reason.KEY, "no key of this id is registered for the terminal")
        if not key.signed(sealed, CONTEXT):
            return Dead(message, terminal, Reason.SIGNATURE, "the signature is not that of the terminal's key")
        found = lines(sealed)
        if found[0].report.event.name == DROPPED:  # an alert travels alone
            read_ranges(str(found[0].report.event.fields["ranges"]))
    except DecodeError as fault:
        return Dead(message, terminal, Reason.MALFORMED, str(fault))
    first = found[0].report
    if first.terminal != terminal or first.lane is not lane:
        return Dead(message, terminal, Reason.FOREIGN, "terminal and lane of its topic expected")
    return Accepted(terminal, first.boot, lane, found)


@lru_cache(maxsize=65_536)
def _place(topic: str) -> tuple[str, Lane]:
    return read_report_topic(topic)
