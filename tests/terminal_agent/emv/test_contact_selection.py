# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Application selection by contact: recorded scripts of emulated cards, octet by octet, and what they must lead to.

The scripts come from an independent implementation's tests; its terminal takes six identifiers, the first by exact
name only. Where our machine goes on differently, the test says so.
"""

from collections.abc import Generator, Iterator

import pytest

from protocols.emv import tlv
from terminal_agent.card.chaining import exchange
from terminal_agent.emv import ContactApplication
from terminal_agent.emv.contact_run import Candidate, ContactRun, Turn
from terminal_agent.emv.contact_selection import (
    MOST_CANDIDATES,
    MOST_DIRECTORY_RECORDS,
    MOST_FOLLOWING,
    CardBlocked,
    candidates,
    select_application,
)
from terminal_agent.emv.outcome import Alert, Trail
from tests.protocols.emv.contact_traces import Exchanges, emulated
from tests.terminal_agent.emv.contact_session import VISA, Answer, ScriptedCard, request, terminal

SCRIPTS = {name.partition(":")[2]: script for name, script in emulated().items() if "candidate_list" in name}

KNOWN = tuple(
    ContactApplication(aid, partial=aid != "A0000000032010")
    for aid in ("A0000000031010", "A0000000032010", "A0000000032020", "A0000000041010", "A0000000043060")
)


def replay(script: Exchanges, trail: Trail | None = None) -> list[Candidate]:
    """The candidates; every command, chained as under T=0, must be the recorded one, and all must be used."""
    left = iter(script)
    machine = candidates(KNOWN, trail or Trail())
    try:
        command = next(machine)
        while True:
            command = machine.send(_chained(command, left))
    except StopIteration as end:
        assert next(left, None) is None, "the recorded terminal asked more"
        found: list[Candidate] = end.value
        return found


def _chained(command: bytes, left: Iterator[tuple[bytes, bytes]]) -> bytes:
    turns = exchange(command)
    try:
        send = next(turns)
        while True:
            expected, octets = next(left)
            assert send == expected
            send = turns.send(octets)
    except StopIteration as end:
        whole: bytes = end.value
        return whole


def finish(machine: Generator[bytes, bytes, list[Candidate]], answer: Answer) -> list[Candidate]:
    """What a list of candidates ends in."""
    try:
        command = next(machine)
        while True:
            command = machine.send(answer(command))
    except StopIteration as end:
        found: list[Candidate] = end.value
        return found


@pytest.mark.parametrize("name", ["test_pse_card_blocked", "test_aid_card_blocked"])
def test_a_blocked_card(name: str) -> None:
    with pytest.raises(CardBlocked):
        replay(SCRIPTS[name])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_nothing_found", []),
        ("test_pse_blocked", []),
        ("test_aid_blocked", []),
        ("test_pse_app_not_supported", []),
        ("test_pse_app_supported", [("A0000000031010", "VISA CREDIT", 1)]),
        ("test_pse_multi_app_supported", [("A0000000032020", "V PAY", 1), ("A0000000032010", "V PAY", 2)]),
        ("test_aid_multi_exact_match_app_supported", [("A0000000032020", "V PAY", 1), ("A0000000032010", "V PAY", 2)]),
        (
            "test_aid_multi_partial_match_app_supported",
            [("A000000004101010", "MC CREDIT", 1), ("A000000004101020", "MC CREDIT", 2)],
        ),
        (
            "test_sorted_app_priority",
            [
                ("A000000003101001", "APP 1", 1),
                ("A000000003101002", "APP 2", 1),
                ("A000000003101003", "APP 3", 4),
                ("A000000003101004", "APP 4", 4),
                ("A000000003101005", "APP 5", 5),
                ("A000000003101006", "APP 6", 7),
                ("A0000000041010", "APP 7", 16),
            ],
        ),
    ],
)
def test_recorded_cards(name: str, expected: list[tuple[str, str, int]]) -> None:
    found = replay(SCRIPTS[name])
    shown = [(candidate.name.hex().upper(), candidate.label, candidate.priority) for candidate in found]
    assert shown == expected
    assert not any(candidate.confirmation for candidate in found)


def test_an_application_that_needs_confirmation_is_never_taken() -> None:
    """The recorded terminal would ask the cardholder; ours has nobody to ask and passes over it."""
    script = SCRIPTS["test_app_cardholder_confirmation"]
    (only,) = replay(script)
    assert only.confirmation
    run = ContactRun(terminal(contact=KNOWN), request(), 50, waiting=[only])
    with pytest.raises(StopIteration) as end:
        next(select_application(run))
    assert end.value.value is Turn.STOPPED
    assert any("needs the cardholder's confirmation" in note.words for note in run.trail.notes)


def select(answer: str, name: str = "A000000003101003") -> tuple[Turn, ContactRun]:
    """The final selection of one candidate."""
    only = Candidate(bytes.fromhex(name), ContactApplication(VISA), 1, "FROM THE LIST", False)
    run = ContactRun(terminal(), request(), 50, waiting=[only])
    machine = select_application(run)
    next(machine)
    with pytest.raises(StopIteration) as end:
        machine.send(bytes.fromhex(answer))
    turn: Turn = end.value.value
    return turn, run


RECORDED = {name.partition(":")[2]: script for name, script in emulated().items() if "select_application" in name}


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("test_select_app_success", Turn.DONE),
        ("test_repeat_select_app_success", Turn.DONE),
        ("test_select_app1", Turn.STOPPED),  # no such application
        ("test_select_app2", Turn.STOPPED),  # another application answers
        ("test_select_app3", Turn.STOPPED),  # blocked card
        ("test_select_app5", Turn.STOPPED),  # no DF name
        ("test_select_app6", Turn.STOPPED),  # another application answers
    ],
)
def test_recorded_final_selections(name: str, turn: Turn) -> None:
    command, answer = RECORDED[name][0]
    found, run = select(answer.hex(), command[5:-1].hex())
    assert found is turn
    if turn is Turn.DONE:
        assert run.chosen.df_name == command[5:-1]
        assert run.chosen.label == "V PAY"


def test_a_recorded_blocked_application_is_passed_over() -> None:
    """After 6283 the answer is fetched all the same; the application is not used (Book 1, 12.4)."""
    only = Candidate(bytes.fromhex("A0000000041010"), KNOWN[3], 1, "", False)
    run = ContactRun(terminal(), request(), 50, waiting=[only])
    machine = select_application(run)
    command = next(machine)
    with pytest.raises(StopIteration) as end:
        machine.send(_chained(command, iter(RECORDED["test_select_app7"])))
    assert end.value.value is Turn.STOPPED


@pytest.mark.parametrize("answer", ["9000", "6F00" + "9000", "840501020304059000", "6F0384019000", "6FFF9000"])
def test_a_broken_answer_to_select_leads_to_the_next_candidate(answer: str) -> None:
    turn, run = select(answer)
    assert turn is Turn.STOPPED
    assert run.trail.alerts == [Alert.MALFORMED]


PSE_FCI = "6F1A840E315041592E5359532E4444463031A5088801015F2D02656E9000"


@pytest.mark.parametrize(
    "answers",
    [
        ("6F00" + "9000",),  # not the directory's answer
        ("6F12840E315041592E5359532E4444463031A5009000",),  # no file
        ("6F15840E315041592E5359532E4444463031A50388010B9000",),  # a file that no directory may have
        (PSE_FCI, "6A82"),  # the record cannot be read
        (PSE_FCI, "71009000"),  # not a record
        (PSE_FCI, "70FF9000"),  # cut
        (PSE_FCI, "9000"),
    ],
)
def test_a_broken_directory_leads_to_the_list(answers: tuple[str, ...]) -> None:
    trail = Trail()
    card = ScriptedCard(*answers, "6A82")
    machine = candidates((ContactApplication(VISA),), trail)
    found = finish(machine, card)
    assert found == []
    assert card.commands[-1] == "00A4040007A000000003101000"
    assert "payment directory cannot be used" in trail.notes[0].words


def test_a_directory_without_an_end_is_bounded() -> None:
    entry = tlv.encode([tlv.template(0x70, tlv.template(0x61, (0x4F, bytes.fromhex(VISA)), (0x50, b"X")))]).hex()
    count = 0

    def answer(command: bytes) -> bytes:
        nonlocal count
        count += 1
        return bytes.fromhex(PSE_FCI if command[1] == 0xA4 else entry + "9000")

    machine = candidates((ContactApplication(VISA),), Trail())
    found = finish(machine, answer)
    assert count == 1 + MOST_DIRECTORY_RECORDS
    assert len(found) == MOST_CANDIDATES


def test_names_that_go_on_for_ever_are_bounded() -> None:
    """Every SELECT of the next name finds another one."""
    count = 0

    def answer(command: bytes) -> bytes:
        nonlocal count
        count += 1
        if command[5:-1] == b"1PAY.SYS.DDF01":
            return b"\x6a\x82"
        name = bytes.fromhex(VISA) + bytes((count & 0xFF,))
        return tlv.encode([tlv.template(0x6F, (0x84, name), tlv.template(0xA5, (0x50, b"X")))]) + b"\x90\x00"

    machine = candidates((ContactApplication(VISA),), Trail())
    found = finish(machine, answer)
    assert count == 2 + MOST_FOLLOWING
    assert len(found) == 1 + MOST_FOLLOWING


def test_a_name_by_exact_match_only() -> None:
    exact = ContactApplication(VISA, partial=False)
    assert exact.takes(bytes.fromhex(VISA))
    assert not exact.takes(bytes.fromhex(VISA + "01"))
    assert ContactApplication(VISA).takes(bytes.fromhex(VISA + "01"))


def test_the_longest_identifier_of_the_terminal_counts() -> None:
    known = (ContactApplication("A000000003"), ContactApplication(VISA))
    record = tlv.encode([tlv.template(0x70, tlv.template(0x61, (0x4F, bytes.fromhex(VISA + "01"))))]).hex()
    card = ScriptedCard(PSE_FCI, record + "9000", "6A83")
    machine = candidates(known, Trail())
    found = finish(machine, card)
    assert found[0].application is known[1]


@pytest.mark.parametrize(
    ("objects", "tables", "shown"),
    [
        ("5009" + b"TEST VISA".hex() + "9F110101" + "9F1205" + "Visé!".encode("latin-1").hex(), {1}, "Visé!"),
        ("5009" + b"TEST VISA".hex() + "9F110101" + "9F1205" + "Visé!".encode("latin-1").hex(), {5}, "TEST VISA"),
        ("5009" + b"TEST VISA".hex() + "9F110105" + "9F1204" + "Мир!".encode("iso8859-5").hex(), {1, 5}, "Мир!"),
        ("5009" + b"TEST VISA".hex() + "9F1204" + b"Name".hex(), {1}, "TEST VISA"),
        ("5009" + b"TEST VISA".hex() + "9F110101" + "9F1203" + "410742", {1}, "A?B"),
        ("5009" + b"TEST VISA".hex() + "9F110163" + "9F1203" + "414243", {1}, "TEST VISA"),
    ],
)
def test_the_preferred_name_is_shown_where_the_terminal_has_its_letters(
    objects: str, tables: set[int], shown: str
) -> None:
    """EMV 4.4 Book 1, 12.2.4: else the label, which every terminal can show."""
    inside = bytes.fromhex("4F07A0000000031010" + objects)
    entry = b"\x61" + bytes((len(inside),)) + inside
    record = b"\x70" + bytes((len(entry),)) + entry + b"\x90\x00"
    fci = bytes.fromhex("6F15840E315041592E5359532E4444463031A5038801019000")
    answers = iter([fci, record, b"\x6a\x83"])
    found = finish(
        candidates((ContactApplication("A0000000031010"),), Trail(), frozenset(tables)), lambda command: next(answers)
    )
    assert [candidate.label for candidate in found] == [shown]


def test_the_terminals_letters_stand_in_its_additional_capabilities() -> None:
    assert terminal().code_tables == {1}
    assert terminal(additional_capabilities="6000F00300").code_tables == {9, 10}
