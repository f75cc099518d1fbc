# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders to a terminal and the rotation of the persons who may give them: what is said, and whether to believe it.

An order is a signed statement (:mod:`protocols.signed`) of kind ``order``, or ``order-grave`` where two persons must
sign. Its audience is one terminal, never all; its version is the terminal's order sequence, one over both kinds; its
body is one JSON object::

    {"id":"…","order":"lock","arguments":{"reason":"…"}}

The table :data:`ORDERS` gives each order's kind, arguments and the room that acts; that room judges once more. A
sequence number is used once: what was believed before is refused, and so is anything older.

The statement of kind ``trust`` exchanges the list of persons. It is believed only with the threshold of the old list
and that of the new one, and with the very next version. Nothing here acts, keeps a file or reads a clock.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from protocols.errors import DecodeError, EncodeError
from protocols.signed import (
    EVERY_TERMINAL,
    Believed,
    Cause,
    Envelope,
    Floor,
    Person,
    Refused,
    Statement,
    Trust,
    Verify,
    believe,
    public_from_base64,
    vouched,
)
from protocols.strict_json import any_object, strict_object
from protocols.telemetry import fields as of

ORDER_KIND = "order"
GRAVE_KIND = "order-grave"
TRUST_KIND = "trust"
PROFILE_KIND = "profile"  # of what an order of this name brings
LARGEST_ORDER = 65_536  # octets of an envelope on MQTT
MOST_PERSONS = 64
LONGEST_ORDER_S = 7 * 86_400  # an order that lies about for longer is given anew
_SEQUENCE = "a sequence of at most 12 digits expected"
FEWEST_GRAVE = 2  # persons for a grave order or a new list of persons: no list may ask for fewer


class Room(StrEnum):
    """Which part of the terminal acts on an order, and judges it once more."""

    AGENT = "agent"
    TILL = "till"
    USB = "usb"
    PROFILE = "profile"
    VAULT = "vault"
    IDENTITY = "identity"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an order."""

    name: str
    kind: of.Kind
    words: str


@dataclass(frozen=True, slots=True)
class OrderKind:
    """One kind of order."""

    name: str
    grave: bool
    room: Room
    words: str
    arguments: tuple[Argument, ...] = ()

    @property
    def statement_kind(self) -> str:
        """The kind of statement that it must be under."""
        return GRAVE_KIND if self.grave else ORDER_KIND


@dataclass(frozen=True, slots=True)
class Order:
    """An order that is believed: what, with which arguments, its place in the sequence, and who stands for it."""

    id: str
    kind: OrderKind
    arguments: Mapping[str, of.Value]
    believed: Believed

    @property
    def sequence(self) -> int:
        """Its place in the terminal's sequence of orders."""
        return self.believed.statement.version


class NotAnOrder(DecodeError):
    """Persons stand for a statement whose body is no order: ``believed`` is what they signed."""

    def __init__(self, fault: DecodeError, believed: Believed, name: str = "") -> None:
        super().__init__(fault.where, fault.why)
        self.believed = believed


_REASON = Argument("reason", of.TEXT, "why, in words")
_STATEMENT = Argument("statement", of.ENVELOPE, "a signed statement, as one line of JSON")
_ALL = (
    OrderKind("ping", False, Room.AGENT, "answer, and change nothing"),
    OrderKind("lock", False, Room.TILL, "take no payments until it is unlocked", (_REASON,)),
    OrderKind("unlock", True, Room.TILL, "take payments again", (_REASON,)),
    OrderKind("freeze", False, Room.TILL, "do nothing but answer; keep everything for an inquiry", (_REASON,)),
    OrderKind("thaw", True, Room.TILL, "end the freeze; the terminal stays locked", (_REASON,)),
    OrderKind("policy", True, Room.USB, "put a signed policy of the USB ports in force", (_STATEMENT,)),
    OrderKind("profile", True, Room.PROFILE, "take a signed profile, in force from the next start", (_STATEMENT,)),
    OrderKind("exception", False, Room.USB, "let a signed exception of the USB ports hold until its end",
              (Argument("name", of.IDENTIFIER, "the exception's name"), _STATEMENT)),
    OrderKind("rotate-keys", True, Room.VAULT, "take a new key",
              (Argument("slot", of.IDENTIFIER, "which slot"),
               Argument("block", of.KEY_BLOCK, "the key, wrapped (X9.143) under the terminal's transport key"))),
    OrderKind("renew-certificate", False, Room.IDENTITY, "make a new key and apply for its certificate"),
    OrderKind("certificate", False, Room.IDENTITY, "take the certificate that head office issued",
              (Argument("answer", of.DOCUMENT, "head office's answer to the application, each octet as two letters"),)),
    OrderKind("diagnostics", False, Room.AGENT, "tell how everything stands, without card data"),
    OrderKind("resend", False, Room.REPORT, "send reports of a life once more",
              (Argument("boot", of.COUNT, "the life's epoch"),
               Argument("first", of.COUNT, "first sequence number"),
               Argument("last", of.COUNT, "last one"))),
)  # fmt: skip

ORDERS: Mapping[str, OrderKind] = {kind.name: kind for kind in _ALL}


def order_statement(
    terminal: str, sequence: int, from_s: int, until_s: int, identifier: str, name: str, /, **arguments: of.Value
) -> Statement:
    """An order for persons to sign; head office's side. :class:`EncodeError` for what no terminal would take."""
    kind = ORDERS.get(name)
    if kind is None:
        raise EncodeError(f"order: one of {', '.join(ORDERS)} expected")
    if sequence > of.LARGEST_NUMBER:
        raise EncodeError(f"order {name}: {_SEQUENCE}")
    if fault := _body_fault(kind, identifier, arguments) or _time_fault(terminal, from_s, until_s):
        raise EncodeError(f"order {name}: {fault}")
    body = json.dumps({"id": identifier, "order": name, "arguments": arguments}, separators=(",", ":"))
    return Statement(kind.statement_kind, terminal, sequence, from_s, until_s, body)


def believe_order(
    envelope: Envelope, trust: Trust, verify: Verify, *, terminal: str, now_s: int, floor: Floor | None
) -> Order:
    """The order, if it is to be carried out now and here, once; the terminal's side.

    Raises :class:`protocols.signed.Refused` with its cause where it is not believed, and :class:`NotAnOrder` where
    persons stand for something that no order is. ``floor``: the last order that was believed.
    """
    kind = _kind_of(envelope, trust, verify, terminal)
    found = believe(envelope, trust, verify, kind=kind, terminal=terminal, now_s=now_s, floor=floor)
    if floor is not None and found.statement.version == floor.version:
        raise Refused(Cause.AGAIN, f"sequence {floor.version}")
    if found.statement.version > of.LARGEST_NUMBER:  # its answer could not name it, and no order could follow it
        raise DecodeError("order", _SEQUENCE)
    try:
        return _order(found)
    except DecodeError as fault:
        raise NotAnOrder(fault, found) from None


def trust_statement(trust: Trust, version: int, from_s: int, until_s: int, audience: str = EVERY_TERMINAL) -> Statement:
    """A new list of persons for the old and the new ones to sign; head office's side."""
    if fault := trust_fault(trust):
        raise EncodeError(f"trust: {fault}")
    document = {
        "persons": [
            {"name": one.name, "key": b64encode(one.public).decode("ascii"), "kinds": sorted(one.kinds)}
            for one in trust.persons
        ],
        "thresholds": dict(trust.thresholds),
    }
    body = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    return Statement(TRUST_KIND, audience, version, from_s, until_s, body)


def rotate(
    envelope: Envelope, trust: Trust, verify: Verify, *, terminal: str, now_s: int, floor: Floor
) -> tuple[Trust, Believed]:
    """The new list of persons, if both lists stand for it; the terminal's side. ``floor``: that of the old list."""
    found = believe(envelope, trust, verify, kind=TRUST_KIND, terminal=terminal, now_s=now_s, floor=floor)
    if found.statement.version == floor.version:
        raise Refused(Cause.AGAIN, f"version {floor.version}")
    if found.statement.version != floor.version + 1:
        raise Refused(Cause.SKIPS, f"version {found.statement.version}, {floor.version + 1} expected")
    fresh = read_trust(found.statement.body)
    vouched(envelope, fresh, verify, kind=TRUST_KIND, terminal=terminal)
    return fresh, found


def read_trust(body: str) -> Trust:
    """A list of persons from the body of a statement; :class:`DecodeError` for one that nobody may rely on."""
    document = strict_object(body.encode("utf-8"), "trust", {"persons", "thresholds"})
    listed, thresholds = document["persons"], document["thresholds"]
    if type(listed) is not list or type(thresholds) is not dict:
        raise DecodeError("trust", "a list of persons and an object of thresholds expected")
    persons = []
    for place, one in enumerate(listed[: MOST_PERSONS + 1]):
        where = f"trust, person {place + 1}"
        if type(one) is not dict or one.keys() != {"name", "key", "kinds"}:
            raise DecodeError(where, "name, key and kinds expected")
        name, kinds = one["name"], one["kinds"]
        if type(name) is not str or type(kinds) is not list or any(type(kind) is not str for kind in kinds):
            raise DecodeError(where, "a text, a key in base64 and a list of texts expected")
        persons.append(Person(name, public_from_base64(one["key"], where), frozenset(kinds)))
    if any(type(needed) is not int for needed in thresholds.values()):
        raise DecodeError("trust, thresholds", "whole numbers expected")
    found = Trust(tuple(persons), thresholds)
    if fault := trust_fault(found):
        raise DecodeError("trust", fault)
    return found


def _kind_of(envelope: Envelope, trust: Trust, verify: Verify, terminal: str) -> str:
    """The kind that it must be under, from what it says itself: nothing is read before a known key has signed."""
    try:
        vouched(envelope, trust, verify, kind=GRAVE_KIND, terminal=terminal)
    except Refused as fault:
        if fault.cause is Cause.OTHER_KIND:
            return ORDER_KIND
        raise
    return GRAVE_KIND


def _order(found: Believed) -> Order:
    statement = found.statement
    document = strict_object(statement.body.encode("utf-8"), "order", {"id", "order", "arguments"})
    identifier, name, arguments = document["id"], document["order"], document["arguments"]
    kind = ORDERS.get(name) if type(name) is str else None
    if kind is None:
        raise DecodeError("order", f"one of {', '.join(ORDERS)} expected")
    if type(arguments) is not dict:
        raise DecodeError("order, arguments", "an object expected")
    if kind.statement_kind != statement.kind:
        raise DecodeError("order", f"{name} under a statement of kind {kind.statement_kind} expected")
    fault = _body_fault(kind, identifier, arguments)
    if fault := fault or _time_fault(statement.audience, statement.from_s, statement.until_s):
        raise DecodeError(f"order {name}", fault)
    return Order(identifier, kind, arguments, found)


def identifier_of(body: str) -> str | None:
    """The identifier in a body that was signed as an order, where it has one that can be reported."""
    try:
        found = any_object(body.encode("utf-8"), "order").get("id")
    except DecodeError:
        return None
    return found if type(found) is str and of.IDENTIFIER.refusal(found) is None else None


def _body_fault(kind: OrderKind, identifier: object, arguments: Mapping[str, object]) -> str | None:
    if type(identifier) is not str or (refusal := of.IDENTIFIER.refusal(identifier)):
        return f"id: {of.IDENTIFIER.words} expected"
    if arguments.keys() != {one.name for one in kind.arguments}:
        return f"arguments: {', '.join(one.name for one in kind.arguments) or 'none'} expected"
    for one in kind.arguments:
        value = arguments[one.name]
        refusal = one.kind.refusal(value) if isinstance(value, str | int) else one.kind.words
        if refusal:
            return f"{one.name}: {refusal} expected"
    return None


def _time_fault(audience: str, from_s: int, until_s: int) -> str | None:
    if audience == EVERY_TERMINAL:
        return "for one terminal expected"
    if until_s - from_s > LONGEST_ORDER_S:
        return f"an end within {LONGEST_ORDER_S // 86_400} days of its beginning expected"
    return None


def trust_fault(trust: Trust) -> str | None:
    """Why nobody may rely on a list of persons; None where one may."""
    if not 1 <= len(trust.persons) <= MOST_PERSONS:
        return f"1 to {MOST_PERSONS} persons expected"
    if any(of.TEXT.refusal(one.name) or "," in one.name or len(one.name) > 64 for one in trust.persons):
        return "names of 1 to 64 printable characters without commas expected"
    if len({one.public for one in trust.persons}) != len(trust.persons):
        return "a key of their own for each person expected"
    for kind, needed in trust.thresholds.items():
        able = {one.name for one in trust.persons if kind in one.kinds}
        fewest = FEWEST_GRAVE if kind in (GRAVE_KIND, TRUST_KIND) else 1
        if not fewest <= needed <= len(able):
            return f"thresholds: {fewest} or more, and no more than may sign, expected"
    if not {ORDER_KIND, GRAVE_KIND, TRUST_KIND} <= trust.thresholds.keys():
        return f"thresholds for {ORDER_KIND}, {GRAVE_KIND} and {TRUST_KIND} expected"
    return None
