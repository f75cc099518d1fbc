# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Limits before the tap, the directory, the order of candidates, and which kernel an entry may name."""

from typing import Any

import pytest

from terminal_agent.emv import Alert, Combination, Decision, contactless
from terminal_agent.emv.entry_point import Limits, limits
from tests.terminal_agent.emv.session import MASTERCARD, VISA, StubCard, drive, pay, request, terminal

AIDS = (Combination(VISA, 500_000, 2_500), Combination("A0000000032010", 500_000, 2_500))


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (1, (True, False, False)),
        (1_000, (True, False, False)),
        (1_001, (True, False, True)),
        (2_499, (True, False, True)),
        (2_500, (True, True, True)),
        (4_999, (True, True, True)),
        (5_000, (False, True, True)),
    ],
)
def test_limits_at_their_edges(amount: int, expected: tuple[bool, bool, bool]) -> None:
    combination = Combination(VISA, 5_000, 2_500, floor_limit=1_000)
    found = limits(combination, terminal(aids=(combination,)), request(amount))
    assert found[:3] == expected
    assert "EUR" in found.words


def test_limits_say_nothing_about_another_currency() -> None:
    combination = Combination(VISA, 5_000, 2_500, floor_limit=1_000)
    found = limits(combination, terminal(), request(1, currency="840"))
    assert found == Limits(True, True, True, "another currency than the limits': CVM and online required")


def test_an_amount_above_every_limit_sends_no_command() -> None:
    card = StubCard()
    outcome = pay(card, 500_000)
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert card.commands == []
    assert outcome.words == "the amount is too high for contactless"


def test_a_limit_of_one_application_does_not_exclude_the_other() -> None:
    aids = (Combination(VISA, 100, 50), Combination("A0000000032010", 500_000, 2_500))
    card = StubCard(applications=(VISA, "A0000000032010"))
    outcome = pay(card, aids=aids)
    assert outcome.decision is Decision.ONLINE
    assert outcome.aid.hex().upper() == "A0000000032010"


def test_a_card_without_a_directory() -> None:
    outcome = pay(lambda command: b"\x6a\x82")
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert [note.subject for note in outcome.notes] == ["application", "decision"]


@pytest.mark.parametrize(
    ("entries", "tried"),
    [
        (({0x4F: VISA, 0x87: "02"}, {0x4F: "A0000000032010", 0x87: "01"}), ["A0000000032010", VISA]),
        (({0x4F: VISA}, {0x4F: "A0000000032010", 0x87: "0F"}), ["A0000000032010", VISA]),
        (({0x4F: VISA, 0x87: "81"}, {0x4F: "A0000000032010", 0x87: "01"}), [VISA, "A0000000032010"]),
        (({0x4F: VISA}, {0x4F: "A0000000032010"}), [VISA, "A0000000032010"]),
        (({0x4F: VISA, 0x9F2A: "03"},), [VISA]),
        (({0x4F: VISA, 0x9F2A: "00"},), [VISA]),
        (({0x4F: VISA, 0x9F2A: "02"},), []),
        (({0x4F: VISA, 0x9F2A: "830276"},), []),
        (({0x4F: "A000000003"},), []),
        (({0x4F: VISA + "01"},), [VISA + "01"]),
        (({0x4F: "A000"},), []),
        (({0x4F: "00" * 17},), []),
        (({0x50: "41"},), []),
        (({0x4F: "A0000000041010", 0x87: "01"}, {0x4F: VISA, 0x87: "05"}), [VISA]),
    ],
)
def test_which_entries_are_tried_and_in_which_order(entries: tuple[dict[int, str], ...], tried: list[str]) -> None:
    card = StubCard(applications=(), entries=entries)
    outcome = pay(card, aids=AIDS)
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert [command[5:-1].hex().upper() for command in card.commands[1:]] == tried


def test_the_longest_identifier_of_the_terminal_counts() -> None:
    aids = (Combination("A000000003", 500_000, 2_500), Combination(VISA, 500_000, 10_000))
    outcome = pay(StubCard({0x9F6C: "0000"}), aids=aids)
    limit = next(note for note in outcome.notes if note.subject == "limits")
    assert "under the CVM limit of EUR 100.00" in limit.words


def test_no_more_candidates_than_the_bound() -> None:
    entries = tuple({0x4F: f"{VISA}{number:02X}"} for number in range(60))
    card = StubCard(applications=(), entries=entries)
    pay(card)
    assert len(card.commands) == 17


def test_an_application_that_refuses_is_followed_by_the_next() -> None:
    entries = ({0x4F: VISA, 0x87: "01"}, {0x4F: "A0000000032010", 0x87: "02"})
    card = StubCard(applications=("A0000000032010",), entries=entries)
    assert pay(card, aids=AIDS).aid.hex().upper() == "A0000000032010"

    both = StubCard(applications=(VISA, "A0000000032010"), entries=entries)

    def not_the_first(command: bytes) -> bytes:
        refused = command[1] == 0xA8 and sum(sent[1] == 0xA8 for sent in both.commands) == 0
        answer = both(command)
        return b"\x69\x85" if refused else answer

    outcome = pay(not_the_first, aids=AIDS)
    assert outcome.decision is Decision.ONLINE
    assert outcome.aid.hex().upper() == "A0000000032010"


def test_an_answer_to_select_must_be_of_the_application_selected() -> None:
    outcome = pay(StubCard(df_name="A0000000041010"))
    assert outcome.decision is Decision.ENDED
    assert outcome.alerts == (Alert.MALFORMED,)


@pytest.mark.parametrize("body", ["", "6F00", "6F02A500", "6F05A503BF0C00", "7700", "5A0112"])
def test_a_directory_without_entries(body: str) -> None:
    outcome = pay(lambda command: bytes.fromhex(body) + b"\x90\x00")
    assert outcome.decision in (Decision.ENDED, Decision.OTHER_INTERFACE)
    assert (outcome.decision is Decision.ENDED) == ("BF0C" not in body)


def test_a_label_is_made_fit_for_a_screen() -> None:
    entries = ({0x4F: VISA, 0x50: "1B5B324A41"},)
    seen: list[bytes] = []
    card = StubCard(entries=entries)

    def without_label(command: bytes) -> bytes:
        answer = card(command)
        if command[1] == 0xA4 and len(seen) == 1:
            answer = bytes.fromhex("6F268407A0000000031010A51B9F3818" + card.pdol + "9000")
        seen.append(command)
        return answer

    outcome = drive(contactless(terminal(), request()), without_label)
    assert outcome.label == "?[2JA"


@pytest.mark.parametrize(
    ("amount", "changes", "expected"),
    [
        (0, {}, (False, True, True, False)),
        (0, {"zero_amount": True}, (True, False, True, True)),
        (100, {"status_check": True}, (True, False, True, True)),
        (101, {"status_check": True}, (True, False, False, False)),
        (100, {}, (True, False, False, False)),
        (5_999, {"device_limit": 6_000}, (True, True, True, False)),
    ],
)
def test_questions_about_the_card(amount: int, changes: dict[str, Any], expected: tuple[bool, ...]) -> None:
    combination = Combination(VISA, 5_000, 2_500, floor_limit=1_000, **changes)
    found = limits(combination, terminal(aids=(combination,)), request(amount))
    assert (*found[:3], found.status_check) == expected


def test_an_amount_of_nothing_is_a_question_for_the_issuer() -> None:
    refused = pay(StubCard(), 0)
    assert refused.decision is Decision.OTHER_INTERFACE
    combination = Combination(VISA, 5_000, 2_500, floor_limit=1_000, zero_amount=True)
    card = StubCard({0x9F6C: "0000"})
    outcome = pay(card, 0, aids=(combination,))
    assert outcome.decision is Decision.ONLINE
    assert card.commands[2][8] & 0x80  # an online cryptogram is required


def test_a_domestic_kernel_and_a_kernel_of_another_brand_are_left_alone() -> None:
    for kernel in ("07", "C30276", "FF"):
        card = StubCard(applications=(), entries=({0x4F: VISA, 0x9F2A: kernel},))
        assert pay(card).decision is Decision.OTHER_INTERFACE
        assert len(card.commands) == 1


def test_both_kernels_on_one_card_in_the_cards_order() -> None:
    aids = (Combination(VISA, 5_000, 2_500), Combination(MASTERCARD, 5_000, 2_500, kernel=2))
    entries = ({0x4F: MASTERCARD, 0x87: "02"}, {0x4F: VISA, 0x87: "01"})
    card = StubCard(applications=(), entries=entries)
    pay(card, aids=aids)
    assert [command[5:-1].hex().upper() for command in card.commands[1:]] == [VISA, MASTERCARD]


def test_extended_selection_is_not_used() -> None:
    card = StubCard(entries=({0x4F: VISA, 0x9F29: "0102", 0x87: "01"},))
    assert pay(card).decision is Decision.ONLINE
    assert card.commands[1] == bytes.fromhex("00A4040007") + bytes.fromhex(VISA) + b"\x00"
