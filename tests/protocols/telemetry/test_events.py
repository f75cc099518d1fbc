# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The registry of events: what is sound is made, what is not is refused in words that quote no value."""

from typing import Any

import pytest

from protocols.errors import EncodeError
from protocols.telemetry.events import KINDS, Event, Lane, check, make, words

AT = 1_763_800_000_000
PAN = "4111111111111111"  # public test number
FINISHED: dict[str, Any] = {
    "payment": "p-1",
    "outcome": "approved",
    "response_code": "00",
    "amount": 4200,
    "currency": "EUR",
    "masked_pan": "400000******0016",
    "ksn": "FFFF9876543210E00001",
    "ms": 812,
}
SOUND: dict[str, dict[str, Any]] = {
    "agent.started": {"version": "0.1.0", "reader": "pn532", "pad": "ipp-uic"},
    "agent.stopping": {},
    "agent.lost": {},
    "agent.heartbeat": {"every_s": 60, "standing": "open", "waiting": 3},
    "audit.head": {"records": 1_234, "head": "a0" * 32},
    "payment.step": {"payment": "p-1", "step": "gpo", "wire": "reader", "words": "TTQ 36 00 40 00", "ms": 12},
    "payment.question": {"payment": "p-1", "about": "application", "options": "1 TEST VISA; 2 TEST DEBIT"},
    "payment.finished": FINISHED,
    "payment.alert": {"payment": "p1", "alert": "card.brand-mismatch"},
    "device.lost": {"device": "reader", "reason": "the line is gone"},
    "device.back": {"device": "reader"},
    "audit.fault": {"reason": "record 5: changed"},
    "vault.tampered": {"source": "tamper input"},
    "vault.alert": {"alert": "fence landlock MISSING"},
    "key.loaded": {"slot": "mac-master", "kcv": "A1B2C3", "approved": "8A7B6C5D 1122AABB"},
    "vault.renewed": {"source": "tamper input", "approved": "A1B2C3D4 E5F60718"},
    "key.bound": {"bond": "bound to CN=host 1,O=Bank", "approved": "A1B2C3D4 E5F60718"},
    "key.destroyed": {"slot": "pin", "kcv": "A1B2C3D4E5", "reason": "rotated"},
    "host.signed_on": {"kcv": "A1B2C3"},
    "host.refused": {"reason": "the MAC is not right"},
    "clock.jumped": {"by_ms": -3_600_000},
    "reversal.owed": {
        "payment": "p-1",
        "reference": "614307000012",
        "amount": 4200,
        "currency": "EUR",
        "reason": "the host did not answer",
    },
    "reversal.settled": {"payment": "p-1", "reference": "614307000012", "response_code": "00", "sent": 2},
    "advice.owed": {"payment": "p-1", "reference": "614307000012", "response_code": "Y1"},
    "advice.settled": {"payment": "p-1", "reference": "614307000012", "response_code": "00", "sent": 2},
    "advice.refused": {"payment": "p-1", "reference": "614307000012", "response_code": "14"},
    "advice.stuck": {"reason": "not the key of what was sealed"},
    "payments.stopped": {"reason": "no room to record a payment"},
    "payments.resumed": {},
    "report.dropped": {"count": 20, "lane": "bulk", "epoch_back": 86_400_000, "ranges": "1..5,7,9..12"},
    "order.done": {"order": "o-1", "command": "lock", "sequence": 7, "persons": "anna, bernd", "result": "locked"},
    "order.refused": {
        "order": "o-1",
        "command": "lock",
        "sequence": 7,
        "persons": "anna",
        "reason": "its time is over",
    },
    "order.alert": {"cause": "nobody", "reason": "no known key signed it"},
    "trust.rotated": {"persons": "anna, bernd", "version": 2},
    "diagnostics": {"order": "o-1", "part": "outbox", "words": "3 reports wait"},
    "certificate.due": {"ends": "2026-12-01 12:00 UTC"},
    "certificate.requested": {"document": "apbc"},
    "certificate.promoted": {"slot": "b"},
    "certificate.refused": {"reason": "the broker refuses the certificate"},
    "technician.granted": {"person": "Tess Till", "actions": "diagnostics, recover"},
    "technician.entered": {"person": "Tess Till", "action": "diagnostics", "persons": "anna"},
    "technician.refused": {"person": "Tess Till", "action": "keys", "reason": "no grant of that name"},
    "usb.blocked": {"port": "1-2.3", "device": "16c0:27db Keyboard", "rule": "implicit", "reason": "blocked: no rule"},
    "usb.allowed": {"port": "1-2.1", "device": "11ca:0220 PIN pad", "rule": "pad", "reason": "allowed by rule pad"},
    "usb.alarm": {"reason": "the kernel argument is missing"},
    "warden.head": {"records": 12, "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
}


def test_every_kind_has_an_example_here() -> None:
    assert set(SOUND) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_sound_events_are_made_and_read_well(name: str) -> None:
    event = make(name, AT, **SOUND[name])
    assert (event.name, event.at_ms, dict(event.fields)) == (name, AT, SOUND[name])
    assert check(event) is None
    text = words(event)
    assert text
    assert "{" not in text
    assert "None" not in text


@pytest.mark.parametrize("name", KINDS)
def test_optional_fields_may_be_absent_and_the_others_may_not(name: str) -> None:
    required = {field.name for field in KINDS[name].fields if not field.optional}
    event = make(name, AT, **{key: value for key, value in SOUND[name].items() if key in required})
    assert "{" not in words(event)
    for missing in required:
        with pytest.raises(EncodeError, match=f"{name}: {missing} is missing"):
            make(name, AT, **{key: value for key, value in SOUND[name].items() if key != missing})


def test_no_field_of_any_kind_takes_an_account_number() -> None:
    for kind in KINDS.values():
        for field in kind.fields:
            for value in (PAN, int(PAN), f"{PAN[:4]} {PAN[4:8]} {PAN[8:12]} {PAN[12:]}", f"0{PAN}"):
                with pytest.raises(EncodeError) as caught:
                    make(kind.name, AT, **{**SOUND[kind.name], field.name: value})
                assert PAN not in str(caught.value)
                assert field.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "at_ms", "fields", "fault"),
    [
        ("payment.nothing", AT, {}, "unknown kind"),
        ("agent.stopping", AT, {"reason": "x"}, "a field that it does not have"),
        ("agent.stopping", -1, {}, "time"),
        ("agent.stopping", 1 << 53, {}, "time"),
        ("agent.stopping", 1.0, {}, "time"),
        ("payment.finished", AT, {**FINISHED, "outcome": "perhaps"}, "outcome: one of approved"),
        ("payment.finished", AT, {**FINISHED, "reason": None}, "reason: "),
        ("payment.finished", AT, {**FINISHED, "reason": "a\x1b[2Jb"}, "reason: "),
        ("payment.finished", AT, {**FINISHED, "amount": "42.00"}, "amount: "),
    ],
)
def test_what_is_not_sound_is_refused(name: str, at_ms: Any, fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(EncodeError, match=fault):
        make(name, at_ms, **fields)


def test_words_of_a_payment() -> None:
    assert words(make("payment.finished", AT, **FINISHED)) == (
        "payment p-1 approved, EUR 42.00, code 00, card 400000******0016, KSN FFFF9876543210E00001, 812 ms"
    )
    declined = {
        "payment": "p-2",
        "outcome": "declined",
        "reason": "incorrect PIN",
        "amount": 500,
        "currency": "JPY",
        "ms": 5,
    }
    assert words(make("payment.finished", AT, **declined)) == "payment p-2 declined, JPY 500, incorrect PIN, 5 ms"


def test_a_lane_for_each_kind_and_alerts_first() -> None:
    assert KINDS["device.lost"].lane is Lane.ALERT
    assert KINDS["payment.step"].lane is Lane.BULK
    assert [lane.value for lane in Lane] == ["alert", "ack", "health", "bulk"]


def test_check_says_what_make_raises() -> None:
    assert check(Event("agent.stopping", AT, {"x": 1})) == "agent.stopping: a field that it does not have; it has none"
