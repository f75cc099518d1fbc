# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The events of a terminal: one registry as data, strict making, words for people. Sends and stores nothing.

Every kind lists its fields with their type, so a reader of the registry knows that no field carries card data; see
:mod:`protocols.telemetry.fields` for how that is kept. A kind's phrases are what a person reads: a phrase is left out
when one of its optional fields is absent.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from protocols.currency import BY_ALPHA
from protocols.errors import EncodeError
from protocols.telemetry.event_kinds import EventKind, Field, Lane
from protocols.telemetry.fields import Value, fit
from protocols.telemetry.house_events import HOUSE_EVENTS
from protocols.telemetry.payment_events import PAYMENT_EVENTS

__all__ = ["KINDS", "Event", "EventKind", "Field", "Lane", "Value", "check", "fit", "make", "words"]

TIME_MS = range(1 << 53)  # what every JSON reader keeps exact (RFC 8259, 6); year 287396


class Event(NamedTuple):
    """Something that happened on a terminal, checked against the registry. ``at_ms`` is Unix time in milliseconds.

    A tuple, as a report is: an ingest makes one of each for every report that it takes.
    """

    name: str
    at_ms: int
    fields: Mapping[str, Value]


KINDS: Mapping[str, EventKind] = {kind.name: kind for kind in (*HOUSE_EVENTS, *PAYMENT_EVENTS)}
_FIELDS = {
    kind.name: {field.name: (field.kind.type, field.kind.holds, field.kind.expected) for field in kind.fields}
    for kind in KINDS.values()
}
_REQUIRED = {kind.name: frozenset(field.name for field in kind.fields if not field.optional) for kind in KINDS.values()}


def make(name: str, at_ms: int, **fields: Value) -> Event:
    """An event of the kind ``name``; raises :class:`EncodeError` that names what does not fit and quotes no value."""
    event = Event(name, at_ms, fields)
    if fault := check(event):
        raise EncodeError(f"event {fault}")
    return event


def check(event: Event) -> str | None:
    """What is wrong with an event, in words that quote no value; None where it is sound."""
    kind = KINDS.get(event.name)
    if kind is None:
        return f"of an unknown kind; known are {', '.join(KINDS)}"
    if type(event.at_ms) is not int or event.at_ms not in TIME_MS:
        return f"{kind.name}: time: milliseconds since 1970 expected, below 2**53"
    known = _FIELDS[event.name]
    for name, value in event.fields.items():
        if (field := known.get(name)) is None:
            return f"{kind.name}: a field that it does not have; it has {', '.join(known) or 'none'}"
        expected_type, holds, expected = field
        if type(value) is not expected_type or not holds(value):
            return f"{kind.name}: {name}: {expected} expected"
    if not _REQUIRED[event.name] <= event.fields.keys():
        missing = next(field.name for field in kind.fields if not field.optional and field.name not in event.fields)
        return f"{kind.name}: {missing} is missing"
    return None


def words(event: Event) -> str:
    """One line for a person; an amount with its currency, everything else as it is."""
    kind = KINDS[event.name]
    shown = {name: str(value) for name, value in event.fields.items()}
    amount, currency = event.fields.get("amount"), BY_ALPHA.get(shown.get("currency", ""))
    if isinstance(amount, int) and currency is not None:
        shown["amount"] = currency.words(amount)
    taken = (phrase for phrase in kind.phrases if all(name in shown for name in re.findall(r"\{(\w+)\}", phrase)))
    return ", ".join(phrase.format_map(shown) for phrase in taken)
