# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One message in, one answer out, for all hosts of a unit: finds, permits, carries out, counts. Frames nothing.

Rule: no input raises but one: octets that are no host command at all, since nothing of them can be echoed. Everything
else gets an answer, and an answer with an error code carries nothing but the code and the trailer.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.rsa_keys import Lengthy, RsaKeys
from hsm_sim.engine.states import Doing, State, States
from hsm_sim.payshield.chaining import nk
from hsm_sim.payshield.dispatch import HANDLERS
from hsm_sim.payshield.handlers import Advice, Handler
from hsm_sim.payshield.terms import CODES
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import COMMANDS, Command
from protocols.hsm.commands.diagnostics import NK, NL
from protocols.hsm.fields import FieldError
from protocols.hsm.frame import HEADER_OCTETS, LARGEST_FRAME, LARGEST_TRAILER, open_message, response_code
from protocols.hsm.kinds import Source, source_class
from protocols.hsm.layout import Fields, layout_of
from protocols.hsm.message import read_tail, refuse, trailer_octets

LARGEST_BODY = LARGEST_FRAME - HEADER_OCTETS.stop - LARGEST_TRAILER - 5
"""Octets that fit into an answer beside header, codes and trailer; data that is longer in hexadecimal may not."""
DIAGNOSTICS = frozenset({"NC", "NO", "B2"})
"""Commands that touch no key: answered in every state."""

LENGTHY = frozenset({"EI"})
"""Commands that may take seconds: in a chain they would hold up every other host."""


class Listener(Protocol):
    """Hears of commands that belong in the audit."""

    def done(self, code: str, error: str, peer: str) -> None:
        """A command was carried out or refused; its answer leaves when this returns."""

    def bug(self, code: str, kind: str) -> None:
        """An exception that no input should cause: its kind alone, since its text may quote data."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a unit is set to, as far as commands are concerned."""

    disabled: frozenset[str] = frozenset()
    """Codes that are answered as if they did not exist."""
    heard: frozenset[str] = frozenset()
    """Codes whose every answer is told to the listener."""


NO_RULES = Rules()
_ONLINE = State.ONLINE


class _Served:
    """A command as the hot path needs it, looked up once, and how often it succeeded."""

    __slots__ = (
        "activity",
        "bare",
        "careful",
        "code",
        "doing",
        "done",
        "handler",
        "heard",
        "names_lmk",
        "read",
        "response",
        "succeeded",
        "write",
    )

    def __init__(self, command: Command[Any, Any], handler: Handler, heard: bool) -> None:
        self.code = command.code
        self.activity = str(command.activity)
        self.doing = Doing.DIAGNOSE if command.code in DIAGNOSTICS else Doing.SERVE
        self.read: Callable[[Source], Fields] = layout_of(command.request).read
        self.handler = handler
        self.response = command.response
        self.write: Callable[[Any], bytes] = layout_of(command.response).write
        self.done = (response_code(command.code) + ErrorCode.NO_ERROR).encode("ascii")
        self.heard = heard
        self.names_lmk = any(slot.name == "lmk" for slot in layout_of(command.request).slots)
        self.careful = self.names_lmk or bool(self.activity) or heard
        """Whether more than the state of the unit decides what happens; most commands need no such look."""
        self.succeeded = 0
        self.bare: Fields | None = None if layout_of(command.request).slots else self.read(Source(b""))
        """The fields of a command that has none: its code is all of it."""


class Unit:
    """What all connections share. Bound to one thread, as its engine is."""

    __slots__ = (
        "_earlier", "_engine", "_handlers", "_listener", "_own", "_served", "_source", "answers", "header_octets",
        "rsa_keys", "rules", "states",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        header_octets: int,
        states: States,
        *,
        rules: Rules = NO_RULES,
        listener: Listener | None = None,
        own: Mapping[type, Handler] | None = None,
    ) -> None:
        """``own`` are handlers for commands that this unit itself answers, beyond those of the engine."""
        self.header_octets = header_octets
        self.states = states
        self.answers: Counter[tuple[str, str]] = Counter()
        """Answers with an error code, by command and code; of commands not known by `??`."""
        self.rsa_keys = RsaKeys()
        """Where new RSA keys come from; whoever sets its `ahead` must take :class:`Lengthy` from :meth:`answer`."""
        self._listener = listener
        self._own = dict(own or {})
        self._earlier: Counter[str] = Counter()
        self._served: dict[bytes, _Served] = {}
        self.set(engine, rules)

    def set(self, engine: Engine, rules: Rules) -> None:
        """Work with another engine and other rules from the next command on; the counts go on."""
        self._earlier.update(self.succeeded)
        self._engine = engine
        engine.take_rsa_keys_from(self.rsa_keys)
        self.rules = rules
        self._source = source_class(engine.policy.pin_length + 1)
        self._handlers = {**HANDLERS, NK: self._chained, **self._own}
        self._served = {}  # filled as commands are asked for the first time: most hosts use a handful

    @property
    def succeeded(self) -> dict[str, int]:
        """How often each command was answered without error."""
        now = {served.code: served.succeeded for served in self._served.values() if served.succeeded}
        return dict(self._earlier + Counter(now))

    def answer(self, message: bytes, peer: str = "") -> bytes:
        """The answer to one message, both without length.

        :class:`DecodeError` where it is no host command; :class:`Lengthy` where work must be done elsewhere first.
        """
        start = self.header_octets
        end = start + 2
        served = self._served.get(message[start:end]) or self._first_asked(message[start:end])
        if served is None:
            return self._unknown(message)
        engine = self._engine
        trailer = None
        error: ErrorCode
        try:
            lmk: str | None = None
            if served.bare is not None and end == len(message):
                fields = served.bare
            else:
                source = self._source(message, end)
                fields = served.read(source)
                if source.at != len(message):
                    tail = read_tail(source)
                    lmk, trailer = tail.lmk, tail.trailer
            if served.careful and served.names_lmk:
                lmk = fields.lmk or lmk  # type: ignore[attr-defined]  # a field of that name is what names_lmk says
            if lmk is not None:
                engine = self._under(lmk)
            if served.careful or self.states.state is not _ONLINE:
                self._permit(served)
            result = served.handler(engine, fields)
            if result.__class__ is served.response:
                body = served.write(result)
                if len(body) > LARGEST_BODY:
                    raise FieldError("answer", "fewer octets expected", ErrorCode.DATA_LENGTH)
                served.succeeded += 1
                if served.careful and served.heard:
                    self._tell(served.code, ErrorCode.NO_ERROR, peer)
                if trailer is None:
                    return message[:start] + served.done + body
                return b"".join((message[:start], served.done, body, trailer_octets(trailer)))
            if isinstance(result, Advice):
                self._count(served, result.code, peer)
                body = served.write(result.fields)
                code = (response_code(served.code) + result.code).encode("ascii")
                return b"".join((message[:start], code, body, trailer_octets(trailer)))
            error = cast(ErrorCode, result)
        except Refused as refused:
            error = CODES[refused.reason]
        except FieldError as fault:
            error = fault.code
        except DecodeError:
            error = ErrorCode.INVALID_INPUT
        except Lengthy:
            raise
        except Exception as bug:  # the last line: a fault of ours must not end the conversation
            error = ErrorCode.INTERNAL
            if self._listener is not None:
                self._listener.bug(served.code, type(bug).__name__)
        self._count(served, error, peer)
        return refuse(message[:start], served.code, error, trailer)

    def _first_asked(self, name: bytes) -> _Served | None:
        command = COMMANDS.get(name.decode("latin-1"))
        if command is None or command.code in self.rules.disabled or command.request not in self._handlers:
            return None
        served = _Served(command, self._handlers[command.request], command.code in self.rules.heard)
        self._served[name] = served
        return served

    def _chained(self, engine: Engine, request: NK) -> NL | ErrorCode:
        """Every rule of this unit holds for each command in the chain; one that takes long is not for chains."""
        return nk(self._link, self.header_octets, request)

    def _link(self, message: bytes) -> bytes:
        opened = open_message(message, self.header_octets)
        if opened.code in LENGTHY:
            return refuse(opened.header, opened.code, ErrorCode.COMMAND_DISABLED)
        return self.answer(message)

    def _permit(self, served: _Served) -> None:
        states = self.states
        if states.state is not _ONLINE:
            states.demand(served.doing)
        if served.activity and not states.permits(served.activity):
            raise Refused(Reason.NOT_AUTHORISED)

    def _under(self, lmk: str) -> Engine:
        engine = self._engine.under(lmk)
        if engine is None:
            raise FieldError("LMK identifier", "one of this unit's expected", ErrorCode.INVALID_LMK_ID)
        return engine

    def _count(self, served: _Served, error: ErrorCode, peer: str) -> None:
        self.answers[served.code, error] += 1
        if served.heard:
            self._tell(served.code, error, peer)

    def _tell(self, code: str, error: str, peer: str) -> None:
        if self._listener is not None:
            self._listener.done(code, error, peer)

    def _unknown(self, message: bytes) -> bytes:
        opened = open_message(message, self.header_octets)
        self.answers[opened.code if opened.code in COMMANDS else "??", ErrorCode.COMMAND_DISABLED] += 1
        return refuse(opened.header, opened.code, ErrorCode.COMMAND_DISABLED)
