# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The events of a terminal: one registry as data, strict making, words for people. Sends and stores nothing.

Every kind lists its fields with their type, so a reader of the registry knows that no field carries card data; see
:mod:`protocols.telemetry.fields` for how that is kept. A kind's phrases are what a person reads: a phrase is left out
when one of its optional fields is absent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from protocols.currency import BY_ALPHA
from protocols.errors import EncodeError
from protocols.telemetry.event_kinds import EventKind, Field, Lane
from protocols.telemetry.fields import Value, fit
from protocols.telemetry.house_events import HOUSE_EVENTS
from protocols.telemetry.payment_events import PAYMENT_EVENTS

__all__ = ["KINDS", "Event", "EventKind", "Field", "Lane", "Value", "check", "fit", "make", "words"]

TIME_MS = range(1 << 53)  # what every JSON reader keeps exact (RFC 8259, 6); year 287396


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a terminal, checked against the registry. ``at_ms`` is Unix time in milliseconds."""

    name: str
    at_ms: int
    fields: Mapping[str, Value]


KINDS: Mapping[str, EventKind] = {kind.name: kind for kind in (*HOUSE_EVENTS, *PAYMENT_EVENTS)}
_FIELD_NAMES = {kind.name: frozenset(field.name for field in kind.fields) for kind in KINDS.values()}


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
    for field in kind.fields:
        if field.name not in event.fields:
            if not field.optional:
                return f"{kind.name}: {field.name} is missing"
        elif refusal := field.kind.refusal(event.fields[field.name]):
            return f"{kind.name}: {field.name}: {refusal} expected"
    if not event.fields.keys() <= _FIELD_NAMES[kind.name]:
        return f"{kind.name}: a field that it does not have; it has {', '.join(f.name for f in kind.fields) or 'none'}"
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
