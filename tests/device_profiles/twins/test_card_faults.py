# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Each fault does what its name says to a good card, and the terminal ends each of them as it must."""

import pytest

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from device_profiles.twins.card_faults import (
    CARD_FAULTS,
    CardTorn,
    Exchange,
    Fault,
    FaultyCard,
    altered,
    in_order,
    refused,
    torn_at,
)
from protocols.emv import tlv
from protocols.emv.apdu import Ins
from protocols.emv.status import Status
from terminal_agent.emv import Alert, Cvm, Decision, EmvOutcome
from tests.terminal_agent.emv.session import pay
from tests.terminal_agent.emv.tap_session import Field, twin

PROFILE = load_card("test-visa-like")


def faulty(*faults: Fault) -> FaultyCard:
    card = FaultyCard(CardTwin(PROFILE, bytes), *faults)
    card.power_on()
    return card


def outcome_with(name: str) -> EmvOutcome:
    return pay(faulty(CARD_FAULTS[name]()).apdu)


GOOD = pay(faulty().apdu)


def sent(outcome: EmvOutcome) -> dict[int, bytes]:
    return dict(tlv.decode(outcome.icc_data).leaves())


@pytest.mark.parametrize(
    ("name", "decision", "cvm", "alerts"),
    [
        ("tampered-arqc", Decision.ONLINE, Cvm.ONLINE_PIN, ()),
        ("replayed-arqc", Decision.ONLINE, Cvm.ONLINE_PIN, ()),
        ("truncated-gpo", Decision.ENDED, Cvm.NONE, (Alert.MALFORMED,)),
        ("wrong-status", Decision.ENDED, Cvm.NONE, ()),
        ("cdcvm-claimed", Decision.ONLINE, Cvm.ONLINE_PIN, (Alert.CDCVM_UNPROVEN,)),
        ("cvm-cleared", Decision.ONLINE, Cvm.ONLINE_PIN, (Alert.CVM_MISSING,)),
        ("brand-mixup", Decision.DECLINED, Cvm.NONE, (Alert.BRAND_MISMATCH,)),
    ],
)
def test_what_the_terminal_makes_of_it(name: str, decision: Decision, cvm: Cvm, alerts: tuple[Alert, ...]) -> None:
    outcome = outcome_with(name)
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (decision, cvm, alerts)


@pytest.mark.parametrize(
    ("name", "card", "decision", "alerts"),
    [
        ("tampered-signature", "test-mastercard-like", Decision.DECLINED, (Alert.AUTHENTICATION_FAILED,)),
        ("tampered-signature", "test-visa-fdda", Decision.DECLINED, (Alert.AUTHENTICATION_FAILED,)),
        ("stripe-only", "test-mastercard-like", Decision.OTHER_INTERFACE, (Alert.MODE_DOWNGRADED,)),
        (
            "brand-mixup",
            "test-mastercard-like",
            Decision.DECLINED,
            (Alert.BRAND_MISMATCH,),
        ),
    ],
)
def test_what_it_makes_of_other_cards(name: str, card: str, decision: Decision, alerts: tuple[Alert, ...]) -> None:
    fault = CARD_FAULTS[name]()
    field = Field(twin(card), spoil=lambda command, answer: fault(Exchange(1, command, answer)))
    outcome = field.tap(1_500)
    assert (outcome.decision, outcome.alerts) == (decision, alerts)


def test_a_card_torn_at_its_cryptogram_comes_back() -> None:
    fault = CARD_FAULTS["torn-at-cryptogram"]()
    field = Field(twin("test-mastercard-like"), spoil=lambda command, answer: fault(Exchange(1, command, answer)))
    with pytest.raises(CardTorn):
        field.tap(1_500)
    field.card.power_on()
    outcome = field.tap(1_500)
    assert (outcome.decision, outcome.atc) == (Decision.APPROVED, 1)


def test_every_fault_is_spoken_for() -> None:
    assert set(CARD_FAULTS) == {
        "tampered-arqc",
        "replayed-arqc",
        "truncated-gpo",
        "wrong-status",
        "torn",
        "cdcvm-claimed",
        "cvm-cleared",
        "tampered-signature",
        "torn-at-cryptogram",
        "stripe-only",
        "brand-mixup",
    }


def test_a_tampered_cryptogram_differs_in_one_bit() -> None:
    good, bad = sent(GOOD)[0x9F26], sent(outcome_with("tampered-arqc"))[0x9F26]
    assert int.from_bytes(good, "big") ^ int.from_bytes(bad, "big") == 1


def test_a_replayed_answer_comes_again() -> None:
    card = faulty(CARD_FAULTS["replayed-arqc"]())
    outcomes = []
    for _ in range(2):
        outcomes.append(pay(card.apdu))
        card.power_off()
        card.power_on()
    assert sent(outcomes[0])[0x9F26] == sent(outcomes[1])[0x9F26]
    assert outcomes[0].atc == outcomes[1].atc == 1


def test_a_torn_card_does_not_answer_but_counts() -> None:
    good = CardTwin(PROFILE, bytes)
    card = FaultyCard(good, CARD_FAULTS["torn"]())
    card.power_on()
    with pytest.raises(CardTorn):
        pay(card.apdu)
    assert good.atc == 1


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_torn_at_each_command(number: int) -> None:
    card = faulty(torn_at(number))
    heard = 0

    def answer(command: bytes) -> bytes:
        nonlocal heard
        octets = card.apdu(command)
        heard += 1
        return octets

    with pytest.raises(CardTorn):
        pay(answer)
    assert heard == number - 1


def test_without_a_fault_nothing_changes() -> None:
    assert (GOOD.decision, GOOD.alerts) == (Decision.ONLINE, ())
    nothing = faulty(altered(0xDF01, lambda value: b""), in_order())
    assert sent(pay(nothing.apdu)) == sent(GOOD)


def test_answers_that_are_no_tlv_pass_unchanged() -> None:
    card = faulty(refused(Ins.SELECT, Status.FILE_NOT_FOUND), altered(0x9F26, lambda value: b""))
    assert pay(card.apdu).decision is Decision.OTHER_INTERFACE
