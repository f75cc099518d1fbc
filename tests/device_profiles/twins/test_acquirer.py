# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The acquirer twin before a real HSM engine: what it approves, what it refuses and with which words."""

import json
from dataclasses import replace
from typing import Any

import pytest

from device_profiles.acquirer_profile import load_acquirer
from device_profiles.twins.acquirer_ledger import Ledger
from protocols.acquirer.message import Message, decode, draft
from protocols.acquirer.mti import Mti, NetworkCode
from protocols.acquirer.values import PinAlgorithm, PinFormat, SecurityControl
from protocols.emv import tlv
from protocols.pan import Pan, Track2
from tests.device_profiles.acquirer_bench import NOW, TEST_PAN, Bench, Card

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.sign_on()
    return made


def test_sign_on_hands_over_a_key_and_macs_with_it() -> None:
    bench = Bench()
    answer = bench.sign_on()
    assert answer.response_code == "00"
    assert bench.hsm.asked == ["HA", "BU", "M6"]
    assert bench.event["event"] == "network"
    assert bench.event["reasons"][0].startswith("session key with check value ")
    first = bench.ledger.session_keys["TG000001"]
    bench.sign_on()
    assert bench.ledger.session_keys["TG000001"] != first


def test_an_authentic_payment_is_approved(bench: Bench) -> None:
    answer = bench.ask(bench.request())
    assert answer.mti is Mti.AUTHORISATION_RESPONSE
    assert answer.response_code == "00"
    assert answer.mac is not None
    assert answer.approval == "T00002"
    assert answer.reference == "615812000001"
    assert answer.amount == 4200
    assert answer.icc is None  # contactless: the card is gone and takes no issuer data
    assert bench.hsm.asked[-5:] == ["M8", "G0", "EC", "KQ", "M6"]
    assert bench.event == {
        "event": "decision",
        "mti": "0100",
        "terminal": "TG000001",
        "stan": 2,
        "reference": "615812000001",
        "code": "00",
        "words": "approved",
        "reasons": [],
        "checks": {"mac": "good", "ksn": "fresh", "pin": "good", "arqc": "good"},
        "amount": 4200,
        "currency": "978",
        "pan": "400000******0016",
        "ksn": "FFFF9876543210E00001",
    }
    assert bench.ledger.held == {"test-cardholder": 4200}


def test_without_a_pin_the_chip_alone_decides(bench: Bench) -> None:
    answer = bench.ask(bench.request(1000, pin=None))
    assert answer.response_code == "00"
    assert bench.event["checks"] == {"mac": "good", "ksn": "absent", "pin": "absent", "arqc": "good"}


@pytest.mark.parametrize(
    ("change", "code", "reason", "check"),
    [
        (lambda b: b.request(pin="1234"), "55", "the PIN is not the card's", ("pin", "wrong")),
        (lambda b: replace(b.request(), pin_block=bytes(8)), "55", "the PIN is not the card's", ("pin", "wrong")),
        (
            lambda b: b.request(icc=b.card.pay(4200, tamper=True)),
            "59",
            "the card's cryptogram does not verify",
            ("arqc", "wrong"),
        ),
        (lambda b: b.request(pan=Pan("4000009999990099")), "14", "no account of this number", ("pin", "absent")),
        (lambda b: b.request(expiry="2901", track2=None), "54", "the expiry date is not this card's", ("pin", "good")),
        (lambda b: b.request(100_000_001), "51", "the account does not cover the amount", ("pin", "good")),
        (lambda b: b.request(amount=4200, currency="840"), "13", "another currency than", ("arqc", "good")),
        (
            lambda b: replace(b.request(), amount=9900),
            "13",
            "the amount that the card signed is not DE4",
            ("pin", "good"),
        ),
        (lambda b: replace(b.request(), icc=None), "30", "a chip was read and DE55 is missing", ("arqc", "absent")),
        (lambda b: replace(b.request(), icc=b"\x9f\x26\x02\x01"), "30", "DE55", ("arqc", "malformed")),
        (lambda b: replace(b.request(), icc=b"\x9f\x26\x01\x01"), "30", "DE55 lacks 9F02", ("arqc", "malformed")),
        (lambda b: replace(b.request(), ksn=None), "30", "PIN block and KSN come together", ("ksn", "absent")),
        (
            lambda b: replace(b.request(), security_control=SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.DES)),
            "30",
            "DE53 does not announce",
            ("pin", "good"),
        ),
        (
            lambda b: b.request(track2=Track2.from_text(TEST_PAN + "D2901201")),
            "59",
            "track 2 is of another card",
            ("pin", "good"),
        ),
        (lambda b: replace(b.request(), amount=None), "30", "DE4 missing", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals(bench: Bench, change: Any, code: str, reason: str, check: tuple[str, str] | None) -> None:
    answer = bench.ask(change(bench))
    assert answer.response_code == code
    assert answer.approval is None
    assert any(reason in told for told in bench.event["reasons"]), bench.event["reasons"]
    if check:
        assert bench.event["checks"][check[0]] == check[1]
    assert bench.ledger.held == {}


def test_a_ksn_is_good_once_and_never_backwards(bench: Bench) -> None:
    first = bench.request()
    assert bench.ask(first).response_code == "00"
    later = bench.request()
    assert bench.ask(later).response_code == "00"
    bench.hsm.asked.clear()
    replayed = bench.request(ksn=later.ksn, pin_block=later.pin_block)
    assert bench.ask(replayed).response_code == "63"
    assert bench.event["reasons"] == ["KSN replay: counter 2 was used before"]
    assert bench.event["checks"]["ksn"] == "replayed"
    assert not {"G0", "EC"} & set(bench.hsm.asked)  # a replayed PIN is no oracle
    lower = bench.request(ksn=first.ksn, pin_block=first.pin_block)
    assert bench.ask(lower).response_code == "63"
    assert bench.event["reasons"] == ["KSN replay: counter 1 is lower than 2, the last one seen"]


def test_a_ksn_is_not_burnt_by_a_message_that_is_not_authentic(bench: Bench) -> None:
    message = bench.request()
    waiting = draft(message, bench.dialect)
    (octets,) = bench.send(waiting.with_mac(bytes(8)))
    assert decode(octets, bench.dialect).message.response_code == "63"
    assert bench.event["reasons"] == ["the MAC is wrong"]
    assert bench.ledger.counters == {}
    assert bench.ask(message).response_code == "00"


def test_a_cryptogram_is_good_once(bench: Bench) -> None:
    first = bench.request()
    assert bench.ask(first).response_code == "00"
    again = bench.request(icc=first.icc)
    assert bench.ask(again).response_code == "59"
    assert "transaction counter did not rise" in bench.event["reasons"][0]


def test_without_a_session_key_nothing_is_decided_and_nothing_macced() -> None:
    bench = Bench()
    message = bench.request()
    (octets,) = bench.send(draft(message, bench.dialect).with_mac(bytes(8)))
    answer = decode(octets, bench.dialect).message
    assert answer.response_code == "63"
    assert answer.mac is None
    assert bench.event["reasons"] == ["the terminal has no session key: it must sign on"]
    assert bench.hsm.asked == []


def test_wrong_pins_lock_and_a_right_one_forgives(bench: Bench) -> None:
    for code in ("55", "55"):
        assert bench.ask(bench.request(pin="1111")).response_code == code
    assert bench.ask(bench.request()).response_code == "00"
    for code in ("55", "55", "55", "75"):
        assert bench.ask(bench.request(pin="1111")).response_code == code
    assert bench.ask(bench.request()).response_code == "75"
    assert bench.event["checks"]["pin"] == "locked"


def test_wrong_pins_without_the_card_do_not_count(bench: Bench) -> None:
    for _ in range(5):
        message = bench.request(pin="1111", icc=bench.card.pay(4200, tamper=True))
        assert bench.ask(message).response_code == "59"
    assert bench.ask(bench.request()).response_code == "00"


@pytest.mark.parametrize(("amount", "code"), [(4200, "00"), (100_000_001, "51")])
def test_a_contact_card_that_takes_it_gets_issuer_authentication_data(bench: Bench, amount: int, code: str) -> None:
    icc = bench.card.pay(amount, aip=b"\x1c\x00")
    answer = bench.ask(bench.request(amount, entry_mode="051", icc=icc))
    assert answer.response_code == code
    assert tlv.decode(answer.icc or b"").first(0x91) == bench.card.arpc(icc, code) + code.encode()


def test_a_contact_card_that_does_not_take_it_gets_none(bench: Bench) -> None:
    icc = bench.card.pay(4200, aip=b"\x18\x00")
    assert bench.ask(bench.request(entry_mode="051", icc=icc)).icc is None
    icc = bench.card.pay(4200, aip=b"\x1c\x00", tamper=True)
    answer = bench.ask(bench.request(entry_mode="051", icc=icc))
    assert (answer.response_code, answer.icc) == ("59", None)


def test_a_repeat_gets_the_same_answer_and_is_booked_once(bench: Bench) -> None:
    message = bench.request()
    first = bench.ask(message)
    again = bench.ask(replace(message, mti=Mti.AUTHORISATION_REQUEST_REPEAT))
    assert again == first
    assert bench.event["reasons"] == ["a repeat: the same answer again"]
    assert bench.ledger.held == {"test-cardholder": 4200}
    other = bench.ask(replace(message, amount=1))
    assert other.response_code == "94"


def test_reversals_give_the_money_back_once(bench: Bench) -> None:
    message = bench.request()
    bench.ask(message)
    undo = bench.reversal(message)
    answer = bench.ask(undo)
    assert answer.mti is Mti.REVERSAL_RESPONSE
    assert (answer.response_code, answer.mac is not None) == ("00", True)
    assert bench.ledger.held == {"test-cardholder": 0}
    assert bench.ask(replace(undo, mti=Mti.REVERSAL_REQUEST_REPEAT)).response_code == "00"
    assert bench.event["reasons"] == ["was reversed before"]
    assert bench.ledger.held == {"test-cardholder": 0}
    assert bench.ask(message).response_code == "94"


def test_a_reversal_that_overtakes_its_original_stops_it(bench: Bench) -> None:
    message = bench.request()
    assert bench.ask(bench.reversal(message)).response_code == "25"
    assert bench.ask(bench.reversal(message, repeat=True)).response_code == "25"
    assert bench.ask(message).response_code == "94"
    assert bench.ledger.held == {}


def test_a_reversal_of_a_decline_has_nothing_to_do(bench: Bench) -> None:
    message = bench.request(pin="1111")
    bench.ask(message)
    assert bench.ask(bench.reversal(message)).response_code == "21"


def test_a_reversal_must_be_authentic(bench: Bench) -> None:
    message = bench.request()
    bench.ask(message)
    (octets,) = bench.send(draft(bench.reversal(message), bench.dialect).with_mac(bytes(8)))
    assert decode(octets, bench.dialect).message.response_code == "63"
    assert bench.ledger.held == {"test-cardholder": 4200}


def test_advices_are_booked_once(bench: Bench) -> None:
    advice = replace(bench.request(), mti=Mti.FINANCIAL_ADVICE, approval="OFF001")
    answer = bench.ask(advice)
    assert answer.mti is Mti.FINANCIAL_ADVICE_RESPONSE
    assert answer.response_code == "00"
    assert bench.ask(replace(advice, mti=Mti.FINANCIAL_ADVICE_REPEAT)).response_code == "00"
    assert bench.ledger.held == {"test-cardholder": 4200}
    unknown = replace(bench.request(), mti=Mti.FINANCIAL_ADVICE, pan=Pan("4000009999990099"))
    assert bench.ask(unknown).response_code == "14"


def test_network_management(bench: Bench) -> None:
    def network(code: int, **changes: Any) -> Any:
        bench.stan += 1
        return replace(
            decode(draft(_network(bench.stan, code), bench.dialect).without_mac(), bench.dialect).message, **changes
        )

    assert bench.ask(network(NetworkCode.ECHO)).response_code == "00"
    assert bench.ask(network(NetworkCode.ECHO), sign=False).response_code == "00"
    assert bench.ask(network(777)).response_code == "12"
    assert bench.ask(network(NetworkCode.KEY_CHANGE), sign=False).response_code == "63"
    waiting = draft(network(NetworkCode.KEY_CHANGE), bench.dialect)
    (octets,) = bench.send(waiting.with_mac(bench.pad.mac(waiting.octets_to_mac)))
    received = decode(octets, bench.dialect)
    assert received.message.session_key is not None
    bench.pad.load(received.message.session_key.cryptogram, received.message.session_key.check_value)
    assert received.message.mac == bench.pad.mac(received.octets_to_mac)
    assert bench.ask(bench.request()).response_code == "00"
    assert bench.ask(network(NetworkCode.SIGN_OFF)).response_code == "00"
    (octets,) = bench.send(draft(bench.request(), bench.dialect).with_mac(bytes(8)))
    assert decode(octets, bench.dialect).message.mac is None


def test_an_hsm_that_is_gone_declines_without_approving_anything(bench: Bench) -> None:
    bench.hsm.gone = True
    (octets,) = bench.send(bench.signed(bench.request()))
    answer = decode(octets, bench.dialect).message
    assert (answer.response_code, answer.mac) == ("91", None)
    bench.hsm.gone = False
    assert bench.ask(bench.request()).response_code == "00"


def test_an_hsm_that_refuses_is_told_by_its_words(bench: Bench) -> None:
    bench.ledger.session_keys["TG000001"] = "U" + "0" * 32
    (octets,) = bench.send(draft(bench.request(), bench.dialect).with_mac(bytes(8)))
    assert decode(octets, bench.dialect).message.response_code == "96"
    assert bench.event["reasons"][0].startswith("the HSM refused M8: ")


def test_what_cannot_be_answered_is_told(bench: Bench) -> None:
    assert bench.send(b"0100 nonsense") == []
    assert bench.event["event"] == "unreadable"
    answer = replace(bench.request(), mti=Mti.AUTHORISATION_RESPONSE)
    assert bench.send(draft(answer, bench.dialect).without_mac()) == []
    assert bench.event["event"] == "ignored"
    assert bench.send(draft(replace(bench.request(), stan=None), bench.dialect).without_mac()) == []


def test_two_requests_under_way_at_once_are_each_decided_once(bench: Bench) -> None:
    message = bench.request()
    octets = bench.signed(message)
    slow = bench.host.handle(octets, NOW)
    answer = bench.hsm.answer(next(slow))  # M8
    waiting = slow.send(answer)  # now at the PIN
    assert bench.send(octets) == []
    assert bench.event["reasons"] == ["a repeat of a request that is being decided"]
    twin = bench.request(ksn=message.ksn, pin_block=message.pin_block)
    assert bench.ask(twin).response_code == "63"
    assert bench.ask(bench.reversal(message)).response_code == "00"
    while True:
        try:
            waiting = slow.send(bench.hsm.answer(waiting))
        except StopIteration as end:
            (sending,) = end.value.sendings
            break
    assert decode(sending.octets, bench.dialect).message.response_code == "94"
    assert bench.ledger.held == {}


def test_the_state_outlives_the_twin_and_holds_no_card_data(bench: Bench) -> None:
    first = bench.request()
    bench.ask(first)
    text = json.dumps(bench.ledger.snapshot())
    assert TEST_PAN not in text
    again = Bench()
    again.ledger = Ledger.restored(json.loads(text))
    again.host = type(again.host)(again.profile, again.ledger)
    again.pad, again.card, again.stan = bench.pad, bench.card, bench.stan
    assert again.ask(again.request(ksn=first.ksn, pin_block=first.pin_block)).response_code == "63"
    assert again.ask(again.reversal(first)).response_code == "00"
    assert again.ledger.held == {"test-cardholder": 0}
    for broken in ({}, [], {"version": 2}, {**bench.ledger.snapshot(), "entries": [["x"]]}):
        with pytest.raises(ValueError):
            Ledger.restored(broken)


def test_the_second_dialect_pays_too() -> None:
    profile = replace(load_acquirer("test-bank"), dialect="bcd-tpdu", ksn_field=63)
    bench = Bench(profile=profile)
    bench.sign_on()
    answer = bench.ask(bench.request())
    assert answer.response_code == "00"
    assert bench.event["checks"] == {"mac": "good", "ksn": "fresh", "pin": "good", "arqc": "good"}


def test_another_card_of_the_bank_has_its_own_counters(bench: Bench) -> None:
    bench.card = Card("4000009999990024")
    message = bench.request(500, pin=None, pan=Pan("4000009999990024"), track2=None)
    assert bench.ask(message).response_code == "00"
    message = bench.request(600, pin=None, pan=Pan("4000009999990024"), track2=None)
    assert bench.ask(message).response_code == "51"


def _network(stan: int, code: int) -> Any:
    return Message(mti=Mti.NETWORK_REQUEST, transmitted="0607123456", stan=stan, terminal="TG000001", network_code=code)
