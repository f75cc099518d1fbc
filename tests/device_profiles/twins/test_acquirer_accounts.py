# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data that came enciphered, before a real HSM engine: opened once, and every trick has words of its own."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from device_profiles.acquirer_profile import load_acquirer
from device_profiles.twins.acquirer_hsm import HsmGone
from device_profiles.twins.acquirer_ledger import WINDOW, Ledger
from device_profiles.twins.acquirer_script import Rule, Script
from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.acquirer.message import Message, draft, missing
from protocols.acquirer.mti import Mti
from protocols.acquirer.values import PinAlgorithm, PinFormat, SecurityControl
from protocols.hsm.commands.data import M2
from protocols.pan import Pan, Track2
from tests.device_profiles.acquirer_bench import FIRST_DATA_KSN, NOW, TEST_PAN, Bench

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'

ACCOUNT = AccountData(Pan(TEST_PAN), Track2.from_text(TEST_PAN + "D2812201000000001"), "2812")
CLEAR: dict[str, Any] = {"pan": None, "track2": None, "expiry": None}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.sign_on()
    return made


def enciphered(bench: Bench, account: EncipheredAccount | None = None, **changes: Any) -> Message:
    message = bench.request(**CLEAR | {"account": account or bench.pad.encipher(ACCOUNT)} | changes)
    control = message.security_control or SecurityControl(PinFormat.NO_PIN, PinAlgorithm.DES)
    return replace(message, security_control=replace(control, track_enciphered=True))


def advice(bench: Bench, **changes: Any) -> Message:
    return replace(enciphered(bench, pin=None, **changes), mti=Mti.FINANCIAL_ADVICE, response_code="Y1")


def test_a_payment_without_an_account_number_on_the_wire_is_approved(bench: Bench) -> None:
    message = enciphered(bench)
    assert missing(message) == ()
    octets = draft(message, bench.dialect).octets_to_mac
    for digits in (TEST_PAN, "2812201000000001", TEST_PAN[:-1][-12:]):
        assert digits.encode() not in octets
        assert digits not in octets.hex()
    assert bench.ask(message).response_code == "00"
    assert bench.hsm.asked[-6:] == ["M8", "M2", "G0", "EC", "KQ", "M6"]
    assert bench.event["checks"] == {"mac": "good", "account": "opened", "ksn": "fresh", "pin": "good", "arqc": "good"}
    assert bench.event["pan"] == "400000******0016"
    assert bench.event["account_ksn"] == "FFFFDA7A000002000001"
    assert bench.ledger.held == {"test-cardholder": 4200}


def test_without_track_2_and_in_the_second_dialect_too() -> None:
    bench = Bench(profile=replace(load_acquirer("test-bank"), dialect="bcd-tpdu", ksn_field=48))
    bench.sign_on()
    account = bench.pad.encipher(replace(ACCOUNT, track2=None))
    assert bench.ask(enciphered(bench, account)).response_code == "00"


def changed(sent: EncipheredAccount, place: int) -> EncipheredAccount:
    octets = bytearray(sent.cryptogram)
    octets[place] ^= 1
    return replace(sent, cryptogram=bytes(octets))


WHOLE: dict[str, Any] = {"pan": ACCOUNT.pan, "track2": ACCOUNT.track2, "expiry": ACCOUNT.expiry}
OTHER = AccountData(Pan("4000009999990024"), None, "2812")
CASES: dict[str, tuple[Callable[[Bench], Message], str, str, str]] = {
    "one bit of the first block": (
        lambda b: enciphered(b, changed(b.pad.encipher(ACCOUNT), 0)),
        "59",
        "account data: they do not decipher to an account: cut, changed, or under another key",
        "wrong",
    ),
    "one bit of the last block": (
        lambda b: enciphered(b, changed(b.pad.encipher(ACCOUNT), -1)),
        "59",
        "account data: they do not decipher to an account: cut, changed, or under another key",
        "wrong",
    ),
    "a block cut off": (
        lambda b: enciphered(b, replace(a := b.pad.encipher(ACCOUNT), cryptogram=a.cryptogram[:-8])),
        "59",
        "account data: they do not decipher to an account: cut, changed, or under another key",
        "wrong",
    ),
    "a block more": (
        lambda b: enciphered(b, replace(a := b.pad.encipher(ACCOUNT), cryptogram=a.cryptogram + bytes(8))),
        "59",
        "account data: they do not decipher to an account: cut, changed, or under another key",
        "wrong",
    ),
    "another serial number": (
        lambda b: enciphered(b, replace(b.pad.encipher(ACCOUNT), ksn=bytes.fromhex("FFFFDA7A000002000400"))),
        "59",
        "account data: they do not decipher to an account: cut, changed, or under another key",
        "wrong",
    ),
    "another card's masked number": (
        lambda b: enciphered(b, replace(b.pad.encipher(ACCOUNT), masked=OTHER.masked)),
        "59",
        "account data: of another card than the masked number beside them",
        "wrong",
    ),
    "a clear number beside it": (
        lambda b: enciphered(b, pan=Pan(TEST_PAN)),
        "30",
        "account data in clear beside enciphered ones",
        "malformed",
    ),
    "a security control that does not announce them": (
        lambda b: replace(
            enciphered(b), security_control=SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH)
        ),
        "30",
        "DE53 says something else of the account data than is there",
        "malformed",
    ),
    "announced, and not there": (
        lambda b: replace(enciphered(b, **WHOLE), account=None),
        "30",
        "DE53 says something else of the account data than is there",
        "malformed",
    ),
    "a key of AES": (
        lambda b: enciphered(b, EncipheredAccount(bytes(12), ACCOUNT.masked, bytes(32))),
        "58",
        "account data: this bank opens those of TDES keys alone",
        "no key",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refusals(bench: Bench, case: str) -> None:
    make, code, reason, check = CASES[case]
    answer = bench.ask(make(bench))
    assert (answer.response_code, answer.approval) == (code, None)
    assert (bench.event["reasons"], bench.event["checks"]["account"]) == ([reason], check)
    assert not {"G0", "EC", "KQ"} & set(bench.hsm.asked), "nothing is asked about a card that nobody knows"
    assert bench.ledger.held == {}


def test_another_cards_data_do_not_go_with_this_cards_cryptogram(bench: Bench) -> None:
    assert bench.ask(enciphered(bench, bench.pad.encipher(OTHER))).response_code == "59"


def test_enciphered_data_are_good_once(bench: Bench) -> None:
    first = enciphered(bench)
    assert bench.ask(first).response_code == "00"
    assert bench.ask(enciphered(bench, first.account)).response_code == "59"
    assert bench.event["reasons"] == ["account data: KSN replay: counter 1 was used before"]
    assert bench.event["checks"]["account"] == "replayed"
    assert bench.hsm.asked[-2:] == ["M8", "M6"], "what comes again is not deciphered again"


def test_a_repeat_of_the_same_request_is_no_replay(bench: Bench) -> None:
    message = enciphered(bench)
    first = bench.ask(message)
    assert bench.ask(replace(message, mti=Mti.AUTHORISATION_REQUEST_REPEAT)) == first
    assert bench.ledger.held == {"test-cardholder": 4200}


def test_an_advice_may_come_behind_later_payments_and_is_booked_once(bench: Bench) -> None:
    waiting = advice(bench)
    assert bench.ask(enciphered(bench)).response_code == "00"
    assert bench.ask(waiting).response_code == "00"
    assert bench.ask(replace(waiting, mti=Mti.FINANCIAL_ADVICE_REPEAT)).response_code == "00"
    assert bench.ledger.held == {"test-cardholder": 8400}
    assert bench.ask(advice(bench, account=waiting.account)).response_code == "59"
    assert bench.event["reasons"] == ["account data: KSN replay: counter 1 was used before"]


def test_an_advice_whose_data_the_hsm_could_not_open_is_booked_by_its_repeat(bench: Bench) -> None:
    waiting = advice(bench)
    dialogue = bench.host.handle(bench.signed(waiting), NOW)
    assert isinstance(dialogue.send(bench.hsm.answer(next(dialogue))), M2)
    with pytest.raises(StopIteration) as end:
        dialogue.throw(HsmGone("gone"))
    (told,) = end.value.value.events
    assert (told["code"], told["reasons"]) == ("91", ["the HSM cannot be reached"])
    assert bench.ask(replace(waiting, mti=Mti.FINANCIAL_ADVICE_REPEAT)).response_code == "00"
    assert bench.ledger.held == {"test-cardholder": 4200}


def test_a_reversal_names_no_account_and_undoes_the_payment(bench: Bench) -> None:
    message = enciphered(bench)
    bench.ask(message)
    assert bench.ask(bench.reversal(message)).response_code == "00"
    assert bench.ledger.held == {"test-cardholder": 0}


def test_a_bank_without_a_data_key_says_so() -> None:
    profile = load_acquirer("test-bank")
    bench = Bench(profile=replace(profile, keys_under_test_lmk=replace(profile.keys_under_test_lmk, data_bdk="")))
    bench.sign_on()
    assert bench.ask(enciphered(bench)).response_code == "58"
    assert bench.event["reasons"] == ["this bank has no key for account data"]


def test_rules_know_the_masked_number() -> None:
    bench = Bench(Script((Rule(pan="400000******00*", mti="0100", code="05"),)))
    bench.sign_on()
    assert bench.ask(enciphered(bench)).response_code == "05"


def ksn(counter: int) -> bytes:
    return (int.from_bytes(FIRST_DATA_KSN, "big") + counter).to_bytes(10, "big")


def test_the_ledger_takes_each_counter_once_within_its_window_and_none_behind_it() -> None:
    ledger = Ledger()
    order = [5, 3, WINDOW, 4, 7 + WINDOW, 8]
    assert [ledger.take_data_key(ksn(counter)) for counter in order] == [""] * len(order)
    again = Ledger.restored(json.loads(json.dumps(ledger.snapshot())))
    for counter in order[2:]:
        if counter > 7:
            assert "was used before" in again.take_data_key(ksn(counter))
    assert "too far behind" in again.take_data_key(ksn(6))
    again.give_back_data_key(ksn(8))
    assert again.take_data_key(ksn(8)) == ""
    assert again.take_data_key(ksn(1 << 20)) == ""
    assert "too far behind" in again.take_data_key(ksn(9))
