# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 2's choice of verification: by amount, terminal, the card's list, and what its issuer signed of it."""

import pytest

from protocols.emv import tlv
from protocols.emv.bits import Tvr
from terminal_agent.emv import Alert, Cvm, Decision
from tests.terminal_agent.emv.tap_session import Field, both, said, tapped, twin

CARD, PHONE = "test-mastercard-like", "test-mobile-mastercard"
PIN_THEN_NONE = "000000000000000042031F03"
ABOVE, UNDER = 4_200, 1_500


def results(icc_data: bytes) -> str:
    value = dict(tlv.decode(icc_data))[0x9F34]
    assert isinstance(value, bytes)
    return value.hex().upper()


@pytest.mark.parametrize(
    ("amount", "methods", "changes", "cvm", "shown"),
    [
        (ABOVE, PIN_THEN_NONE, {}, Cvm.ONLINE_PIN, "020300"),
        (UNDER, PIN_THEN_NONE, {}, Cvm.NONE, "1F0302"),
        (ABOVE, "00000000000000005E031F03", {}, Cvm.SIGNATURE, "1E0300"),
        (ABOVE, "000000000000000042031E03", {"online_pin": False}, Cvm.SIGNATURE, "1E0300"),
        (ABOVE, "00000000000000000203", {}, Cvm.ONLINE_PIN, "020300"),
    ],
)
def test_methods_by_amount_and_terminal(
    amount: int, methods: str, changes: dict[str, object], cvm: Cvm, shown: str
) -> None:
    outcome = Field(twin(CARD, objects={"8E": methods})).tap(amount, both(**changes))
    assert outcome.cvm is cvm
    assert results(outcome.icc_data) == shown
    assert outcome.alerts == ()
    assert outcome.tvr is not None
    assert (Tvr.ONLINE_CVM_CAPTURED in outcome.tvr) is (cvm is Cvm.ONLINE_PIN)


def test_a_pin_for_the_issuer_always_goes_to_the_issuer() -> None:
    place = both(kernel_2={"floor_limit": 100_000, "tac_online": "0000000000", "tac_default": "0000000000"})
    card = twin(CARD, objects={"9F0D": "0000000000", "9F0F": "0000000000"})
    outcome = Field(card).tap(ABOVE, place)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.ONLINE_PIN)


def test_a_telephone_verifies_its_holder() -> None:
    outcome = tapped(PHONE, ABOVE)
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.ONLINE, Cvm.CDCVM, ())
    assert results(outcome.icc_data) == "010002"
    below = Field(twin(PHONE)).tap(UNDER)
    assert below.cvm is Cvm.NONE
    assert results(below.icc_data) == "3F0002"


def test_a_telephone_at_a_terminal_that_knows_none() -> None:
    outcome = tapped(PHONE, ABOVE, consumer_device_cvm=False)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.ONLINE_PIN)


@pytest.mark.parametrize(("trusts", "cvm"), [(False, Cvm.ONLINE_PIN), (True, Cvm.CDCVM)])
def test_a_telephone_that_nobody_signed_for(trusts: bool, cvm: Cvm) -> None:
    def unsigned(command: bytes, answer: bytes) -> bytes:
        return answer.replace(bytes.fromhex("8F01E7"), bytes.fromhex("8F0133"))

    field = Field(twin(PHONE), spoil=unsigned)
    outcome = field.tap(ABOVE, both(trust_unproven_cdcvm=trusts))
    assert outcome.cvm is cvm
    assert set(outcome.alerts) == {Alert.AUTHENTICATION_FAILED, Alert.CDCVM_UNPROVEN}


@pytest.mark.parametrize("methods", ["000000000000000001030103", "00000000000000000403", "00000000000000000003"])
def test_an_offline_pin_is_no_method_without_contact(methods: str) -> None:
    outcome = Field(twin(CARD, objects={"8E": methods})).tap(ABOVE)
    assert (outcome.decision, outcome.alerts) == (Decision.DECLINED, (Alert.CVM_MISSING,))
    assert outcome.tvr is not None
    assert Tvr.CVM_NOT_SUCCESSFUL in outcome.tvr


def test_a_list_that_asks_for_nothing_spares_nobody_from_the_limit_on() -> None:
    card = twin(CARD, objects={"8E": "00000000000000001F03"})
    assert Field(card).tap(ABOVE).decision is Decision.DECLINED
    card.power_on()
    assert Field(card).tap(UNDER).decision is Decision.APPROVED


@pytest.mark.parametrize("methods", ["0000000000000000", "00000000000000001F03"])
def test_a_list_emptied_on_its_way_spares_nobody(methods: str) -> None:
    def emptied(command: bytes, answer: bytes) -> bytes:
        good = bytes.fromhex("8E0C" + PIN_THEN_NONE)
        changed = bytes.fromhex("8E0C" + methods.ljust(20, "0") + "1F00")
        return answer.replace(good, changed)

    outcome = Field(twin(CARD), spoil=emptied).tap(ABOVE)
    assert outcome.decision is Decision.DECLINED
    assert {Alert.AUTHENTICATION_FAILED, Alert.CVM_MISSING} <= set(outcome.alerts)


@pytest.mark.parametrize(
    ("condition", "amount", "applies"),
    [("06", 900, True), ("06", 1_000, False), ("07", 1_100, True), ("08", 1_900, True), ("09", 2_100, True)],
)
def test_conditions_on_amounts(condition: str, amount: int, applies: bool) -> None:
    methods = f"000003E8000007D05E{condition}1F00"  # X is 10.00, Y is 20.00
    place = both(kernel_2={"cvm_limit": 1})
    outcome = Field(twin(CARD, objects={"8E": methods})).tap(amount, place)
    assert (outcome.cvm is Cvm.SIGNATURE) is applies, said(outcome)


def test_a_card_that_verifies_nobody() -> None:
    outcome = Field(twin(CARD, aip="0981")).tap(UNDER)
    assert (outcome.decision, outcome.cvm) == (Decision.APPROVED, Cvm.NONE)
    assert results(outcome.icc_data) == "3F0000"


def test_a_reserved_method_and_a_reserved_condition() -> None:
    outcome = Field(twin(CARD, objects={"8E": "00000000000000006A005E7F1F03"})).tap(UNDER)
    assert outcome.tvr is not None
    assert Tvr.UNRECOGNISED_CVM in outcome.tvr
    assert outcome.cvm is Cvm.NONE
