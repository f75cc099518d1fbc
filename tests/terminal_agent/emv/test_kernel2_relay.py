# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 2's relay resistance exchange with the M/Chip twin: in time, late, early, repeated, altered, left out."""

import pytest

from protocols.emv.apdu import Ins
from protocols.emv.bits import Tvr
from terminal_agent.emv import Alert, Decision
from tests.terminal_agent.emv.tap_session import WIRE_US, Field, both, said, twin

CARD = "test-mastercard-like"
EXCHANGE = int(Ins.EXCHANGE_RELAY_RESISTANCE_DATA)


@pytest.mark.parametrize(
    ("late_us", "decision", "alerts", "exchanges"),
    [
        (1_000, Decision.APPROVED, (), 1),
        (7_000, Decision.APPROVED, (), 1),  # 2.0 ms by its own word and 5.0 ms of grace
        (7_100, Decision.DECLINED, (Alert.RELAY_SUSPECTED,), 3),
        (20_000, Decision.DECLINED, (Alert.RELAY_SUSPECTED,), 3),
        (300_000, Decision.DECLINED, (Alert.RELAY_SUSPECTED,), 3),
    ],
)
def test_the_time_decides(late_us: int, decision: Decision, alerts: tuple[Alert, ...], exchanges: int) -> None:
    field = Field(twin(CARD), exchange_us=WIRE_US + late_us)
    outcome = field.tap(1_500)
    assert (outcome.decision, outcome.alerts) == (decision, alerts)
    assert field.sent.count(EXCHANGE) == exchanges
    assert outcome.tvr is not None
    assert Tvr.RELAY_PERFORMED in outcome.tvr
    assert (Tvr.RELAY_TIME_EXCEEDED in outcome.tvr) is bool(alerts)


def test_every_exchange_has_a_number_of_its_own_and_the_last_one_is_the_payments() -> None:
    field = Field(twin(CARD), exchange_us=WIRE_US + 50_000)
    place = both(kernel_2={"tac_denial": "0000000000", "floor_limit": 0})
    outcome = field.tap(1_500, place)
    numbers = [command[5:9] for command in field.commands if command[1] == EXCHANGE]
    assert len(set(numbers)) == 3
    assert numbers[-1] in outcome.icc_data
    assert numbers[0] not in outcome.icc_data
    assert outcome.decision is Decision.ONLINE


def test_a_slow_exchange_that_gets_faster_is_forgiven() -> None:
    field = Field(twin(CARD))
    times = iter([40_000.0, WIRE_US + 900])

    def hurry(command: bytes, answer: bytes) -> bytes:
        if command[1] == EXCHANGE:
            field.clock.now += next(times) - (WIRE_US + 1_000)
        return answer

    field.spoil = hurry
    outcome = field.tap(1_500)
    assert (outcome.decision, outcome.alerts, field.sent.count(EXCHANGE)) == (Decision.APPROVED, (), 2)


def test_an_answer_that_was_known_before() -> None:
    outcome = Field(twin(CARD, relay_times=(100, 200, 24)), exchange_us=WIRE_US).tap(1_500)
    assert (outcome.decision, outcome.alerts) == (Decision.ENDED, (Alert.RELAY_SUSPECTED,))
    assert "faster than this card can give it" in outcome.words


@pytest.mark.parametrize("place", [3, 5, 7, 9, 11])
def test_times_that_were_changed_on_their_way_are_not_signed(place: int) -> None:
    def eased(command: bytes, answer: bytes) -> bytes:
        if command[1] != EXCHANGE:
            return answer
        return answer[:place] + bytes((answer[place] ^ 0x01,)) + answer[place + 1 :]

    outcome = Field(twin(CARD), spoil=eased).tap(1_500)
    assert (outcome.decision, outcome.alerts) == (Decision.DECLINED, (Alert.AUTHENTICATION_FAILED,))
    assert "signed another relay resistance exchange" in said(outcome)


def test_times_that_nobody_signs_are_refused() -> None:
    outcome = Field(twin(CARD, aip="1881")).tap(1_500)
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert "its times would be anybody's" in outcome.words


def test_a_card_without_it_and_a_terminal_without_it() -> None:
    for aip, measuring in (("1980", True), ("1981", False)):
        field = Field(twin(CARD, aip=aip))
        outcome = field.tap(1_500, both(relay_resistance=measuring))
        assert (outcome.decision, field.sent.count(EXCHANGE)) == (Decision.APPROVED, 0)
        assert outcome.tvr is not None
        assert Tvr.RELAY_NOT_PERFORMED in outcome.tvr


@pytest.mark.parametrize("answer", ["6985", "9000", "800A00009000", "77009000"])
def test_an_exchange_that_fails(answer: str) -> None:
    def refuse(command: bytes, given: bytes) -> bytes:
        return bytes.fromhex(answer) if command[1] == EXCHANGE else given

    assert Field(twin(CARD), spoil=refuse).tap(1_500).decision is Decision.ENDED
