# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One host's conversation, sans-IO: octets in, octets out, answers in order. Opens no socket and has no clock.

Rule: no input raises and none ends more than this conversation. A command that cannot be read, carried out or found
gets its error code; octets that are not even a host command end the conversation, since nothing can be echoed.
"""

from collections.abc import Callable, Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.refusal import Refused
from hsm_sim.payshield import cards, diagnostics, keys, macs, pins
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import CODES
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import COMMANDS
from protocols.hsm.fields import FieldError
from protocols.hsm.frame import LARGEST_FRAME, FrameBuffer, Message, frame, open_message
from protocols.hsm.message import decode_request, encode_response, refuse, shown_request, shown_response

HANDLERS: Mapping[type, Handler] = {
    **diagnostics.HANDLERS,
    **keys.HANDLERS,
    **pins.HANDLERS,
    **macs.HANDLERS,
    **cards.HANDLERS,
}
"""What answers each command, by the class of its request."""

LMK_IDS = frozenset({None, "00"})
"""The LMK identifiers that this unit has."""

Trace = Callable[[str, str], None]
"""Told direction (`>` into the HSM, `<` out of it) and redacted words of every message."""
Bug = Callable[[str], None]
"""Told the kind of an exception that no input should cause; never its text, which may quote data."""


class Session:
    """One connection's state."""

    __slots__ = ("_buffer", "_bug", "_engine", "_header_octets", "_trace", "ended")

    def __init__(
        self,
        engine: Engine,
        header_octets: int,
        *,
        largest: int = LARGEST_FRAME,
        trace: Trace | None = None,
        bug: Bug | None = None,
    ) -> None:
        self._engine = engine
        self._header_octets = header_octets
        self._buffer = FrameBuffer(largest)
        self._trace = trace
        self._bug = bug
        self.ended = False
        """Whether the stream cannot be trusted any further: close it once what was answered is out."""

    def feed(self, octets: bytes) -> None:
        """Take what arrived; nothing is answered yet."""
        self._buffer.feed(octets)

    def answer(self, most: int) -> tuple[bytes, bool]:
        """Framed answers to at most ``most`` whole commands, and whether more may be waiting."""
        answers: list[bytes] = []
        for _ in range(most):
            if self.ended:
                break
            try:
                message = self._buffer.take()
                if message is None:
                    return b"".join(answers), False
                opened = open_message(message, self._header_octets)
            except DecodeError as fault:
                self.ended = True
                if self._trace is not None:
                    self._trace(">", f"not a host command, the connection is closed: {fault}")
                break
            reply = self._reply(opened)
            if self._trace is not None:
                self._trace(">", shown_request(message, self._header_octets))
                self._trace("<", shown_response(reply, self._header_octets))
            answers.append(frame(reply))
        return b"".join(answers), not self.ended

    def _reply(self, opened: Message) -> bytes:
        command = COMMANDS.get(opened.code)
        if command is None:
            return refuse(opened.header, opened.code, ErrorCode.COMMAND_DISABLED)
        trailer = None
        try:
            request = decode_request(command, opened.body)
            trailer = request.trailer
            if request.lmk not in LMK_IDS:
                return refuse(opened.header, opened.code, ErrorCode.INVALID_LMK_ID, trailer)
            result = HANDLERS[command.request](self._engine, request.fields)
            if isinstance(result, ErrorCode):
                return refuse(opened.header, opened.code, result, trailer)
            return encode_response(opened.header, opened.code, result, trailer)
        except Refused as refused:
            error = CODES[refused.reason]
        except FieldError as fault:
            error = fault.code
        except DecodeError:
            error = ErrorCode.INVALID_INPUT
        except Exception as bug:  # the last line: a fault of ours must not end the conversation
            error = ErrorCode.INTERNAL
            if self._bug is not None:
                self._bug(f"{opened.code}: {type(bug).__name__}")
        return refuse(opened.header, opened.code, error, trailer)
