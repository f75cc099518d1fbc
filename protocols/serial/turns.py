# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who speaks when on an IPP line, for the controller: one exchange as a table. No port, no clock, no message content.

A controller sends a packet and hears ACK (understood) or NAK (send it again); the pad then works and answers with a
packet, which the controller acknowledges in the same way; some replies are closed by EOT. EOT instead of an answer
says that the pad ended the session: for a PIN entry, that the person gave up. What waits too long ends with EOT from
here. Rule: every transition stands in :data:`TABLE`; the machine only classifies what it hears and counts.

Two things are tolerated because lines are noisy: an ACK that was lost (the reply proves it), and a leftover of an
earlier exchange (a repeated reply is acknowledged and dropped, an EOT before our ACK is not meant for us).
"""

from collections.abc import Set
from dataclasses import dataclass
from enum import Enum, auto

from protocols.serial.framer import Control, Damaged, Event, Packet
from protocols.serial.ipp_codec import number


class State(Enum):
    """Where an exchange is. The last seven are ends."""

    CALLING = auto()  # sent, the pad has not said that it understood; a reply is wanted
    TELLING = auto()  # the same; the ACK is all that is wanted
    ASKING = auto()  # the same; a person will be asked, which may be broken off
    WAITING = auto()  # understood, the reply is awaited
    ENTERING = auto()  # understood, a person is at the keypad
    STOPPING = auto()  # we were told to break off before the pad said that it understood
    CANCELLING = auto()  # we were told to break off and sent 72
    EXPIRING = auto()  # the time for the person is over and we sent 72
    CLOSING = auto()  # reply acknowledged, EOT is awaited
    REPLIED = auto()
    TOLD = auto()
    ENDED = auto()  # the pad ended it by itself
    CANCELLED = auto()
    EXPIRED = auto()
    SILENT = auto()  # nothing was heard in time
    GARBLED = auto()  # too many repetitions


class Input(Enum):
    """What happened on the line."""

    ACK = auto()
    NAK = auto()
    EOT = auto()
    REPLY = auto()  # the packet asked for; EOT will follow our ACK
    LAST_REPLY = auto()  # the packet asked for; nothing will follow
    STRAY = auto()  # another packet
    DAMAGED = auto()
    TOO_MANY = auto()  # a NAK or a damaged packet beyond the limit
    SILENCE = auto()
    CANCEL = auto()  # the caller wants out


class Action(Enum):
    """What to put on the line."""

    NOTHING = auto()
    REPEAT = auto()
    ACK = auto()
    NAK = auto()
    EOT = auto()
    CANCEL = auto()


_S, _I, _A = State, Input, Action
TABLE: dict[tuple[State, Input], tuple[State, Action]] = {
    (_S.CALLING, _I.ACK): (_S.WAITING, _A.NOTHING),
    (_S.CALLING, _I.NAK): (_S.CALLING, _A.REPEAT),
    (_S.CALLING, _I.EOT): (_S.CALLING, _A.NOTHING),
    (_S.CALLING, _I.REPLY): (_S.CLOSING, _A.ACK),
    (_S.CALLING, _I.LAST_REPLY): (_S.REPLIED, _A.ACK),
    (_S.CALLING, _I.STRAY): (_S.CALLING, _A.ACK),
    (_S.CALLING, _I.DAMAGED): (_S.CALLING, _A.NAK),
    (_S.CALLING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.CALLING, _I.SILENCE): (_S.SILENT, _A.EOT),
    (_S.CALLING, _I.CANCEL): (_S.CALLING, _A.NOTHING),
    (_S.TELLING, _I.ACK): (_S.TOLD, _A.NOTHING),
    (_S.TELLING, _I.NAK): (_S.TELLING, _A.REPEAT),
    (_S.TELLING, _I.EOT): (_S.TELLING, _A.NOTHING),
    (_S.TELLING, _I.REPLY): (_S.TELLING, _A.ACK),
    (_S.TELLING, _I.LAST_REPLY): (_S.TELLING, _A.ACK),
    (_S.TELLING, _I.STRAY): (_S.TELLING, _A.ACK),
    (_S.TELLING, _I.DAMAGED): (_S.TELLING, _A.NAK),
    (_S.TELLING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.TELLING, _I.SILENCE): (_S.SILENT, _A.EOT),
    (_S.TELLING, _I.CANCEL): (_S.TELLING, _A.NOTHING),
    (_S.ASKING, _I.ACK): (_S.ENTERING, _A.NOTHING),
    (_S.ASKING, _I.NAK): (_S.ASKING, _A.REPEAT),
    (_S.ASKING, _I.EOT): (_S.ASKING, _A.NOTHING),
    (_S.ASKING, _I.REPLY): (_S.CLOSING, _A.ACK),
    (_S.ASKING, _I.LAST_REPLY): (_S.REPLIED, _A.ACK),
    (_S.ASKING, _I.STRAY): (_S.ASKING, _A.ACK),
    (_S.ASKING, _I.DAMAGED): (_S.ASKING, _A.NAK),
    (_S.ASKING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.ASKING, _I.SILENCE): (_S.SILENT, _A.EOT),
    (_S.ASKING, _I.CANCEL): (_S.STOPPING, _A.NOTHING),
    (_S.WAITING, _I.ACK): (_S.WAITING, _A.NOTHING),
    (_S.WAITING, _I.NAK): (_S.WAITING, _A.NOTHING),
    (_S.WAITING, _I.EOT): (_S.ENDED, _A.NOTHING),
    (_S.WAITING, _I.REPLY): (_S.CLOSING, _A.ACK),
    (_S.WAITING, _I.LAST_REPLY): (_S.REPLIED, _A.ACK),
    (_S.WAITING, _I.STRAY): (_S.WAITING, _A.ACK),
    (_S.WAITING, _I.DAMAGED): (_S.WAITING, _A.NAK),
    (_S.WAITING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.WAITING, _I.SILENCE): (_S.SILENT, _A.EOT),
    (_S.WAITING, _I.CANCEL): (_S.WAITING, _A.NOTHING),
    (_S.ENTERING, _I.ACK): (_S.ENTERING, _A.NOTHING),
    (_S.ENTERING, _I.NAK): (_S.ENTERING, _A.NOTHING),
    (_S.ENTERING, _I.EOT): (_S.ENDED, _A.NOTHING),
    (_S.ENTERING, _I.REPLY): (_S.CLOSING, _A.ACK),
    (_S.ENTERING, _I.LAST_REPLY): (_S.REPLIED, _A.ACK),
    (_S.ENTERING, _I.STRAY): (_S.ENTERING, _A.ACK),
    (_S.ENTERING, _I.DAMAGED): (_S.ENTERING, _A.NAK),
    (_S.ENTERING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.ENTERING, _I.SILENCE): (_S.EXPIRING, _A.CANCEL),
    (_S.ENTERING, _I.CANCEL): (_S.CANCELLING, _A.CANCEL),
    (_S.STOPPING, _I.ACK): (_S.CANCELLING, _A.CANCEL),
    (_S.STOPPING, _I.NAK): (_S.CANCELLED, _A.NOTHING),
    (_S.STOPPING, _I.EOT): (_S.STOPPING, _A.NOTHING),
    (_S.STOPPING, _I.REPLY): (_S.CANCELLED, _A.ACK),
    (_S.STOPPING, _I.LAST_REPLY): (_S.CANCELLED, _A.ACK),
    (_S.STOPPING, _I.STRAY): (_S.STOPPING, _A.ACK),
    (_S.STOPPING, _I.DAMAGED): (_S.STOPPING, _A.NAK),
    (_S.STOPPING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.STOPPING, _I.SILENCE): (_S.CANCELLING, _A.CANCEL),
    (_S.STOPPING, _I.CANCEL): (_S.STOPPING, _A.NOTHING),
    # Whatever still comes after 72 was sent is acknowledged and dropped: the entry is over for us.
    (_S.CANCELLING, _I.ACK): (_S.CANCELLED, _A.NOTHING),
    (_S.CANCELLING, _I.NAK): (_S.CANCELLING, _A.CANCEL),
    (_S.CANCELLING, _I.EOT): (_S.CANCELLED, _A.NOTHING),
    (_S.CANCELLING, _I.REPLY): (_S.CANCELLING, _A.ACK),
    (_S.CANCELLING, _I.LAST_REPLY): (_S.CANCELLING, _A.ACK),
    (_S.CANCELLING, _I.STRAY): (_S.CANCELLING, _A.ACK),
    (_S.CANCELLING, _I.DAMAGED): (_S.CANCELLING, _A.NAK),
    (_S.CANCELLING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.CANCELLING, _I.SILENCE): (_S.SILENT, _A.EOT),
    (_S.CANCELLING, _I.CANCEL): (_S.CANCELLING, _A.NOTHING),
    (_S.EXPIRING, _I.ACK): (_S.EXPIRED, _A.NOTHING),
    (_S.EXPIRING, _I.NAK): (_S.EXPIRING, _A.CANCEL),
    (_S.EXPIRING, _I.EOT): (_S.EXPIRED, _A.NOTHING),
    (_S.EXPIRING, _I.REPLY): (_S.EXPIRING, _A.ACK),
    (_S.EXPIRING, _I.LAST_REPLY): (_S.EXPIRING, _A.ACK),
    (_S.EXPIRING, _I.STRAY): (_S.EXPIRING, _A.ACK),
    (_S.EXPIRING, _I.DAMAGED): (_S.EXPIRING, _A.NAK),
    (_S.EXPIRING, _I.TOO_MANY): (_S.GARBLED, _A.EOT),
    (_S.EXPIRING, _I.SILENCE): (_S.SILENT, _A.EOT),
    (_S.EXPIRING, _I.CANCEL): (_S.EXPIRING, _A.NOTHING),
    (_S.CLOSING, _I.ACK): (_S.CLOSING, _A.NOTHING),
    (_S.CLOSING, _I.NAK): (_S.CLOSING, _A.NOTHING),
    (_S.CLOSING, _I.EOT): (_S.REPLIED, _A.NOTHING),
    (_S.CLOSING, _I.REPLY): (_S.CLOSING, _A.ACK),
    (_S.CLOSING, _I.LAST_REPLY): (_S.CLOSING, _A.ACK),
    (_S.CLOSING, _I.STRAY): (_S.CLOSING, _A.ACK),
    (_S.CLOSING, _I.DAMAGED): (_S.CLOSING, _A.ACK),
    (_S.CLOSING, _I.TOO_MANY): (_S.REPLIED, _A.NOTHING),
    (_S.CLOSING, _I.SILENCE): (_S.REPLIED, _A.NOTHING),
    (_S.CLOSING, _I.CANCEL): (_S.CLOSING, _A.NOTHING),
}
OVER = frozenset((_S.REPLIED, _S.TOLD, _S.ENDED, _S.CANCELLED, _S.EXPIRED, _S.SILENT, _S.GARBLED))
_OCTETS = {
    Action.NOTHING: b"",
    Action.ACK: bytes((Control.ACK,)),
    Action.NAK: bytes((Control.NAK,)),
    Action.EOT: bytes((Control.EOT,)),
}
_HEARD = {Control.ACK: Input.ACK, Control.NAK: Input.NAK, Control.EOT: Input.EOT}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often, in seconds and counts; from the pad's profile."""

    ack_s: float
    reply_s: float
    close_s: float
    naks: int
    """At this NAK, said or heard, the sender ends with EOT."""


class Exchange:
    """One packet and what follows it. The caller puts :attr:`outgoing` on the line and says what it hears and when."""

    __slots__ = ("_cancel", "_closing", "_expects", "_limits", "_naks", "_packet", "deadline", "reply", "state")

    def __init__(
        self,
        start: State,
        packet: bytes,
        *,
        cancel: bytes,
        limits: Limits,
        now: float,
        expects: Set[str] = frozenset(),
        closing: Set[str] = frozenset(),
    ) -> None:
        """``expects`` are the numbers of the replies wanted, ``closing`` those after whose ACK the pad says EOT."""
        self._packet = packet
        self._cancel = cancel
        self._limits = limits
        self._expects = expects
        self._closing = closing
        self._naks = 0
        self.state = start
        self.reply: Packet | None = None
        self.deadline = now + limits.ack_s

    @property
    def outgoing(self) -> bytes:
        """The packet that opens the exchange."""
        return self._packet

    @property
    def over(self) -> bool:
        """Whether an end is reached."""
        return self.state in OVER

    def hear(self, event: Event, now: float) -> bytes:
        """An event of the framer; returns what to put on the line."""
        if isinstance(event, Control):
            return self._step(self._counted(_HEARD[event]) if event is Control.NAK else _HEARD[event], now)
        if isinstance(event, Damaged):
            return self._step(self._counted(Input.DAMAGED), now)
        found = number(event)
        if found not in self._expects:
            return self._step(self._counted(Input.STRAY), now)
        octets = self._step(Input.REPLY if found in self._closing else Input.LAST_REPLY, now)
        if self.reply is None and self.state in (State.CLOSING, State.REPLIED):
            self.reply = event
        return octets

    def silence(self, now: float) -> bytes:
        """The deadline has passed."""
        return self._step(Input.SILENCE, now)

    def cancel(self, now: float) -> bytes:
        """The caller wants out."""
        return self._step(Input.CANCEL, now)

    def _counted(self, heard: Input) -> Input:
        self._naks += 1
        return Input.TOO_MANY if self._naks >= self._limits.naks else heard

    def _step(self, heard: Input, now: float) -> bytes:
        if self.over:
            return b""
        before = self.state
        self.state, action = TABLE[before, heard]
        if self.state is not before or action is Action.REPEAT:
            self.deadline = now + self._patience()
        if action is Action.REPEAT:
            return self._packet
        return self._cancel if action is Action.CANCEL else _OCTETS[action]

    def _patience(self) -> float:
        if self.state in (State.WAITING, State.ENTERING):
            return self._limits.reply_s
        return self._limits.close_s if self.state is State.CLOSING else self._limits.ack_s
