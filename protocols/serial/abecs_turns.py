# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who speaks when on an ABECS line, for the host: one command as a table. No port, no clock, no message content.

A host sends a command and hears ACK or NAK within 2 s, then the response; it acknowledges none, but answers a damaged
one with NAK. A command that asks a person has no limit of its own and may send notifications first; CAN ends it, and a
pad answers CAN with EOT, whatever it did. Source: Pinpad Abecs, protocol 2.12, 2.2.2. Rule: every transition stands in
:data:`TABLE`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from protocols.serial.abecs import Control, Event
from protocols.serial.framer import Damaged


class State(Enum):
    """Where a command is. The last five are ends."""

    CALLING = auto()  # sent, not acknowledged
    INVITING = auto()  # the same; a person will be asked
    WORKING = auto()  # acknowledged, the response is awaited
    ASKING = auto()  # acknowledged, a person is asked
    CANCELLING = auto()  # we were told to break off, and sent CAN
    EXPIRING = auto()  # the time for the person is over, and we sent CAN
    REPLIED = auto()
    CANCELLED = auto()
    EXPIRED = auto()
    SILENT = auto()
    GARBLED = auto()


class Input(Enum):
    """What happened on the line."""

    ACK = auto()
    NAK = auto()
    EOT = auto()
    RESPONSE = auto()
    STRAY = auto()  # a notification, or the response to something else
    DAMAGED = auto()
    TOO_MANY = auto()  # a NAK, a damaged response or an unanswered CAN beyond the limit
    SILENCE = auto()
    CANCEL = auto()


class Action(Enum):
    """What to put on the line."""

    NOTHING = auto()
    REPEAT = auto()
    NAK = auto()
    CAN = auto()


_S, _I, _A = State, Input, Action


def _before(after: State) -> dict[Input, tuple[State | None, Action]]:
    """A command that was not acknowledged yet; None stays where it is."""
    return {
        _I.ACK: (after, _A.NOTHING),
        _I.NAK: (None, _A.REPEAT),
        _I.EOT: (None, _A.NOTHING),
        _I.RESPONSE: (_S.REPLIED, _A.NOTHING),  # its ACK was lost
        _I.STRAY: (None, _A.NOTHING),
        _I.DAMAGED: (None, _A.NAK),
        _I.TOO_MANY: (_S.GARBLED, _A.CAN),
        _I.SILENCE: (_S.SILENT, _A.CAN),
        _I.CANCEL: (_S.CANCELLING, _A.CAN),
    }


def _ending(end: State) -> dict[Input, tuple[State | None, Action]]:
    """CAN was sent; whatever comes before EOT is dropped."""
    return {
        _I.ACK: (None, _A.NOTHING),
        _I.NAK: (None, _A.NOTHING),
        _I.EOT: (end, _A.NOTHING),
        _I.RESPONSE: (None, _A.NOTHING),
        _I.STRAY: (None, _A.NOTHING),
        _I.DAMAGED: (None, _A.NOTHING),
        _I.TOO_MANY: (_S.SILENT, _A.NOTHING),
        _I.SILENCE: (None, _A.CAN),
        _I.CANCEL: (None, _A.NOTHING),
    }


TABLE: dict[State, dict[Input, tuple[State | None, Action]]] = {
    _S.CALLING: _before(_S.WORKING),
    _S.INVITING: _before(_S.ASKING),
    _S.WORKING: {
        _I.ACK: (None, _A.NOTHING),
        _I.NAK: (None, _A.NOTHING),
        _I.EOT: (None, _A.NOTHING),
        _I.RESPONSE: (_S.REPLIED, _A.NOTHING),
        _I.STRAY: (None, _A.NOTHING),
        _I.DAMAGED: (None, _A.NAK),
        _I.TOO_MANY: (_S.GARBLED, _A.CAN),
        _I.SILENCE: (_S.SILENT, _A.CAN),
        _I.CANCEL: (_S.CANCELLING, _A.CAN),
    },
    _S.ASKING: {
        _I.ACK: (None, _A.NOTHING),
        _I.NAK: (None, _A.NOTHING),
        _I.EOT: (_S.CANCELLED, _A.NOTHING),
        _I.RESPONSE: (_S.REPLIED, _A.NOTHING),
        _I.STRAY: (None, _A.NOTHING),
        _I.DAMAGED: (None, _A.NAK),
        _I.TOO_MANY: (_S.GARBLED, _A.CAN),
        _I.SILENCE: (_S.EXPIRING, _A.CAN),
        _I.CANCEL: (_S.CANCELLING, _A.CAN),
    },
    _S.CANCELLING: _ending(_S.CANCELLED),
    _S.EXPIRING: _ending(_S.EXPIRED),
}
OVER = frozenset((_S.REPLIED, _S.CANCELLED, _S.EXPIRED, _S.SILENT, _S.GARBLED))
_ENDING = (_S.CANCELLING, _S.EXPIRING)
_OCTETS = {Action.NOTHING: b"", Action.NAK: bytes((Control.NAK,)), Action.CAN: bytes((Control.CAN,))}
_HEARD = {Control.ACK: Input.ACK, Control.NAK: Input.NAK, Control.EOT: Input.EOT}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often; from the pad's profile. Seconds, and sends of one command or character."""

    ack_s: float
    reply_s: float
    sends: int


class Exchange:
    """One command from its packet to its end. Feed it events and the time; it says what to put on the line."""

    def __init__(
        self, start: State, packet: bytes, name: str, limits: Limits, now: float, person_s: float = 0.0
    ) -> None:
        """``name``: the letters of the command; ``person_s``: patience with a person, for :attr:`State.INVITING`."""
        self._packet = packet
        self._name = name.encode("ascii")
        self._limits = limits
        self._person_s = person_s
        self._faults = 0
        self.state = start
        self.response: bytes | None = None
        self.deadline = now + limits.ack_s

    @property
    def outgoing(self) -> bytes:
        """What opens the exchange: the command, or CAN where it starts by ending something."""
        return _OCTETS[Action.CAN] if self.state in _ENDING else self._packet

    @property
    def over(self) -> bool:
        """Whether an end is reached."""
        return self.state in OVER

    def hear(self, event: Event, now: float) -> bytes:
        """An event of the framer; returns what to put on the line."""
        if isinstance(event, Control):
            if event is Control.CAN:
                return b""
            return self._step(self._counted(_HEARD[event]) if event is Control.NAK else _HEARD[event], now)
        if isinstance(event, Damaged):
            return self._step(self._counted(Input.DAMAGED), now)
        if event.data[:3] not in (self._name, b"ERR"):
            return self._step(Input.STRAY, now)
        before = self.state
        octets = self._step(Input.RESPONSE, now)
        if self.state is State.REPLIED and before is not State.REPLIED:
            self.response = event.data
        return octets

    def silence(self, now: float) -> bytes:
        """The deadline has passed."""
        return self._step(self._counted(Input.SILENCE) if self.state in _ENDING else Input.SILENCE, now)

    def cancel(self, now: float) -> bytes:
        """The caller wants out."""
        return self._step(Input.CANCEL, now)

    def _counted(self, heard: Input) -> Input:
        self._faults += 1
        return Input.TOO_MANY if self._faults >= self._limits.sends else heard

    def _step(self, heard: Input, now: float) -> bytes:
        if self.over:
            return b""
        before = self.state
        after, action = TABLE[before][heard]
        self.state = after or before
        if self.state is not before:
            self._faults = 0
        if self.state is not before or action in (Action.REPEAT, Action.CAN, Action.NAK):
            self.deadline = now + self._patience()
        return self._packet if action is Action.REPEAT else _OCTETS[action]

    def _patience(self) -> float:
        if self.state is State.ASKING:
            return self._person_s
        return self._limits.reply_s if self.state is State.WORKING else self._limits.ack_s
