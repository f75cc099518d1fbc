# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The documents say what the code does: what one takes the other takes, judged by an independent validator."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from protocols.errors import DecodeError
from protocols.telemetry.envelope import WILL_EVENT, Report, decode, encode, genesis
from protocols.telemetry.events import KINDS, make
from protocols.telemetry.orders import ORDERS
from protocols.telemetry.receipt import encode_receipt, read_receipt
from protocols.telemetry.schema import asyncapi, order_schema, receipt_schema, report_schema
from scripts.lib.protocol_docs import written
from tests.protocols.telemetry.report_keys import signer
from tests.protocols.telemetry.test_events import AT, SOUND
from tests.protocols.telemetry.test_orders import order
from tests.protocols.telemetry.test_receipt import RECEIPT

REPORTS = Draft202012Validator(report_schema())
ORDER_BODIES = Draft202012Validator(order_schema())
RECEIPTS = Draft202012Validator(receipt_schema())


def report(name: str) -> dict[str, Any]:
    seq = 0 if name == WILL_EVENT else 7
    found = Report("TG000001", 5, seq, genesis("TG000001"), make(name, AT, **SOUND[name]))
    return dict(json.loads(encode(found)))


def test_the_files_are_current() -> None:
    stale = [str(path) for path, text in written().items() if path.read_text("utf-8") != text]
    assert stale == [], "run: .venv/bin/python scripts/lib/protocol_docs.py"


@pytest.mark.parametrize("schema", [report_schema(), order_schema(), receipt_schema()])
def test_each_is_a_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", KINDS)
def test_every_report_fits_its_schema(name: str) -> None:
    assert REPORTS.is_valid(report(name))


def changed(**members: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {**document, **members}


def field(name: str, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {**document, "fields": {**document["fields"], name: value}}


@pytest.mark.parametrize(
    "change",
    [
        changed(v=1),
        changed(seq=0),
        changed(seq=-1),
        changed(boot=2**63),
        changed(prev="A" * 64),
        changed(lane="bulk"),
        changed(event="agent.stopping"),
        changed(terminal="head-office"),
        changed(terminal="a/b"),
        changed(at=1 << 53),
        changed(extra=1),
        field("clear_pin", "1234"),
        field("amount", 10**12),
        field("amount", "42"),
        field("currency", "eur"),
        field("outcome", "perhaps"),
        field("masked_pan", "4111111111111111"),
        field("ksn", "FFFF"),
        field("reason", ""),
        field("reason", "x" * 201),
        field("payment", "4111111111111111"),
    ],
)
def test_what_the_code_refuses_the_schema_refuses(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    wrong = change(report("payment.finished"))
    assert not REPORTS.is_valid(wrong)
    with pytest.raises(DecodeError):
        decode(json.dumps(wrong).encode())


@pytest.mark.parametrize("name", KINDS)
def test_every_field_that_is_needed_is_needed_in_both(name: str) -> None:
    for missing in [one.name for one in KINDS[name].fields if not one.optional]:
        document = report(name)
        del document["fields"][missing]
        assert not REPORTS.is_valid(document)


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_fits_its_schema(name: str) -> None:
    body = json.loads(order(name).body)
    assert ORDER_BODIES.is_valid(body)
    assert not ORDER_BODIES.is_valid({**body, "order": "explode"})
    assert not ORDER_BODIES.is_valid({**body, "arguments": {**body["arguments"], "more": 1}})


def test_receipts_fit_their_schema() -> None:
    document = json.loads(read_receipt(encode_receipt(RECEIPT, signer("office"))).body)
    assert RECEIPTS.is_valid(document)
    for wrong in ({"v": 2}, {"upto": -1}, {"also": [[1]]}, {"also": [[1, 2, 3]]}, {"missing": [[0, 1]]}, {"more": 1}):
        assert not RECEIPTS.is_valid({**document, **wrong})


def test_topics_are_those_of_the_registry() -> None:
    document = asyncapi()
    assert set(document["channels"]) == {"alert", "ack", "health", "bulk", "receipt", "order"}
    assert document["channels"]["alert"]["address"] == "pos/v1/s{shard}/{terminal}/alert"
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
