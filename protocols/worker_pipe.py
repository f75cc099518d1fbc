# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the octets between the agent and the worker of a payment mean. Opens no pipe and decides nothing.

One packet of a SOCK_SEQPACKET pair is one message: a JSON object (RFC 8259) with the asker's number, a verb and the
fields that :data:`FIELDS` lists for it, each of its kind and within its bound. Anything else is refused, since a worker
has talked to a stranger's card. Number 0 asks for no answer. An answer carries the number of its question, and either
the fields of :data:`ANSWERS` or a fault: its kind, what, and a hint.

No account number, track or PIN has a field here: what leaves a worker is masked, sealed, or a reference that is good
for one payment.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from protocols.errors import DecodeError, EncodeError

LARGEST_PACKET: Final = 32_768
"""Octets: the longest message is a sealed advice, whose card data are below 1 KiB, or a line of redacted traffic."""
NO_ANSWER: Final = 0
LONGEST_WORDS: Final = 8_192  # a line of redacted traffic; a frame has 4 KiB at most
LONGEST_OCTETS: Final = 4_096
LARGEST_NUMBER: Final = (1 << 53) - 1  # what every JSON reader keeps exact (RFC 8259, 6)
MOST_FIELDS: Final = 24  # of one event

Value = int | bool | str | bytes | Mapping[str, int | bool | str]
Values = Mapping[str, Any]


class Kind(StrEnum):
    """What a field holds."""

    NUMBER = "a whole number"
    FLAG = "true or false"
    WORDS = "text"
    OCTETS = "octets in hexadecimal digits"
    EVENT = "fields of an event: numbers, flags and text"


class Verb(StrEnum):
    """What one end says to the other."""

    # The worker asks the agent.
    LEND = "lend"
    NOW = "now"
    NUMBER = "number"
    PRESENTED = "presented"
    CHIP = "chip"
    STAN = "stan"
    ENTER = "enter"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    OWE = "owe"
    REVERSAL = "reversal"
    REVERSAL_SENDING = "reversal-sending"
    REVERSAL_ANSWERED = "reversal-answered"
    ADVICE = "advice"
    ADVICE_SENDING = "advice-sending"
    ADVICE_ANSWERED = "advice-answered"
    RECORD = "record"
    NOTE = "note"
    CONCLUDE = "conclude"
    PEOPLE = "people"
    PROVE = "prove"
    # The worker tells the agent.
    PART = "part"
    SESSION = "session"
    PAUSE = "pause"
    VISIT = "visit"
    READY = "ready"
    TRACE = "trace"
    TELL = "tell"
    BUG = "bug"
    # The agent tells the worker.
    HELLO = "hello"
    BEGIN = "begin"
    OWING = "owing"
    CANCEL = "cancel"
    STOP = "stop"


_N, _F, _W, _O, _E = Kind.NUMBER, Kind.FLAG, Kind.WORDS, Kind.OCTETS, Kind.EVENT
_REF = {"ref": _N}
_ORIGINAL = {"mti": _N, "stan": _N, "transmitted": _W, "processing_code": _W, "amount": _N, "currency": _W}

FIELDS: Mapping[Verb, Mapping[str, Kind]] = MappingProxyType(
    {
        Verb.LEND: {"what": _W},
        Verb.NOW: {},
        Verb.NUMBER: {},
        Verb.PRESENTED: {"interface": _W},
        Verb.CHIP: {"interface": _W, "failed": _F},
        Verb.STAN: {},
        Verb.ENTER: {"payment": _W, **_ORIGINAL, "reference": _W, "masked_pan": _W, "ksn": _W},
        Verb.ANSWERED: {**_REF, "approved": _F, "code": _W, "approval": _W},
        Verb.WITHDRAWN: _REF,
        Verb.OWE: {**_REF, "reason": _W},
        Verb.REVERSAL: {"after": _N},
        Verb.REVERSAL_SENDING: _REF,
        Verb.REVERSAL_ANSWERED: {**_REF, "code": _W},
        Verb.ADVICE: {"after": _N},
        Verb.ADVICE_SENDING: _REF,
        Verb.ADVICE_ANSWERED: {**_REF, "code": _W},
        Verb.RECORD: {"name": _W, "fields": _E},
        Verb.NOTE: {"name": _W, "fields": _E},
        Verb.CONCLUDE: {"payment": _W, "fields": _E, "code": _W, "amount": _N, "currency": _W, "sealed": _O},
        Verb.PEOPLE: {"payment": _W, "about": _W, "options": _W},
        Verb.PROVE: {"payment": _W},
        Verb.PART: {"name": _W, "up": _F, "words": _W},
        Verb.SESSION: {"key": _O, "check_value": _W},
        Verb.PAUSE: {"ms": _N},
        Verb.VISIT: {"number": _N},
        Verb.READY: {},
        Verb.TRACE: {"wire": _W, "direction": _W, "text": _W},
        Verb.TELL: {"text": _W},
        Verb.BUG: {"kind": _W, "places": _W},
        Verb.HELLO: {
            "first": _F, "reader": _F, "reader_lost": _W, "pad": _F, "pad_lost": _W,
            "key": _O, "check_value": _W, "pause_ms": _N, "visit": _N,
        },
        Verb.BEGIN: {"payment": _W, "amount": _N, "currency": _W, "online": _F, "earlier": _N},
        Verb.OWING: {},
        Verb.CANCEL: {},
        Verb.STOP: {},
    }
)  # fmt: skip
"""The fields of each verb, all of them required."""

ANSWERS: Mapping[Verb, Mapping[str, Kind]] = MappingProxyType(
    {
        Verb.LEND: {"name": _W, "kind": _W},
        Verb.NOW: {"ms": _N},
        Verb.NUMBER: {"number": _O},
        Verb.PRESENTED: {"fallback": _W},
        Verb.CHIP: {"suspicious": _F},
        Verb.STAN: {"stan": _N},
        Verb.ENTER: _REF,
        Verb.REVERSAL: {
            **_REF, "reason": _W, "own_stan": _N, "own_transmitted": _W, "attempts": _N, **_ORIGINAL, "reference": _W,
        },
        Verb.ADVICE: {
            **_REF, "payment": _W, "attempts": _N, "amount": _N, "currency": _W, "code": _W, "stan": _N, "at": _W,
            "sealed": _O,
        },
        Verb.REVERSAL_ANSWERED: {"settled": _F},
        Verb.ADVICE_ANSWERED: {"settled": _F},
        Verb.RECORD: {"at_ms": _N},
        Verb.CONCLUDE: {"at_ms": _N, "fields": _E},
        Verb.PEOPLE: {"answered": _F, "answer": _N},
        Verb.PROVE: {"binding": _W},
    }
)  # fmt: skip
"""The fields of each answer; a verb that is not here is answered with none."""


@dataclass(frozen=True, slots=True)
class Question:
    """A verb with its fields. ``number`` 0: no answer is wanted."""

    number: int
    verb: Verb
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question; still to be held against :data:`ANSWERS` by :func:`checked_answer`."""

    number: int
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing came of it: the kind of error, and its words."""

    number: int
    kind: str
    what: str
    hint: str = ""


Message = Question | Answer | Fault


def encode(message: Message) -> bytes:
    """One packet; raises :class:`EncodeError` for what the other end would refuse."""
    match message:
        case Question(number, verb, values):
            document: dict[str, Any] = {"number": number, "verb": verb, "fields": _written(values, FIELDS[verb], verb)}
        case Answer(number, values):
            document = {"number": number, "answer": {name: _plain(value) for name, value in values.items()}}
        case Fault(number, kind, what, hint):
            document = {"number": number, "fault": kind, "what": what, "hint": hint}
    packet = json.dumps(document, separators=(",", ":")).encode("ascii")
    if len(packet) > LARGEST_PACKET:
        raise EncodeError(f"{len(packet)} octets, {LARGEST_PACKET} at most")
    return packet


def decode(packet: bytes) -> Message:
    """Read one packet; raises :class:`DecodeError` that names the field and quotes nothing."""
    if len(packet) > LARGEST_PACKET:
        raise DecodeError("worker pipe", f"{len(packet)} octets, {LARGEST_PACKET} at most")
    document: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(packet)
    if not isinstance(document, dict):
        raise DecodeError("worker pipe", "a JSON object expected")
    number = document.pop("number", None)
    if type(number) is not int or not 0 <= number <= LARGEST_NUMBER:
        raise DecodeError("worker pipe", "number: a whole number expected")
    if document.keys() == {"verb", "fields"}:
        verb = document["verb"]
        if not isinstance(verb, str) or verb not in _VERBS:
            raise DecodeError("worker pipe", "no such verb")
        return Question(number, Verb(verb), _read(document["fields"], FIELDS[Verb(verb)], verb))
    if document.keys() == {"answer"} and isinstance(document["answer"], dict):
        return Answer(number, document["answer"])
    if document.keys() == {"fault", "what", "hint"} and all(type(text) is str for text in document.values()):
        return Fault(number, document["fault"], document["what"], document["hint"])
    raise DecodeError("worker pipe", "a question, an answer or a fault expected")


def checked_answer(verb: Verb, answer: Answer) -> Values:
    """The fields of an answer to ``verb``; raises :class:`DecodeError` for others."""
    return _read(answer.values, ANSWERS.get(verb, {}), f"answer to {verb}")


_VERBS = frozenset(verb.value for verb in Verb)


def _written(values: Values, expected: Mapping[str, Kind], where: str) -> dict[str, Any]:
    if values.keys() != expected.keys():
        raise EncodeError(f"{where}: {', '.join(expected) or 'no fields'} expected")
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return dict(value) if isinstance(value, Mapping) else value


def _read(values: Any, expected: Mapping[str, Kind], where: str) -> dict[str, Any]:
    if not isinstance(values, dict) or values.keys() != expected.keys():
        raise DecodeError(f"worker pipe, {where}", f"{', '.join(expected) or 'no fields'} expected")
    return {name: _one(values[name], kind, f"{where}, {name}") for name, kind in expected.items()}


def _one(value: Any, kind: Kind, where: str) -> Any:
    match kind:
        case Kind.NUMBER if type(value) is int and abs(value) <= LARGEST_NUMBER:
            return value
        case Kind.FLAG if type(value) is bool:
            return value
        case Kind.WORDS if type(value) is str and len(value) <= LONGEST_WORDS:
            return value
        case Kind.OCTETS if type(value) is str and len(value) <= 2 * LONGEST_OCTETS:
            octets = _octets(value)
            if octets is not None:
                return octets
        case Kind.EVENT if isinstance(value, dict) and len(value) <= MOST_FIELDS:
            if all(_fits(one) for one in value.values()):
                return value
    raise DecodeError(f"worker pipe, {where}", f"{kind} within its bound expected")


def _octets(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if text.isascii() and " " not in text else None
    except ValueError:
        return None


def _fits(value: Any) -> bool:
    if type(value) is int:
        return abs(value) <= LARGEST_NUMBER
    return type(value) is bool or (type(value) is str and len(value) <= LONGEST_WORDS)
