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
from enum import StrEnum

from protocols.currency import BY_ALPHA
from protocols.errors import EncodeError
from protocols.telemetry import fields as of
from protocols.telemetry.fields import Value, fit

__all__ = ["KINDS", "Event", "EventKind", "Field", "Lane", "Value", "check", "fit", "make", "words"]

STANDINGS = ("open", "locked", "frozen")
"""What a terminal may do: everything; no payment; nothing but answer."""
TIME_MS = range(1 << 53)  # what every JSON reader keeps exact (RFC 8259, 6); year 287396


class Lane(StrEnum):
    """How soon head office should have it; also the last level of the topic. In order of precedence."""

    ALERT = "alert"
    ACK = "ack"
    HEALTH = "health"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a terminal, checked against the registry. ``at_ms`` is Unix time in milliseconds."""

    name: str
    at_ms: int
    fields: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a kind of event."""

    name: str
    kind: of.Kind
    words: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of event: its lane, its fields, and how it reads."""

    name: str
    lane: Lane
    phrases: tuple[str, ...]
    fields: tuple[Field, ...] = ()


_REASON = Field("reason", of.TEXT, "why, in words")
_PAYMENT = Field("payment", of.IDENTIFIER, "the payment's identifier on this terminal")
_DEVICE = Field("device", of.IDENTIFIER, "reader, pad or another device of the profile")
_REFERENCE = Field("reference", of.IDENTIFIER, "DE37 of the request, which the acquirer knows it by")
_SLOT = Field("slot", of.IDENTIFIER, "what the key is for: pin, data, mac-master, binding, transport, credential")
_CHECK_VALUE = Field("kcv", of.CHECK_VALUE, "check value of the key")
_APPROVED = Field("approved", of.TEXT, "names of the custodians' keys that signed", optional=True)
_MS = Field("ms", of.NUMBER, "milliseconds since the payment began")

_ORDER = Field("order", of.IDENTIFIER, "the order's identifier, as head office gave it")
_COMMAND = Field("command", of.IDENTIFIER, "which order")
_ORDER_NUMBER = Field("sequence", of.NUMBER, "the order's place in the terminal's sequence")
_PERSON = Field("person", of.TEXT, "the technician's name")
_ACTION = Field("action", of.IDENTIFIER, "for what: diagnostics, devices, recover, keys")
_PERSONS = Field("persons", of.TEXT, "who signed it")
_USB = (
    Field("port", of.IDENTIFIER, "where it is plugged in, as the kernel names it"),
    Field("device", of.TEXT, "its ids and the name that it gives itself, escaped"),
    Field("rule", of.TEXT, "the rule that decided"),
    _REASON,
)

_ALL = (
    EventKind(
        "agent.started",
        Lane.HEALTH,
        ("agent {version} started", "reader {reader}", "pad {pad}"),
        (
            Field("version", of.IDENTIFIER, "version of the agent"),
            Field("reader", of.IDENTIFIER, "model of the card reader", optional=True),
            Field("pad", of.IDENTIFIER, "model of the PIN pad", optional=True),
        ),
    ),
    EventKind("agent.stopping", Lane.HEALTH, ("agent stopping",)),
    EventKind("agent.lost", Lane.HEALTH, ("the connection ended without a word",)),
    EventKind(
        "agent.heartbeat",
        Lane.HEALTH,
        ("here", "{standing}", "the next word within {every_s} s", "{waiting} reports wait for a receipt"),
        (
            Field("every_s", of.NUMBER, "the longest time until the next heartbeat, in seconds"),
            Field("standing", of.one_of(*STANDINGS), "what the terminal may do"),
            Field("waiting", of.NUMBER, "reports without a receipt"),
        ),
    ),
    EventKind(
        "audit.head",
        Lane.HEALTH,
        ("audit log: {records} records", "head {head}"),
        (
            Field("records", of.NUMBER, "records in the audit log"),
            Field("head", of.HASH, "hash of the last one"),
        ),
    ),
    EventKind(
        "payment.step",
        Lane.BULK,
        ("payment {payment}", "{ms} ms", "{wire}: {step}", "{words}"),
        (
            _PAYMENT,
            Field("step", of.IDENTIFIER, "the step's name"),
            Field("wire", of.IDENTIFIER, "which wire it went over"),
            Field("words", of.TEXT, "what happened, in words", optional=True),
            _MS,
        ),
    ),
    EventKind(
        "payment.question",
        Lane.BULK,
        ("payment {payment} asks about the {about}", "{options}"),
        (
            _PAYMENT,
            Field("about", of.one_of("application", "signature"), "what a person is asked"),
            Field("options", of.TEXT, "numbered answers; 0 is none of them"),
        ),
    ),
    EventKind(
        "payment.finished",
        Lane.HEALTH,
        (
            "payment {payment} {outcome}",
            "{amount}",
            "code {response_code}",
            "{reason}",
            "card {masked_pan}",
            "KSN {ksn}",
            "{ms} ms",
        ),
        (
            _PAYMENT,
            Field("outcome", of.one_of("approved", "declined", "cancelled", "failed"), "how it ended"),
            Field("reason", of.TEXT, "why, in words", optional=True),
            Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39", optional=True),
            Field("amount", of.NUMBER, "in minor units of the currency"),
            Field("currency", of.CURRENCY, "ISO 4217 alphabetic code"),
            Field("masked_pan", of.MASKED_PAN, "the account number, masked", optional=True),
            Field("pan_ref", of.IDENTIFIER, "a name for the account number in this one payment", optional=True),
            Field("ksn", of.KSN, "key serial number of the PIN block", optional=True),
            _MS,
        ),
    ),
    EventKind(
        "reversal.owed",
        Lane.HEALTH,
        ("reversal owed", "payment {payment}", "{amount}", "reference {reference}", "{reason}"),
        (
            Field("payment", of.IDENTIFIER, "the payment that is taken back", optional=True),
            _REFERENCE,
            Field("amount", of.NUMBER, "in minor units of the currency"),
            Field("currency", of.CURRENCY, "ISO 4217 alphabetic code"),
            _REASON,
        ),
    ),
    EventKind(
        "reversal.settled",
        Lane.HEALTH,
        ("reversal settled", "payment {payment}", "reference {reference}", "code {response_code}", "sendings {sent}"),
        (
            Field("payment", of.IDENTIFIER, "the payment that was taken back", optional=True),
            _REFERENCE,
            Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39 to the reversal"),
            Field("sent", of.NUMBER, "how often it was sent"),
        ),
    ),
    EventKind(
        "advice.owed",
        Lane.HEALTH,
        ("advice owed", "payment {payment}", "reference {reference}", "code {response_code}"),
        (
            _PAYMENT,
            _REFERENCE,
            Field("response_code", of.RESPONSE_CODE, "the terminal's DE39: why it approved without the acquirer"),
        ),
    ),
    EventKind(
        "advice.settled",
        Lane.HEALTH,
        ("advice settled", "payment {payment}", "reference {reference}", "code {response_code}", "sendings {sent}"),
        (
            _PAYMENT,
            _REFERENCE,
            Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39 to the advice"),
            Field("sent", of.NUMBER, "how often it was sent"),
        ),
    ),
    EventKind(
        "advice.refused",
        Lane.ALERT,
        ("advice refused", "payment {payment}", "reference {reference}", "code {response_code}"),
        (_PAYMENT, _REFERENCE, Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39 to the advice")),
    ),
    EventKind("advice.stuck", Lane.ALERT, ("advices cannot be sent", "{reason}"), (_REASON,)),
    EventKind("payments.stopped", Lane.ALERT, ("no payments are taken", "{reason}"), (_REASON,)),
    EventKind("payments.resumed", Lane.HEALTH, ("payments are taken again",)),
    EventKind(
        "payment.alert",
        Lane.ALERT,
        ("payment {payment}", "{alert}"),
        (_PAYMENT, Field("alert", of.TEXT, "what the EMV machine noticed: a sign of an attack, not proof of one")),
    ),
    EventKind("device.lost", Lane.ALERT, ("{device} lost", "{reason}"), (_DEVICE, _REASON)),
    EventKind("device.back", Lane.HEALTH, ("{device} back",), (_DEVICE,)),
    EventKind("audit.fault", Lane.ALERT, ("audit log faulty", "{reason}"), (_REASON,)),
    EventKind(
        "vault.tampered",
        Lane.ALERT,
        ("the vault destroyed all its keys", "tamper input: {source}"),
        (Field("source", of.TEXT, "which input said so"),),
    ),
    EventKind(
        "vault.renewed",
        Lane.ALERT,
        ("the vault begins again without keys", "after: {source}", "approved by {approved}"),
        (Field("source", of.TEXT, "which tamper input had destroyed its keys"), _APPROVED),
    ),
    EventKind(
        "vault.alert",
        Lane.ALERT,
        ("vault", "{alert}"),
        (Field("alert", of.TEXT, "a fence that is missing, a key near its end, PINs too fast, a keypad that went"),),
    ),
    EventKind(
        "key.loaded",
        Lane.HEALTH,
        ("key {kcv} loaded into slot {slot}", "approved by {approved}"),
        (_SLOT, _CHECK_VALUE, _APPROVED),
    ),
    EventKind(
        "key.bound",
        Lane.HEALTH,
        ("keys by certificate: {bond}", "approved by {approved}"),
        (Field("bond", of.TEXT, "to which key distribution host the vault is bound"), _APPROVED),
    ),
    EventKind(
        "key.destroyed",
        Lane.HEALTH,
        ("key {kcv} of slot {slot} destroyed", "{reason}", "approved by {approved}"),
        (_SLOT, _CHECK_VALUE, _REASON, _APPROVED),
    ),
    EventKind(
        "host.signed_on",
        Lane.HEALTH,
        ("signed on at the acquirer", "session key {kcv}"),
        (Field("kcv", of.CHECK_VALUE, "check value of the MAC session key"),),
    ),
    EventKind("host.refused", Lane.ALERT, ("refused the acquirer's answer", "{reason}"), (_REASON,)),
    EventKind(
        "clock.jumped",
        Lane.ALERT,
        ("wall clock jumped by {by_ms} ms",),
        (Field("by_ms", of.NUMBER, "how far, forward positive"),),
    ),
    EventKind(
        "report.dropped",
        Lane.ALERT,
        (
            "{count} reports dropped from a full outbox",
            "lane {lane}",
            "numbers {ranges}",
            "{epoch_back} before this life",
        ),
        (
            Field("count", of.NUMBER, "how many"),
            Field("lane", of.one_of(*(lane.value for lane in Lane)), "of which lane, if known", optional=True),
            Field("epoch_back", of.NUMBER, "how much lower than this report's boot theirs is"),
            Field("ranges", of.RANGES, "their sequence numbers"),
        ),
    ),
    EventKind(
        "order.done",
        Lane.ACK,
        ("order {order} ({command}) of {persons} done", "{result}"),
        (_ORDER, _COMMAND, _ORDER_NUMBER, _PERSONS, Field("result", of.TEXT, "what was done, in words")),
    ),
    EventKind(
        "order.refused",
        Lane.ACK,
        ("order {order} ({command}) refused", "{reason}"),
        (
            _ORDER,
            Field("command", of.IDENTIFIER, "which order", optional=True),
            _ORDER_NUMBER,
            _PERSONS,
            _REASON,
        ),
    ),
    EventKind(
        "order.alert",
        Lane.ALERT,
        ("what came as an order is not believed", "{cause}", "{reason}"),
        (Field("cause", of.IDENTIFIER, "why, in one word for programs"), _REASON),
    ),
    EventKind(
        "certificate.promoted",
        Lane.ACK,
        ("the new certificate is in use", "slot {slot}"),
        (Field("slot", of.IDENTIFIER, "where it lies: a or b"),),
    ),
    EventKind("certificate.refused", Lane.ALERT, ("the new certificate does not work", "{reason}"), (_REASON,)),
    EventKind(
        "technician.granted",
        Lane.ACK,
        ("{person} may: {actions}",),
        (_PERSON, Field("actions", of.TEXT, "what head office lets them do here")),
    ),
    EventKind(
        "technician.entered",
        Lane.HEALTH,
        ("{person} was let in for {action}", "granted by {persons}"),
        (_PERSON, _ACTION, Field("persons", of.TEXT, "who granted it")),
    ),
    EventKind(
        "technician.refused",
        Lane.ALERT,
        ("{person} was not let in for {action}", "{reason}"),
        (_PERSON, _ACTION, _REASON),
    ),
    EventKind(
        "trust.rotated",
        Lane.ACK,
        ("persons' keys exchanged by {persons}", "version {version}"),
        (_PERSONS, Field("version", of.NUMBER, "version of the new list of persons")),
    ),
    EventKind(
        "diagnostics",
        Lane.BULK,
        ("diagnostics for order {order}", "{part}: {words}"),
        (_ORDER, Field("part", of.IDENTIFIER, "what it is about"), Field("words", of.TEXT, "how it stands")),
    ),
    EventKind("usb.blocked", Lane.ALERT, ("port {port} barred", "{device}", "rule {rule}", "{reason}"), _USB),
    EventKind("usb.allowed", Lane.HEALTH, ("port {port} let in", "{device}", "rule {rule}", "{reason}"), _USB),
    EventKind("usb.alarm", Lane.ALERT, ("USB warden", "{reason}"), (_REASON,)),
    EventKind(
        "warden.head",
        Lane.HEALTH,
        ("the warden's chain has {records} records", "the last is {hash}"),
        (
            Field("records", of.NUMBER, "how many records it has"),
            Field("hash", of.HASH, "of the last one"),
        ),
    ),
)

KINDS: Mapping[str, EventKind] = {kind.name: kind for kind in _ALL}
_FIELD_NAMES = {kind.name: frozenset(field.name for field in kind.fields) for kind in _ALL}


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
