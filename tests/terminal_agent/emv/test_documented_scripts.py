# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""All 68 recorded contact scripts of an independent implementation, each with the result that its source documents.

One table, so that none is forgotten. The scripts of T=0 are below PC/SC, where a driver speaks for us: here a small
driver of the tests turns our commands into headers, data and procedure octets, and must send what was recorded.
"""

from collections.abc import Callable, Iterator

import pytest

from protocols.emv.apdu import Command
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.card.chaining import exchange
from terminal_agent.emv import AskApplication, ContactApplication
from terminal_agent.emv.application_data import read_records
from terminal_agent.emv.card_data import CardData, decode_afl
from terminal_agent.emv.contact_run import Candidate, ContactRun, Selected, Turn
from terminal_agent.emv.contact_selection import CardBlocked, candidates, select_application
from terminal_agent.emv.contact_steps import MUST_GIVE, processing_options
from terminal_agent.emv.key_chain import static_data
from terminal_agent.emv.outcome import Trail
from tests.protocols.emv.contact_traces import Exchanges, emulated
from tests.terminal_agent.emv.contact_session import VISA, request, terminal

SCRIPTS = emulated()
KNOWN = tuple(
    ContactApplication(aid, partial=aid != "A0000000032010")
    for aid in ("A0000000031010", "A0000000032010", "A0000000032020", "A0000000041010", "A0000000043060")
)


class Card:
    """A recorded card under T=0 as PC/SC shows it; what is sent must be what was recorded."""

    def __init__(self, script: Exchanges) -> None:
        self.left = list(script)

    def __call__(self, command: bytes) -> bytes:
        return whole(command, self._one)

    def _one(self, command: bytes) -> bytes:
        expected, answer = self.left.pop(0)
        assert command == expected
        return answer


def whole(command: bytes, answer: Callable[[bytes], bytes]) -> bytes:
    turns = exchange(command)
    try:
        send = next(turns)
        while True:
            send = turns.send(answer(send))
    except StopIteration as end:
        found: bytes = end.value
        return found


# Lists of candidates


def listed(script: Exchanges) -> str:
    """The candidates in order as ``name/label``, "blocked card" or "nothing"."""
    card = Card(script)
    machine = candidates(KNOWN, Trail())
    try:
        command = next(machine)
        while True:
            command = machine.send(card(command))
    except CardBlocked:
        found = "blocked card"
    except StopIteration as end:
        names = [f"{one.name.hex().upper()}/{one.label}{' confirm' * one.confirmation}" for one in end.value]
        found = ", ".join(names) or "nothing"
    assert not card.left
    return found


# The final selection


def selected(script: Exchanges) -> str:
    """ "taken", or why the next candidate is tried."""
    card, name = Card(script), script[0][0][5:-1]
    run = ContactRun(terminal(contact=KNOWN), request(), 50)
    run.waiting = [Candidate(name, KNOWN[0], 1, "", False)]
    machine = select_application(run)
    try:
        command = next(machine)
        while True:
            assert isinstance(command, bytes)
            command = machine.send(card(command))
    except DecodeError:
        return "no response"
    except StopIteration as end:
        assert not card.left
        if end.value is Turn.DONE:
            return f"taken: {run.chosen.label}"
        return run.trail.notes[0].words.partition(" ")[2]


# Processing options


def options(script: Exchanges) -> str:
    """AIP and AFL, or how it ends."""
    pdol = "" if script and script[0][0][4] == 2 else "9F3303" if script else "9F33"
    run = ContactRun(terminal(capabilities="60F0C8", offline_pin=True, enciphered_pin=True), request(), 50)
    run.terminal = terminal(capabilities="60F0C8", offline_pin=True, enciphered_pin=True, signature=True)
    candidate = Candidate(bytes.fromhex(VISA), ContactApplication(VISA), 1, "", False)
    run.selected = Selected(candidate, bytes.fromhex(VISA), "", bytes.fromhex(pdol))
    machine = processing_options(run)
    try:
        sent = next(machine)
        assert sent[:7] == script[0][0][:7]
        assert len(sent) == len(script[0][0])
        machine.send(script[0][1])
    except DecodeError:
        return "the list cannot be read: nothing is sent"
    except StopIteration as end:
        if end.value is not Turn.DONE:
            return str(end.value.name).lower()
        return f"{(run.card.get(Tag.AIP) or b'').hex()} {(run.card.get(Tag.AFL) or b'').hex()}"
    raise AssertionError


# Records

LOCATORS = {"test2_apdu_list": "0802020100"}
"""Where nothing is read: a locator that is no multiple of four octets, as the recording's test gives it."""


def records(name: str, script: Exchanges) -> str:
    """ "complete", what is missing, or why the transaction ends."""
    afl = b"".join(bytes((command[3] & 0xF8, command[2], command[2], command[3] > 0x50)) for command, _ in script)
    card = CardData()
    card.add([(0x94, bytes.fromhex(LOCATORS.get(name, "")) or afl)], "test")
    left = Card(script)
    try:
        decode_afl(card.get(Tag.AFL) or b"")
        machine = read_records(card)
        command = next(machine)
        while True:
            command = machine.send(left(command))
    except DecodeError as fault:
        return f"ended: {str(fault).rpartition(': ')[2]}"
    except StopIteration as end:
        assert not left.left
        if end.value:
            return f"ended: {end.value}"
        missing = card.missing(MUST_GIVE)
        if missing:
            return f"missing {len(missing)}"
        run = ContactRun(terminal(), request(), 50, card=card)
        try:
            static_data(run.card)
        except DecodeError:
            return "complete, not to be authenticated"
        return "complete"


# The protocol T=0


def driven(script: Exchanges, level: str) -> str:
    """The status of our whole answer; "goes on" where the recording ends before the card does."""
    left = iter(script)
    asked = script[0][0]
    if level == "tpdu":
        asked = apdu_of(script)
    try:
        answer = whole(asked, lambda command: (tpdu if level == "tpdu" else apdu)(command, left))
    except RecordingEnds:
        assert next(left, None) is None
        return "goes on"
    assert next(left, None) is None
    return answer[-2:].hex()


class RecordingEnds(Exception):
    """Nothing more was recorded."""


def apdu(command: bytes, left: Iterator[tuple[bytes, bytes]]) -> bytes:
    expected, answer = next(left, (b"", b""))
    if not expected:
        raise RecordingEnds
    assert command == expected
    return answer


def tpdu(command: bytes, left: Iterator[tuple[bytes, bytes]]) -> bytes:
    """What a driver does with a command under T=0: header, procedure octet, data (ISO/IEC 7816-3:2006, 10.3)."""
    asked = Command.decode(command)
    size = len(asked.data) if asked.data else (asked.expected or 0) & 0xFF
    expected, answer = next(left, (b"", b""))
    if not expected:
        raise RecordingEnds
    assert expected == bytes((asked.cla, asked.ins, asked.p1, asked.p2, size))
    if asked.data and answer == bytes((asked.ins,)):
        expected, answer = next(left)
        assert expected == asked.data
    return answer


def apdu_of(script: Exchanges) -> bytes:
    """The command that the recorded first header, and the data behind it, are the beginning of."""
    header, data = script[0][0], script[1][0] if len(script) > 1 and script[0][1] == script[0][0][1:2] else b""
    if header[1] == 0xA4:
        return header + (data or b"1PAY.SYS.DDF01") + b"\x00"
    if header[1] == 0x82:
        return header + (data or bytes.fromhex("deadbeef"))
    return header[:4] if header[1] == 0x34 else header


DOCUMENTED = {
    "emv_build_candidate_list_test:test_pse_card_blocked": "blocked card",
    "emv_build_candidate_list_test:test_aid_card_blocked": "blocked card",
    "emv_build_candidate_list_test:test_nothing_found": "nothing",
    "emv_build_candidate_list_test:test_pse_blocked": "nothing",
    "emv_build_candidate_list_test:test_aid_blocked": "nothing",
    "emv_build_candidate_list_test:test_pse_app_not_supported": "nothing",
    "emv_build_candidate_list_test:test_pse_app_supported": "A0000000031010/VISA CREDIT",
    "emv_build_candidate_list_test:test_pse_multi_app_supported": "A0000000032020/V PAY, A0000000032010/V PAY",
    "emv_build_candidate_list_test:test_aid_multi_exact_match_app_supported": (
        "A0000000032020/V PAY, A0000000032010/V PAY"
    ),
    "emv_build_candidate_list_test:test_aid_multi_partial_match_app_supported": (
        "A000000004101010/MC CREDIT, A000000004101020/MC CREDIT"
    ),
    "emv_build_candidate_list_test:test_sorted_app_priority": (
        "A000000003101001/APP 1, A000000003101002/APP 2, A000000003101003/APP 3, A000000003101004/APP 4, "
        "A000000003101005/APP 5, A000000003101006/APP 6, A0000000041010/APP 7"
    ),
    "emv_build_candidate_list_test:test_app_cardholder_confirmation": "A0000000031010/VISA CREDIT confirm",
    "emv_initiate_application_processing_test:test1_apdu_list": "7800 080202001001040018010201",
    "emv_initiate_application_processing_test:test2_apdu_list": "3900 1801020120020400",
    "emv_initiate_application_processing_test:test3_apdu_list": "another",
    "emv_initiate_application_processing_test:test4_apdu_list": "7800 080202001001040018010201",
    "emv_initiate_application_processing_test:test5_apdu_list": "the list cannot be read: nothing is sent",
    "emv_initiate_application_processing_test:test6_apdu_list": "stopped",
    "emv_read_application_data_test:test2_apdu_list": "ended",
    "emv_read_application_data_test:test3_apdu_list": "ended: record 2 of file 1 cannot be read",
    "emv_read_application_data_test:test4_apdu_list": "ended",
    "emv_read_application_data_test:test5_apdu_list": "ended",
    "emv_read_application_data_test:test6_apdu_list": "ended",
    "emv_read_application_data_test:test7_apdu_list": "missing 4",
    "emv_read_application_data_test:test8_apdu_list": "ended",
    "emv_read_application_data_test:test9_apdu_list": "missing 2",
    "emv_read_application_data_test:test10_apdu_list": "complete",
    "emv_read_application_data_test:test11_apdu_list": "complete",
    "emv_select_application_test:test_pse": (
        "A000000003101001/APP 1, A000000003101002/APP 2, A000000003101003/APP 3, A000000003101004/APP 4, "
        "A000000003101005/APP 5, A000000003101006/APP 6, A0000000041010/APP 7"
    ),
    "emv_select_application_test:test_select_app1": "refuses: 6A82",
    "emv_select_application_test:test_select_app2": "passed over",
    "emv_select_application_test:test_select_app3": "refuses: 6A81",
    "emv_select_application_test:test_select_app4": "no response",
    "emv_select_application_test:test_select_app5": "passed over",
    "emv_select_application_test:test_select_app6": "passed over",
    "emv_select_application_test:test_select_app7": "refuses: 6283",
    "emv_select_application_test:test_select_app_success": "taken: V PAY",
    "emv_select_application_test:test_repeat_select_app_success": "taken: V PAY",
} | {
    f"emv_ttl_{level}_test:test_{level}_case_{case}": result
    for level, cases in {
        "pcsc": {
            "1_normal": "9000", "1_error": "6a81", "2_normal": "goes on", "2_error_early": "6a81",
            "2_error_late": "6581", "3_normal": "9000", "3_error": "6a81", "4_normal": "goes on",
            "4_error_early": "6a82", "4_error_late": "6581", "2_normal_advanced": "goes on",
            "4_normal_advanced": "goes on", "4_warning1": "goes on", "4_warning2": "goes on",
        },
        "tpdu": {
            "1_normal": "9000", "1_error": "6a81", "2_normal": "goes on", "2_error_early": "6a81",
            "2_error_late": "6581", "3_normal": "9000", "3_error_early": "6a81", "3_error_late": "6581",
            "4_normal": "goes on", "4_error_early": "6a81", "4_error_early2": "6a82", "4_error_late": "6581",
            "2_normal_advanced": "goes on", "4_normal_advanced": "goes on", "4_warning1": "goes on",
            "4_warning2": "goes on",
        },
    }.items()
    for case, result in cases.items()
}  # fmt: skip


def test_there_are_68_and_none_is_left_out() -> None:
    assert len(SCRIPTS) == 68
    assert set(DOCUMENTED) == set(SCRIPTS)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_result(name: str) -> None:
    source, _, short = name.partition(":")
    script = SCRIPTS[name]
    if "ttl" in source:
        found = driven(script, source.split("_")[2])
    elif "candidate" in source or short == "test_pse":
        found = listed(script)
    elif "select" in source:
        found = selected(script)
    elif "initiate" in source:
        found = options(script)
    else:
        found = records(short, script)
    assert found.startswith(DOCUMENTED[name])
    assert bool(found) == bool(DOCUMENTED[name])


def test_the_card_that_wants_a_confirmation_gets_it_where_somebody_can_be_asked() -> None:
    card = Card(SCRIPTS["emv_build_candidate_list_test:test_app_cardholder_confirmation"])
    run = ContactRun(terminal(contact=KNOWN, cardholder_choice=True), request(), 50)
    machine = select_application(run)
    wanted = next(machine)
    while isinstance(wanted, bytes):
        wanted = machine.send(card(wanted))
    assert wanted == AskApplication(("VISA CREDIT",))
    command = machine.send(0)
    assert isinstance(command, bytes)
    assert command[5:-1].hex().upper() == "A0000000031010"
