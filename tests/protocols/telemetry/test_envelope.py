# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Reports: what is encoded decodes to the same, and nothing else decodes."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.telemetry.envelope import (
    LARGEST_REPORT,
    WILL_EVENT,
    WILL_SEQ,
    Report,
    decode,
    encode,
    genesis,
    report_hash,
    schema,
)
from protocols.telemetry.events import KINDS, Event, make
from tests.protocols.telemetry.test_events import AT, PAN, SOUND

PREV = genesis("TG000001")
REPORT = Report("TG000001", 5, 1, PREV, make("payment.finished", AT, **SOUND["payment.finished"]))
OCTETS = encode(REPORT)


def changed(**members: Any) -> bytes:
    return json.dumps({**json.loads(OCTETS), **members}).encode()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_round_trips(name: str) -> None:
    seq = WILL_SEQ if name == WILL_EVENT else 2**63 - 1
    report = Report("TG000001", 2**63 - 1, seq, PREV, make(name, AT, **SOUND[name]))
    octets = encode(report)
    assert decode(octets) == report
    assert len(octets) < LARGEST_REPORT // 2
    assert json.loads(octets)["lane"] == KINDS[name].lane.value


def test_members_and_order_as_documented() -> None:
    document = json.loads(OCTETS)
    assert list(document) == ["v", "terminal", "boot", "seq", "prev", "lane", "at", "event", "fields"]
    assert document["prev"] == hashlib.sha256(b"tillguard report chain 1\0TG000001").hexdigest()
    assert report_hash(OCTETS) == hashlib.sha256(OCTETS).hexdigest()
    assert set(schema()["$defs"]["_Wire"]["required"]) == set(document)


@pytest.mark.parametrize("length", range(len(OCTETS)))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        decode(OCTETS[:length])


@pytest.mark.parametrize(
    "octets",
    [
        changed(v=1),
        changed(v="2"),
        changed(terminal="head-office"),
        changed(terminal="a/b"),
        changed(boot=-1),
        changed(boot=2**63),
        changed(seq=0),
        changed(seq=-1),
        changed(seq=1.0),
        changed(event="agent.lost", lane="health", fields={}),
        changed(seq=True),
        changed(prev="0" * 63),
        changed(prev="A" * 64),
        changed(lane="bulk"),
        changed(at=-1),
        changed(event="payment.nothing"),
        changed(event="agent.stopping"),
        changed(fields={}),
        changed(fields=None),
        changed(fields={**SOUND["payment.finished"], "clear_pin": "x"}),
        changed(fields={**SOUND["payment.finished"], "ms": 1.5}),
        changed(fields={**SOUND["payment.finished"], "reason": {"x": 1}}),
        changed(fields={**SOUND["payment.finished"], "reason": PAN}),
        changed(extra=1),
        json.dumps({key: value for key, value in json.loads(OCTETS).items() if key != "v"}).encode(),
        b"[" * 4_000,
        b"null",
        OCTETS + b" x",
        OCTETS.replace(b"p-1", b"p\xff1"),
        changed(fields={**SOUND["payment.finished"], "reason": "x" * LARGEST_REPORT}),
    ],
)
def test_what_is_no_report_is_refused_without_quoting_it(octets: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(octets)
    assert PAN not in str(caught.value)
    assert "clear_pin" not in str(caught.value)


@pytest.mark.parametrize(
    "report",
    [
        Report("a/b", 1, 1, PREV, REPORT.event),
        Report("TG000001", -1, 1, PREV, REPORT.event),
        Report("TG000001", 1, 0, PREV, REPORT.event),
        Report("TG000001", 1, 1, PREV, make("agent.lost", AT)),
        Report("TG000001", 1, 1, "x", REPORT.event),
        Report("TG000001", 1, 1, PREV, Event("payment.nothing", AT, {})),
    ],
)
def test_what_decode_would_refuse_is_not_encoded(report: Report) -> None:
    with pytest.raises(EncodeError):
        encode(report)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)


@given(st.integers(0, len(OCTETS) - 1), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_changed_octet_decodes_to_something_else_or_not_at_all(place: int, octet: int) -> None:
    damaged = bytearray(OCTETS)
    damaged[place] = octet
    try:
        report = decode(bytes(damaged))
    except DecodeError:
        return
    assert report_hash(bytes(damaged)) == report_hash(OCTETS) or bytes(damaged) != OCTETS
    assert encode(report)
