# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a card answers, the machine ends in an outcome within its bound of commands, never approves, and
raises nothing (attack A12)."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from terminal_agent.emv import Decision, EmvOutcome
from tests.protocols.emv.traces import ANSWERS
from tests.terminal_agent.emv.session import MOST_COMMANDS, StubCard, pay

CARD = load_card("test-visa-like")
EXCHANGES = 4


def good_card() -> Callable[[bytes], bytes]:
    """A fresh virtual card in the field."""
    card = CardTwin(CARD, lambda count: bytes(count))
    card.power_on()
    return card.apdu


def answers() -> list[bytes]:
    """What the good card answers in a payment."""
    heard: list[bytes] = []
    card = good_card()

    def listen(command: bytes) -> bytes:
        heard.append(card(command))
        return heard[-1]

    assert pay(listen).decision is Decision.ONLINE
    return heard


GOOD_ANSWERS = answers()


def pay_with(number: int, changed: bytes) -> EmvOutcome:
    """A payment whose answer ``number`` (from 0) is replaced."""
    card, count = good_card(), -1

    def answer(command: bytes) -> bytes:
        nonlocal count
        count += 1
        octets = card(command)
        return changed if count == number else octets

    return pay(answer)


def test_the_good_card_has_as_many_exchanges_as_these_tests_think() -> None:
    assert len(GOOD_ANSWERS) == EXCHANGES


@pytest.mark.parametrize("number", range(EXCHANGES))
def test_every_truncation_of_every_answer(number: int) -> None:
    good = GOOD_ANSWERS[number]
    for length in range(len(good)):
        assert pay_with(number, good[:length]).decision is not Decision.ONLINE
        if length < len(good) - 2:
            assert pay_with(number, good[:length] + b"\x90\x00").decision is not Decision.ONLINE


@pytest.mark.parametrize("number", range(EXCHANGES))
def test_every_status_word_class(number: int) -> None:
    for first in (0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x00):
        for second in (0x00, 0x84, 0x85, 0x86, 0xFF):
            outcome = pay_with(number, bytes((first, second)))
            assert outcome.decision not in (Decision.ONLINE, Decision.APPROVED)


@given(number=st.integers(0, EXCHANGES - 1), data=st.data())
@settings(max_examples=300, deadline=None)
def test_changed_octets(number: int, data: st.DataObject) -> None:
    changed = bytearray(GOOD_ANSWERS[number])
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert pay_with(number, bytes(changed)).decision is not Decision.APPROVED


@given(st.lists(st.binary(max_size=40), max_size=6), st.booleans())
@settings(max_examples=200, deadline=None)
def test_garbage_for_every_answer(pieces: list[bytes], with_status: bool) -> None:
    left = iter(pieces)
    outcome = pay(lambda command: next(left, b"") + (b"\x90\x00" if with_status else b""))
    assert outcome.decision in (Decision.ENDED, Decision.OTHER_INTERFACE)


@given(st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_answers_of_other_cards_in_any_order(pieces: list[bytes]) -> None:
    count = -1

    def answer(command: bytes) -> bytes:
        nonlocal count
        count += 1
        return pieces[count % len(pieces)]

    assert pay(answer).decision is not Decision.APPROVED


def test_a_card_that_only_offers_more() -> None:
    """The most commands that any card can make the machine send: all candidates refuse, the last has 32 records."""
    name = "A0000000031010"
    entries = tuple({0x4F: f"{name}{number:02X}", 0x87: "01"} for number in range(40))
    card = StubCard(
        {0x94: "08012000"},
        applications=tuple(entry[0x4F] for entry in entries),
        entries=entries,
        records={(1, number): "70009000" for number in range(1, 33)},
    )
    sent = 0

    def answer(command: bytes) -> bytes:
        nonlocal sent
        sent += 1
        octets = card(command)
        asked = sum(command[1] == 0xA8 for command in card.commands)
        return b"\x69\x85" if command[1] == 0xA8 and asked < 16 else octets

    assert pay(answer).decision is Decision.ONLINE
    assert sent == MOST_COMMANDS


def test_long_answers_are_bounded() -> None:
    for octets in (
        bytes(65_538),
        b"\x6f\x82\xff\xff" + bytes(65_535) + b"\x90\x00",
        b"\x42\x00" * 30_000 + b"\x90\x00",
    ):
        assert pay(lambda command, octets=octets: octets).decision in (Decision.ENDED, Decision.OTHER_INTERFACE)
