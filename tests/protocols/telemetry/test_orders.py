# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders and the persons who give them: each reason to refuse, one test; every order of the table round trips."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.ed25519 import verify
from protocols.errors import DecodeError, EncodeError
from protocols.signed import Cause, Envelope, Floor, Person, Refused, Statement, Trust, read
from protocols.telemetry.orders import (
    GRAVE_KIND,
    LARGEST_ORDER,
    LONGEST_ORDER_S,
    ORDER_KIND,
    ORDERS,
    TRUST_KIND,
    NotAnOrder,
    Order,
    Room,
    believe_order,
    identifier_of,
    order_statement,
    read_trust,
    rotate,
    trust_statement,
)
from tests.protocols.persons import key, sealed

NOW = 1_800_000_000
TERMINAL = "TG000001"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "ping": {},
    "lock": {"reason": "stolen?"},
    "unlock": {"reason": "found"},
    "freeze": {"reason": "inquiry"},
    "thaw": {"reason": "inquiry over"},
    "policy": {"statement": "{}"},
    "profile": {"statement": "{}"},
    "exception": {"name": "visit", "statement": "{}"},
    "rotate-keys": {"slot": "pin", "block": "D0016" + "0" * 40},
    "renew-certificate": {},
    "certificate": {"answer": "apbc"},
    "diagnostics": {},
    "resend": {"boot": 2**62, "first": 1, "last": 9},
}
KINDS = (ORDER_KIND, GRAVE_KIND, TRUST_KIND)


def persons(*names: str, grave: int = 2) -> Trust:
    people = tuple(Person(name, key(name).public, frozenset(KINDS)) for name in names)
    return Trust(people, {ORDER_KIND: 1, GRAVE_KIND: grave, TRUST_KIND: 2})


TRUST = persons("anna", "bernd", "clara")


def order(name: str = "lock", sequence: int = 7, **changes: Any) -> Statement:
    made = order_statement(TERMINAL, sequence, NOW - 60, NOW + 600, "o-1", name, **ARGUMENTS[name])
    return Statement(**{**{field: getattr(made, field) for field in Statement.__dataclass_fields__}, **changes})


def believed(envelope: Envelope, *, now_s: int = NOW, floor: Floor | None = None, trust: Trust = TRUST) -> Order:
    return believe_order(envelope, trust, verify, terminal=TERMINAL, now_s=now_s, floor=floor)


def test_the_table() -> None:
    assert set(ARGUMENTS) == set(ORDERS)
    assert {name for name, kind in ORDERS.items() if kind.grave} == {
        "unlock", "thaw", "policy", "profile", "rotate-keys"
    }  # fmt: skip
    assert {kind.room for kind in ORDERS.values()} == set(Room)


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_round_trips(name: str) -> None:
    signers = ("anna", "bernd") if ORDERS[name].grave else ("anna",)
    envelope = read(sealed(order(name), *signers).encode())
    found = believed(envelope)
    assert (found.id, found.kind.name, dict(found.arguments), found.sequence) == ("o-1", name, ARGUMENTS[name], 7)
    assert found.believed.persons == signers
    assert identifier_of(found.believed.statement.body) == "o-1"
    with pytest.raises(Refused) as caught:  # and once only
        believed(envelope, floor=found.believed.floor)
    assert caught.value.cause is Cause.AGAIN


@pytest.mark.parametrize("name", [name for name, kind in ORDERS.items() if kind.grave])
def test_a_grave_order_takes_two_persons(name: str) -> None:
    for signers in (("anna",), ("anna", "anna")):
        with pytest.raises(Refused) as caught:
            believed(sealed(order(name), *signers))
        assert caught.value.cause is Cause.TOO_FEW


@pytest.mark.parametrize("name", [name for name, kind in ORDERS.items() if kind.grave])
def test_a_grave_order_under_the_light_kind_is_none(name: str) -> None:
    with pytest.raises(NotAnOrder, match="under a statement of kind order-grave expected") as caught:
        believed(sealed(order(name, kind=ORDER_KIND), "anna", "bernd"))
    assert caught.value.believed.persons == ("anna", "bernd")


@pytest.mark.parametrize(
    ("envelope", "now_s", "floor", "cause"),
    [
        (Envelope(order().encode()), NOW, None, Cause.NOBODY),
        (sealed(order(), "mallory"), NOW, None, Cause.NOBODY),
        (Envelope(order().encode(), sealed(order(sequence=8), "anna").signatures), NOW, None, Cause.NOBODY),
        (sealed(order(audience="TG000002"), "anna"), NOW, None, Cause.OTHER_TERMINAL),
        (sealed(order(), "anna"), NOW - 61, None, Cause.NOT_YET),
        (sealed(order(), "anna"), NOW + 600, None, Cause.OVER),
        (sealed(order(), "anna"), NOW, Floor(8, "x"), Cause.OLD),
        (sealed(order(), "anna"), NOW, Floor(7, "x"), Cause.TWIN),
        (sealed(order(kind="usb-policy"), "anna"), NOW, None, Cause.OTHER_KIND),
    ],
)
def test_why_an_order_is_not_believed(envelope: Envelope, now_s: int, floor: Floor | None, cause: Cause) -> None:
    with pytest.raises(Refused) as caught:
        believed(envelope, now_s=now_s, floor=floor)
    assert caught.value.cause is cause


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "*"},
        {"until_s": NOW + LONGEST_ORDER_S},
        {"body": "x"},
        {"body": "[]"},
        {"body": '{"id":"o-1","order":"lock"}'},
        {"body": '{"id":"o-1","order":"explode","arguments":{}}'},
        {"body": '{"id":"o-1","order":["lock"],"arguments":{}}'},
        {"body": '{"id":"o-1","order":"lock","arguments":{}}'},
        {"body": '{"id":"o-1","order":"lock","arguments":[]}'},
        {"body": '{"id":"o-1","order":"lock","arguments":{"reason":5}}'},
        {"body": '{"id":"o-1","order":"lock","arguments":{"reason":null}}'},
        {"body": '{"id":"o-1","order":"lock","arguments":{"reason":"4111111111111111"}}'},
        {"body": '{"id":"o 1","order":"lock","arguments":{"reason":"x"}}'},
        {"body": '{"id":"o-1","order":"ping","arguments":{"reason":"x"}}'},
        {"body": '{"id":"o-1","order":"resend","arguments":{"boot":1,"first":true,"last":2}}'},
        {"body": '{"id":"o-1","order":"resend","arguments":{"boot":1,"first":-1,"last":2}}'},
        {"body": '{"id":"o-1","id":"o-2","order":"ping","arguments":{}}'},
    ],
)
def test_what_persons_signed_and_no_order_is(changes: dict[str, Any]) -> None:
    with pytest.raises(NotAnOrder) as caught:
        believed(sealed(order(**changes), "anna"))
    assert caught.value.believed.statement.version == 7
    assert "4111" not in str(caught.value)


@given(st.text(max_size=120))
@settings(max_examples=200, deadline=None)
def test_any_signed_text_is_an_order_or_refused(body: str) -> None:
    with pytest.raises(NotAnOrder):
        believed(sealed(order(body=body), "anna"))


@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("explode", {}, "one of ping"),
        ("lock", {}, "reason expected"),
        ("lock", {"reason": ""}, "printable"),
        ("ping", {"reason": "x"}, "none expected"),
        ("policy", {"statement": "x" * 40_001}, "40000 printable"),
    ],
)
def test_what_no_terminal_would_take_is_not_made(name: str, arguments: dict[str, Any], fault: str) -> None:
    with pytest.raises(EncodeError, match=fault):
        order_statement(TERMINAL, 1, NOW, NOW + 60, "o-1", name, **arguments)


def test_the_largest_order_fits() -> None:
    made = order_statement(TERMINAL, 1, NOW, NOW + 60, "o-1", "policy", statement="x" * 40_000)
    assert len(sealed(made, "anna", "bernd", "clara").encode()) <= LARGEST_ORDER


def rotated(envelope: Envelope, floor: Floor | None = None, trust: Trust = TRUST) -> Trust:
    return rotate(envelope, trust, verify, terminal=TERMINAL, now_s=NOW, floor=floor or Floor(4, "x"))[0]


FRESH = persons("clara", "doris", "emil")


def test_persons_are_exchanged_by_old_and_new() -> None:
    statement = trust_statement(FRESH, 5, NOW - 60, NOW + 600)
    assert rotated(sealed(statement, "anna", "bernd", "doris", "emil")) == FRESH
    assert rotated(sealed(statement, "anna", "clara", "doris")) == FRESH
    assert read_trust(statement.body) == FRESH


@pytest.mark.parametrize(
    ("signers", "version", "cause"),
    [
        (("anna", "bernd"), 5, Cause.NOBODY),
        (("anna", "bernd", "doris"), 5, Cause.TOO_FEW),
        (("doris", "emil"), 5, Cause.NOBODY),
        (("clara", "doris", "emil"), 5, Cause.TOO_FEW),
        (("anna", "clara", "doris"), 6, Cause.SKIPS),
        (("anna", "clara", "doris"), 4, Cause.TWIN),
        (("anna", "clara", "doris"), 3, Cause.OLD),
    ],
)
def test_why_an_exchange_is_not_believed(signers: tuple[str, ...], version: int, cause: Cause) -> None:
    with pytest.raises(Refused) as caught:
        rotated(sealed(trust_statement(FRESH, version, NOW - 60, NOW + 600), *signers))
    assert caught.value.cause is cause


def test_an_exchange_counts_once() -> None:
    envelope = sealed(trust_statement(FRESH, 5, NOW - 60, NOW + 600), "anna", "clara", "doris")
    _, found = rotate(envelope, TRUST, verify, terminal=TERMINAL, now_s=NOW, floor=Floor(4, "x"))
    with pytest.raises(Refused) as caught:
        rotated(envelope, found.floor)
    assert caught.value.cause is Cause.AGAIN


def person(**members: Any) -> dict[str, Any]:
    anna = json.loads(trust_statement(TRUST, 1, 0, 1).body)["persons"][0]
    return {**anna, **members}


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"persons": {}}, "a list of persons"),
        ({"thresholds": []}, "a list of persons"),
        ({"persons": []}, "1 to 64 persons"),
        ({"persons": ["anna"]}, "name, key and kinds"),
        ({"persons": [person(name=5)]}, "a text"),
        ({"persons": [person(key="AAAA")]}, "32 octets"),
        ({"persons": [person(key="?")]}, "base64"),
        ({"persons": [person(name="a,b")]}, "commas"),
        ({"persons": [person(), person(name="other")]}, "a key of their own"),
        ({"persons": [person(kinds=[5])]}, "a text"),
        ({"thresholds": {"order": "1"}}, "whole numbers"),
        ({"thresholds": {"order": True}}, "whole numbers"),
        ({"thresholds": {"order": 1, "order-grave": 1, "trust": 2}}, "2 or more"),
        ({"thresholds": {"order": 1, "order-grave": 4, "trust": 2}}, "no more than may sign"),
        ({"thresholds": {"order": 1, "order-grave": 2}}, "thresholds for"),
    ],
)
def test_a_list_that_nobody_may_rely_on(members: dict[str, Any], fault: str) -> None:
    document = {**json.loads(trust_statement(TRUST, 1, 0, 1).body), **members}
    with pytest.raises(DecodeError, match=fault):
        read_trust(json.dumps(document))
    with pytest.raises(EncodeError):
        trust_statement(Trust((), {}), 1, 0, 1)
