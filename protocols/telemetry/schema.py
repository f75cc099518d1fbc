# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The wire as documents for other languages: JSON Schema of reports, receipts and orders; AsyncAPI of the topics.

Made from the registries that encode and check, so they cannot say anything else. Two rules no schema can say, and their
description does: text holds no digits that read as an account number, and a report's lane is that of its event.
"""

from collections.abc import Iterable
from typing import Any

from protocols.telemetry import batch, envelope, orders, receipt
from protocols.telemetry import fields as of
from protocols.telemetry.events import KINDS, TIME_MS, EventKind, Lane
from protocols.telemetry.topics import ORDER, RECEIPT, ROOT, SHARDS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Document = dict[str, Any]
_TERMINAL = "^(?!head-office$)[A-Za-z0-9][A-Za-z0-9-]{0,31}$"
_COUNT = {"type": "integer", "minimum": 0, "maximum": envelope.LARGEST_COUNT}
_TIME = {"type": "integer", "minimum": 0, "maximum": TIME_MS.stop - 1, "description": "milliseconds since 1970, UTC"}
_SIGNED = (
    "The payload begins with one line, `<es256|ed25519> <key id> <base64 of the signature>`, and a line's end. Signed "
    "is the context line and what follows the first line. The key id is the first 16 hexadecimal digits of SHA-256 "
    "over the key's SubjectPublicKeyInfo in DER. "
)


def report_schema() -> Document:
    """One report: one line of a batch."""
    return {
        "$schema": DRAFT,
        "title": "A report of a terminal",
        "description": "One event and its place in the terminal's story; docs/protocol.md says what the members mean.",
        "oneOf": [_report(kind) for kind in KINDS.values()],
    }


def receipt_schema() -> Document:
    """The one line of a receipt."""
    number = {"type": "integer", "minimum": 1, "maximum": envelope.LARGEST_COUNT}
    span = {"type": "array", "prefixItems": [number, number], "items": False, "minItems": 2}
    ranges = {"type": "array", "maxItems": receipt.MOST_RANGES, "items": span}
    members = {
        "v": {"const": receipt.VERSION},
        "terminal": {"type": "string", "pattern": _TERMINAL},
        "boot": _COUNT,
        "upto": {**_COUNT, "description": "all reports of this boot up to this number are committed"},
        "also": {**ranges, "description": "and these, first and last; rising, above upto"},
        "missing": {**ranges, "description": "these are asked for again; rising, above upto"},
        "at": _TIME,
        "serial": {**_COUNT, "description": "only grows for a terminal"},
    }
    return {"$schema": DRAFT, "title": "A receipt of head office", **_object(members)}


def order_schema() -> Document:
    """The body of an order's statement."""
    return {
        "$schema": DRAFT,
        "title": "An order to a terminal",
        "description": "The body of a signed statement of kind order or order-grave.",
        "oneOf": [
            {
                "title": kind.name,
                "description": f"{kind.words}; statement of kind {kind.statement_kind}",
                **_object(
                    {
                        "id": field_schema(of.IDENTIFIER),
                        "order": {"const": kind.name},
                        "arguments": _object(
                            {one.name: {**field_schema(one.kind), "description": one.words} for one in kind.arguments}
                        ),
                    }
                ),
            }
            for kind in orders.ORDERS.values()
        ],
    }


def asyncapi() -> Document:
    """The topics, who speaks on them, and what."""
    place = {
        "shard": {"description": f"first octet of SHA-256 over the terminal's name, modulo {SHARDS}, two digits"},
        "terminal": {"description": "the terminal's name; also the common name of its certificate"},
    }
    spoken = {lane.value: ("batch", lane) for lane in Lane}
    channels = {
        name: {
            "address": f"{ROOT}/s{{shard}}/{{terminal}}/{name}",
            "parameters": place,
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        }
        for name, message in [*((name, "batch") for name in spoken), (RECEIPT, "receipt"), (ORDER, "order")]
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tillguard: terminals and head office",
            "version": str(envelope.VERSION),
            "description": "MQTT 5.0, TLS 1.3 with client certificates, QoS 1, nothing retained. See docs/protocol.md.",
        },
        "defaultContentType": "application/octet-stream",
        "channels": channels,
        "operations": {
            **{
                f"report-{lane.value}": _operation("send", lane.value, f"the terminal reports on lane {lane.value}")
                for lane in Lane
            },
            "hear-receipts": _operation("receive", RECEIPT, "head office says what it has committed"),
            "hear-orders": _operation("receive", ORDER, "persons give an order; head office carries it"),
        },
        "components": {
            "messages": {
                "batch": {
                    "title": f"1 to {batch.MOST_REPORTS} reports of one boot and lane; an alert alone",
                    "description": _SIGNED + f"Context: `{batch.CONTEXT.decode().strip()}`. Each further line is a "
                    f"report. At most {batch.LARGEST_BATCH} octets.",
                    "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": "report.schema.json"}},
                },
                "receipt": {
                    "title": "What head office has of one boot of the terminal",
                    "description": _SIGNED + f"Context: `{receipt.CONTEXT.decode().strip()}`. One further line. "
                    f"At most {receipt.LARGEST_RECEIPT} octets.",
                    "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": "receipt.schema.json"}},
                },
                "order": {
                    "title": "A statement that persons signed with their own keys",
                    "description": f"An envelope of signed statements. At most {orders.LARGEST_ORDER} octets; with a "
                    "message expiry, never retained.",
                    "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": "order.schema.json"}},
                },
            }
        },
    }


_FORMAT = "application/schema+json;version=draft-2020-12"


def field_schema(kind: of.Kind) -> Document:
    """What a field of this kind may hold."""
    if kind.choices:
        return {"enum": list(kind.choices)}
    if kind.pattern:
        return {"type": "string", "pattern": f"^(?:{kind.pattern})$"}
    return dict(_PLAIN[kind.name])


_PLAIN: dict[str, Document] = {
    of.TEXT.name: {"type": "string", "minLength": 1, "maxLength": of.LONGEST_TEXT},
    of.NUMBER.name: {"type": "integer", "minimum": -of.LARGEST_NUMBER, "maximum": of.LARGEST_NUMBER},
    of.COUNT.name: _COUNT,
    of.ENVELOPE.name: {"type": "string", "pattern": "^[ -~]+$", "maxLength": of.LONGEST_ENVELOPE},
}


def _report(kind: EventKind) -> Document:
    will = kind.name == envelope.WILL_EVENT
    fields = {field.name: {**field_schema(field.kind), "description": field.words} for field in kind.fields}
    required = [field.name for field in kind.fields if not field.optional]
    members = {
        "v": {"const": envelope.VERSION},
        "terminal": {"type": "string", "pattern": _TERMINAL},
        "boot": _COUNT,
        "seq": {"const": envelope.WILL_SEQ} if will else {**_COUNT, "minimum": 1},
        "prev": field_schema(of.HASH),
        "lane": {"const": kind.lane.value},
        "at": _TIME,
        "event": {"const": kind.name},
        "fields": _object(fields, required),
    }
    return {"title": kind.name, "description": ", ".join(kind.phrases), **_object(members)}


def _object(members: Document, required: Iterable[str] | None = None) -> Document:
    return {
        "type": "object",
        "properties": members,
        "required": list(members if required is None else required),
        "additionalProperties": False,
    }


def _operation(action: str, channel: str, summary: str) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}
