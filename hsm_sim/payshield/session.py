# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One host's conversation, sans-IO: octets in, octets out, answers in order. Opens no socket and has no clock.

Rule: no input raises and none ends more than this conversation. A command that cannot be read, carried out or found
gets its error code; octets that are not even a host command end the conversation, since nothing can be echoed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.refusal import Refused
from hsm_sim.payshield import cards, diagnostics, keys, macs, pins
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import CODES
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import COMMANDS
from protocols.hsm.fields import FieldError, Source
from protocols.hsm.frame import LARGEST_FRAME, FrameBuffer, frame, open_message, response_code
from protocols.hsm.layout import Fields, layout_of
from protocols.hsm.message import NO_TAIL, read_tail, refuse, shown_request, shown_response, trailer_octets

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


@dataclass(frozen=True, slots=True)
class _Served:
    """A command as the loop needs it, looked up once."""

    code: str
    read: Callable[[Source], Fields]
    handler: Handler
    write: Callable[[Any], bytes]
    done: bytes
    """Response code and error code 00."""


def _served() -> Mapping[bytes, _Served]:
    return {
        code.encode("ascii"): _Served(
            code,
            layout_of(command.request).read,
            HANDLERS[command.request],
            layout_of(command.response).write,
            (response_code(code) + ErrorCode.NO_ERROR).encode("ascii"),
        )
        for code, command in COMMANDS.items()
    }


class Session:
    """One connection's state."""

    __slots__ = ("_buffer", "_bug", "_engine", "_header_octets", "_served", "_trace", "ended")

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
        self._served = _served()
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
                reply = self._reply(message)
            except DecodeError as fault:
                self.ended = True
                if self._trace is not None:
                    self._trace(">", f"not a host command, the connection is closed: {fault}")
                break
            if self._trace is not None:
                self._trace(">", shown_request(message, self._header_octets))
                self._trace("<", shown_response(reply, self._header_octets))
            answers.append(frame(reply))
        return b"".join(answers), not self.ended

    def _reply(self, message: bytes) -> bytes:
        start = self._header_octets
        end = start + 2
        header = message[:start]
        served = self._served.get(message[start:end])
        if served is None:
            return refuse(header, open_message(message, start).code, ErrorCode.COMMAND_DISABLED)
        tail = NO_TAIL
        try:
            source = Source(message, end)
            fields = served.read(source)
            if source.at != len(message):
                tail = read_tail(source)
                if tail.lmk not in LMK_IDS:
                    return refuse(header, served.code, ErrorCode.INVALID_LMK_ID, tail.trailer)
            result = served.handler(self._engine, fields)
            if isinstance(result, ErrorCode):
                return refuse(header, served.code, result, tail.trailer)
            return b"".join((header, served.done, served.write(result), trailer_octets(tail.trailer)))
        except Refused as refused:
            error = CODES[refused.reason]
        except FieldError as fault:
            error = fault.code
        except DecodeError:
            error = ErrorCode.INVALID_INPUT
        except Exception as bug:  # the last line: a fault of ours must not end the conversation
            error = ErrorCode.INTERNAL
            if self._bug is not None:
                self._bug(f"{served.code}: {type(bug).__name__}")
        return refuse(header, served.code, error, tail.trailer)
