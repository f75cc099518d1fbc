# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The events of the terminal itself: its agent, orders, certificate, technicians, USB ports: data. Makes none."""

from protocols.telemetry import fields as of
from protocols.telemetry.event_kinds import REASON, EventKind, Field, Lane

STANDINGS = ("open", "locked", "frozen")
"""What a terminal may do: everything; no payment; nothing but answer."""
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
    REASON,
)

HOUSE_EVENTS = (
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
    EventKind("audit.fault", Lane.ALERT, ("audit log faulty", "{reason}"), (REASON,)),
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
        ("order {order} refused", "{command}", "{reason}"),
        (
            _ORDER,
            Field("command", of.IDENTIFIER, "which order", optional=True),
            _ORDER_NUMBER,
            _PERSONS,
            REASON,
        ),
    ),
    EventKind(
        "order.alert",
        Lane.ALERT,
        ("what came as an order is not believed", "{cause}", "{reason}"),
        (Field("cause", of.IDENTIFIER, "why, in one word for programs"), REASON),
    ),
    EventKind(
        "certificate.due",
        Lane.HEALTH,
        ("the certificate is to be renewed", "it ends at {ends}"),
        (Field("ends", of.TEXT, "when it ends, UTC"),),
    ),
    EventKind(
        "certificate.requested",
        Lane.ACK,
        ("the next certificate is applied for",),
        (Field("document", of.DOCUMENT, "the application, for which the key in use stands"),),
    ),
    EventKind(
        "certificate.promoted",
        Lane.ACK,
        ("the new certificate is in use", "slot {slot}"),
        (Field("slot", of.IDENTIFIER, "where it lies: a or b"),),
    ),
    EventKind("certificate.refused", Lane.ALERT, ("the new certificate does not work", "{reason}"), (REASON,)),
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
        (_PERSON, _ACTION, REASON),
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
    EventKind("usb.alarm", Lane.ALERT, ("USB warden", "{reason}"), (REASON,)),
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
