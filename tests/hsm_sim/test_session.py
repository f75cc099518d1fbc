# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A conversation without a socket: no input raises, each whole command gets one answer, answers stay in order."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.engine.engine import OPERATIONS, Engine
from hsm_sim.engine.refusal import Reason
from hsm_sim.engine.wrapping import VariantLmk
from hsm_sim.faults import Action, Injector, Rule
from hsm_sim.payshield import unit as subject
from hsm_sim.payshield.dispatch import HANDLERS
from hsm_sim.payshield.session import Session
from hsm_sim.payshield.terms import CODES
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import frame, response_code
from tests.hsm_sim import live, oracle
from tests.hsm_sim.conftest import Ask
from tests.hsm_sim.units import Heard, unit

HEADER = b"\x19%00"
ENGINE = Engine(VariantLmk.of_test_keys(), os.urandom)
every_command = pytest.mark.parametrize("code", sorted(live.COMMANDS))


def fresh(bugs: list[str] | None = None) -> Session:
    return Session(unit(ENGINE, len(HEADER), heard=Heard(bugs)))


def drained(session: Session) -> list[bytes]:
    answers = b""
    more = True
    while more:
        octets, more = session.answer(3)
        answers += octets
    return split(answers)


def split(answers: bytes) -> list[bytes]:
    found = []
    while answers:
        length = int.from_bytes(answers[:2], "big")
        found.append(answers[2 : 2 + length])
        answers = answers[2 + length :]
    return found


def test_tables_are_whole() -> None:
    rows = [set(live.COMMANDS), set(live.AUTHORISED), set(live.PERMITTED), set(live.UNITS_OWN)]
    assert set.union(*rows) == set(COMMANDS)
    assert sum(map(len, rows)) == len(COMMANDS)
    assert set(HANDLERS) == {command.request for code, command in COMMANDS.items() if code not in live.UNITS_OWN}
    assert set(CODES) == set(Reason)
    assert len(OPERATIONS) == len(set(OPERATIONS.values()))


@every_command
def test_every_command_succeeds(code: str, ask: Ask) -> None:
    assert ask(live.COMMANDS[code])[:2] == "00"


@every_command
def test_every_truncation_is_answered_and_none_is_taken_for_the_whole(code: str) -> None:
    bugs: list[str] = []
    whole = live.COMMANDS[code]
    for length in range(2, len(whole)):
        session = fresh(bugs)
        session.feed(frame(HEADER + whole[:length]))
        (answer,) = drained(session)
        assert answer.startswith(HEADER + response_code(code).encode())
        error = answer[6:8].decode()
        assert ErrorCode(error)
        if error == "00":
            # Only where what is left out is optional: options, or a length of nothing.
            assert code in live.OPTIONAL_ENDS, (code, length)
        else:
            assert len(answer) == 8
    assert not bugs


@pytest.mark.parametrize("code", sorted(code for code in live.COMMANDS if not COMMANDS[code].open_ended))
def test_trailer_and_lmk_identifier(code: str, ask: Ask) -> None:
    command = live.COMMANDS[code]
    assert ask(command + b"%00")[:2] == "00"
    assert ask(command + b"\x19%01 behind").endswith("\x19%01 behind")
    assert ask(command + b"%01") == "13"
    assert ask(command + b"%01\x19behind") == "13\x19behind"
    assert ask(command + b"%0A") == "13"
    assert ask(command + b"\x19" + bytes(33)) == "15"


@pytest.mark.parametrize("code", ["ZZ", "A1", "99", "nc", "NP", "J2"])
def test_an_unknown_command_is_answered_68(code: str, ask: Ask) -> None:
    assert ask(code + "anything") == "68"


@pytest.mark.parametrize("message", [b"", b"0001", b"0001N", b"0001\x00\x01", bytes(100)])
def test_what_is_no_command_ends_the_conversation_after_what_was_asked_before(message: bytes) -> None:
    session = fresh()
    session.feed(frame(HEADER + b"NC") + frame(message) + frame(HEADER + b"NC"))
    answers = drained(session)
    assert [answer[:8] for answer in answers] == [HEADER + b"ND00"]
    assert session.ended
    session.feed(frame(HEADER + b"NC"))
    assert session.answer(10) == (b"", False)


def test_two_commands_in_one_segment_and_one_in_many() -> None:
    session = fresh()
    stream = frame(HEADER + live.COMMANDS["CM"]) + frame(HEADER + live.COMMANDS["KQ"]) + frame(HEADER + b"NC")
    answers = []
    for place in range(len(stream)):
        session.feed(stream[place : place + 1])
        answers += drained(session)
    assert [answer[4:8] for answer in answers] == [b"CN00", b"KR00", b"ND00"]
    session.feed(stream)
    assert [answer[4:8] for answer in drained(session)] == [b"CN00", b"KR00", b"ND00"]


def test_answers_keep_the_order_of_the_commands() -> None:
    session = Session(unit(ENGINE, 6))
    codes = sorted(live.COMMANDS) * 20
    session.feed(b"".join(frame(f"{number:06}".encode() + live.COMMANDS[code]) for number, code in enumerate(codes)))
    answers = drained(session)
    assert [answer[:6] for answer in answers] == [f"{number:06}".encode() for number in range(len(codes))]
    assert [answer[6:8].decode() for answer in answers] == [response_code(code) for code in codes]


@pytest.mark.parametrize("octets", [0, 1, 255])
def test_headers_of_any_length(octets: int) -> None:
    session = Session(unit(ENGINE, octets))
    session.feed(frame(bytes(octets) + b"NC"))
    assert drained(session)[0].startswith(bytes(octets) + b"ND00")


def test_a_bug_is_answered_41_told_by_kind_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("text that might quote a key")

    monkeypatch.setattr(subject, "HANDLERS", {COMMANDS["NC"].request: broken})
    bugs: list[str] = []
    session = fresh(bugs)
    session.feed(frame(HEADER + b"NC") * 2)
    assert [answer[4:] for answer in drained(session)] == [b"ND41"] * 2
    assert bugs == ["NC: ZeroDivisionError"] * 2


@given(st.lists(st.binary(max_size=120), min_size=1, max_size=5))
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    bugs: list[str] = []
    session = fresh(bugs)
    for piece in pieces:
        session.feed(piece)
        drained(session)
    assert not bugs


@given(st.sampled_from(sorted(live.COMMANDS)), st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_changed_octets_never_raise_and_never_go_unanswered(code: str, place: int, octets: bytes) -> None:
    bugs: list[str] = []
    session = fresh(bugs)
    command = live.COMMANDS[code]
    place %= len(command) + 1
    session.feed(frame(HEADER + command[:place] + octets + command[place + len(octets) :]))
    answers = drained(session)
    assert session.ended or len(answers) == 1
    assert not bugs


def test_a_trace_tells_every_command_and_no_secret() -> None:
    told: list[tuple[str, str]] = []
    session = Session(unit(ENGINE, len(HEADER)), trace=lambda direction, text: told.append((direction, text)))
    for command in live.COMMANDS.values():
        session.feed(frame(HEADER + command))
    session.feed(frame(HEADER + b"ZZ") + frame(b""))
    drained(session)
    assert [direction for direction, _ in told] == [">", "<"] * (len(live.COMMANDS) + 1) + [">"]
    text = "\n".join(words for _, words in told).upper()
    for hidden in (live.ACCOUNT, live.PAN, oracle.pvv(live.PVK, "1", "1234", live.ACCOUNT) + "\n"):
        assert hidden not in text
    for key in (live.BDK, live.TPK, live.ZPK, live.PVK, live.TAK, live.TMK, live.ISSUER, live.CVK):
        assert key.hex().upper() not in text
    assert "CM VERIFY A PIN BLOCK UNDER DUKPT BY ITS PVV" in text
    assert "ZZ NOT A COMMAND KNOWN HERE" in text
    assert "THE CONNECTION IS CLOSED" in text


def test_what_takes_long_is_put_off_and_keeps_its_place() -> None:
    asked = unit(ENGINE, len(HEADER))
    asked.rsa_keys.ahead = True
    session = Session(asked)
    pieces = [b"NC", b"EI0102401", b"EI0101601", b"NC", b"EI0103201"]
    session.feed(b"".join(frame(HEADER + piece) for piece in pieces))
    found = []
    for rest in (pieces[1:], pieces[4:]):
        octets, more = session.answer(9)
        assert more
        assert session.waiting == sum(len(HEADER + piece) for piece in rest)
        found += split(octets)
        assert session.work is not None
        session.work()
        session.work = None
    octets, more = session.answer(9)
    assert [answer[4:8] for answer in found + split(octets)] == [b"ND00", b"EJ00", b"EJ04", b"ND00", b"EJ00"]
    assert session.work is None
    assert session.waiting == 0


def test_what_takes_long_is_not_for_chains() -> None:
    session = fresh()
    session.feed(frame(HEADER + b"NK0" + b"02" + b"0009EI0102401" + b"0002NC"))
    (answer,) = drained(session)
    assert answer[4:].startswith(b"NL0002" + b"0004EJ68")


def test_a_fault_meets_what_was_put_off_once() -> None:
    asked = unit(ENGINE, len(HEADER))
    asked.rsa_keys.ahead = True
    session = Session(asked, injector=Injector([Rule(Action.WRONG_HEADER, count=1)]))
    session.feed(frame(HEADER + b"EI0102401") + frame(HEADER + b"NC"))
    assert session.sendings(9) == ([], True)
    assert session.work is not None
    session.work()
    session.work = None
    (made, checked), more = session.sendings(9)
    assert not more
    assert made.octets[2:8] == bytes(octet ^ 0xFF for octet in HEADER) + b"EJ"
    assert checked.octets[2:8] == HEADER + b"ND"
