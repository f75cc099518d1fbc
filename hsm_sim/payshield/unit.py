# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One message in, one answer out, for all hosts of a unit: finds, permits, carries out, encodes, counts. Frames nothing.

Rule: no input raises but one: octets that are no host command at all, since nothing of them can be echoed. Everything
else gets an answer, and an answer with an error code carries nothing but the code and the trailer.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.refusal import Refused
from hsm_sim.payshield.dispatch import HANDLERS
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import CODES
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import COMMANDS, Command
from protocols.hsm.fields import FieldError, Source
from protocols.hsm.frame import open_message, response_code
from protocols.hsm.layout import Fields, layout_of
from protocols.hsm.message import read_tail, refuse, trailer_octets

Bug = Callable[[str], None]
"""Told the kind of an exception that no input should cause; never its text, which may quote data."""


class Served:
    """A command as the hot path needs it, looked up once, and how often it succeeded."""

    __slots__ = ("code", "done", "handler", "read", "response", "succeeded", "write")

    def __init__(self, command: Command[Any, Any], handler: Handler) -> None:
        self.code = command.code
        self.read: Callable[[Source], Fields] = layout_of(command.request).read
        self.handler = handler
        self.response = command.response
        self.write: Callable[[Any], bytes] = layout_of(command.response).write
        self.done = (response_code(command.code) + ErrorCode.NO_ERROR).encode("ascii")
        self.succeeded = 0


class Unit:
    """What all connections share."""

    __slots__ = ("_bug", "_engine", "_served", "header_octets", "refusals")

    def __init__(self, engine: Engine, header_octets: int, *, bug: Bug | None = None) -> None:
        self._engine = engine
        self.header_octets = header_octets
        self._bug = bug
        self._served = {
            code.encode("ascii"): Served(command, HANDLERS[command.request]) for code, command in COMMANDS.items()
        }
        self.refusals: Counter[tuple[str, str]] = Counter()
        """How often each command was answered with each error code other than 00."""

    def answer(self, message: bytes) -> bytes:
        """The answer to one message, both without length; :class:`DecodeError` where it is no host command."""
        start = self.header_octets
        end = start + 2
        served = self._served.get(message[start:end])
        if served is None:
            return self._unknown(message)
        trailer = None
        engine = self._engine
        try:
            source = Source(message, end)
            fields = served.read(source)
            if source.at != len(message):
                tail = read_tail(source)
                trailer = tail.trailer
                if tail.lmk is not None:
                    under = engine.under(tail.lmk)
                    if under is None:
                        raise FieldError("LMK identifier", "one of this unit's expected", ErrorCode.INVALID_LMK_ID)
                    engine = under
            result = served.handler(engine, fields)
            if result.__class__ is served.response:
                served.succeeded += 1
                body = served.write(result)
                if trailer is None:
                    return b"".join((message[:start], served.done, body))
                return b"".join((message[:start], served.done, body, trailer_octets(trailer)))
            error = result
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
        return refuse(message[:start], served.code, error, trailer)

    def _unknown(self, message: bytes) -> bytes:
        opened = open_message(message, self.header_octets)
        return refuse(opened.header, opened.code, ErrorCode.COMMAND_DISABLED)
