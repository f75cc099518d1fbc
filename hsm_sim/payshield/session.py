# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One host's conversation, sans-IO: octets in, octets out, answers in order. Opens no socket and has no clock.

Rule: no input raises and none ends more than this conversation. Octets that are not even a host command end it, since
nothing can be echoed; what was asked before is still answered.
"""

import struct
from collections.abc import Callable

from hsm_sim.engine.rsa_keys import Lengthy
from hsm_sim.faults import Action, Injector, Rule, Sending, spoilt
from hsm_sim.payshield.unit import Unit
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.frame import LARGEST_FRAME, FrameBuffer, frame, open_message
from protocols.hsm.message import refuse, shown_request, shown_response

Trace = Callable[[str, str], None]
"""Told direction (`>` into the HSM, `<` out of it) and redacted words of every message."""
_length = struct.Struct(">H").pack


class Session:
    """One connection's state."""

    __slots__ = (
        "_buffer",
        "_held",
        "_injector",
        "_met_by",
        "_put_off",
        "_trace",
        "_unit",
        "ended",
        "faulty",
        "feed",
        "peer",
        "work",
    )

    def __init__(
        self,
        unit: Unit,
        *,
        largest: int = LARGEST_FRAME,
        trace: Trace | None = None,
        injector: Injector | None = None,
    ) -> None:
        self._unit = unit
        self._buffer = FrameBuffer(largest)
        self.feed = self._buffer.feed
        """Take what arrived; nothing is answered yet."""
        self._trace = trace
        self._injector = injector
        self.faulty = injector is not None
        """Whether answers may be met by faults on purpose: take them by :meth:`sendings`."""
        self._held: list[bytes] = []
        self._put_off: list[bytes] = []
        self._met_by: Rule | None = None
        self.work: Callable[[], None] | None = None
        """What another thread should do before the next turn, which will find that :meth:`answer` stopped there."""
        self.peer = ""
        """Who asks, for the audit."""
        self.ended = False
        """Whether the stream cannot be trusted any further: close it once what was answered is out."""

    @property
    def waiting(self) -> int:
        """Octets that came and are not answered yet."""
        return self._buffer.waiting + sum(map(len, self._put_off))

    def answer(self, most: int) -> tuple[bytes, bool]:
        """Framed answers to at most ``most`` whole commands, fewer if they are large; and whether more are waiting."""
        if self.ended:
            return b"", False
        answers: list[bytes] = []
        buffer, answer, peer, trace = self._buffer, self._unit.answer, self.peer, self._trace
        messages: list[bytes] = []
        try:
            messages = self._put_off or buffer.messages(most)
            for message in messages:
                reply = answer(message, peer)
                if trace is not None:
                    self._tell(trace, message, reply)
                answers.append(_length(len(reply)) + reply)  # no reply is longer than what two octets can say
        except DecodeError as fault:
            self._end(fault)
            return b"".join(answers), False
        except Lengthy as lengthy:
            self._put_off, self.work = messages[len(answers) :], lengthy.work
            return b"".join(answers), True
        if self._put_off:
            self._put_off = []
            return b"".join(answers), True
        return answers[0] if len(answers) == 1 else b"".join(answers), buffer.more

    def sendings(self, most: int) -> tuple[list[Sending], bool]:
        """As :meth:`answer`, for a conversation that is met by faults: what leaves, how and when."""
        sendings: list[Sending] = []
        for _ in range(most):
            try:
                message = None if self.ended else self._next()
                if message is None:
                    return sendings, False
                sendings += self._met(message)
            except DecodeError as fault:
                self._end(fault)
            if self.work is not None:
                break
        return sendings, True

    @property
    def holding(self) -> bool:
        """Whether an answer is held back to change places with the next one: if none comes, :meth:`release` it."""
        return bool(self._held)

    def release(self) -> bytes:
        """What was held back, to be sent now."""
        held, self._held = b"".join(self._held), []
        return held

    def _next(self) -> bytes | None:
        return self._put_off.pop() if self._put_off else self._buffer.take()

    def _met(self, message: bytes) -> list[Sending]:
        opened = open_message(message, self._unit.header_octets)
        rule, self._met_by = self._met_by, None
        if rule is None and self._injector is not None:
            rule = self._injector.next(opened.code)
        if rule is not None and rule.action is Action.ERROR:
            reply = refuse(opened.header, opened.code, rule.error or ErrorCode.INTERNAL)
        else:
            try:
                reply = self._unit.answer(message, self.peer)
            except Lengthy as lengthy:
                self._put_off, self._met_by, self.work = [message], rule, lengthy.work
                return []
        if self._trace is not None:
            self._tell(self._trace, message, reply)
            if rule is not None:
                self._trace("<", f"fault on purpose: {rule.action.value}")
        framed = frame(reply)
        if rule is not None and rule.action is Action.REORDER:
            self._held.append(framed)
            return []
        sending = spoilt(framed, rule, self._unit.header_octets) if rule is not None else Sending(framed)
        return [sending, Sending(self.release())] if self._held else [sending]

    def _end(self, fault: DecodeError) -> None:
        self.ended = True
        if self._trace is not None:
            self._trace(">", f"not a host command, the connection is closed: {fault}")

    def _tell(self, trace: Trace, message: bytes, reply: bytes) -> None:
        trace(">", shown_request(message, self._unit.header_octets))
        trace("<", shown_response(reply, self._unit.header_octets))
