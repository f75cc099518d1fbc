# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What stands between a message and its answer: states, activities, enable lists, LMKs, what is told and counted."""

import itertools

import pytest

from hsm_sim.engine.block_lmk import BlockLmk
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.policy import Policy
from hsm_sim.engine.states import State, Turn
from hsm_sim.engine.wrapping import VariantLmk
from hsm_sim.payshield.unit import DIAGNOSTICS, LARGEST_BODY, Rules, Unit
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import response_code
from tests.hsm_sim import live
from tests.hsm_sim.units import Clock, Heard, unit

LMKS = {
    "00": VariantLmk.of_test_keys(),
    "01": BlockLmk.of_tdes_test_key("01"),
    "02": BlockLmk.of_aes_test_key("02"),
}
NUMBERS = itertools.count()
POLICY = Policy(clear_pins=True, account_change=True)


def drawn(count: int) -> bytes:
    """Numbers in a row: what is random in an engine is not what is tested here."""
    return b"".join((next(NUMBERS) * 2654435761 % 2**32).to_bytes(4, "big") for _ in range(count // 4 + 1))[:count]


ENGINE = Engine(LMKS, drawn, policy=POLICY)
EVERY = {**live.COMMANDS, **live.AUTHORISED, **{code: command for code, (_, command) in live.PERMITTED.items()}}


def ask(asked: Unit, command: bytes, peer: str = "") -> bytes:
    """What follows the response code."""
    answer = asked.answer(b"head" + command, peer)
    assert answer[:6] == b"head" + response_code(command[:2].decode()).encode()
    return answer[6:]


@pytest.mark.parametrize("code", sorted(live.AUTHORISED))
def test_an_activity_must_be_authorised_and_ends(code: str) -> None:
    clock = Clock()
    asked = unit(ENGINE, clock=clock)
    assert ask(asked, EVERY[code]) == b"17"
    activity = COMMANDS[code].activity
    asked.states.authorise(str(activity), 60)
    assert ask(asked, EVERY[code])[:2] == b"00"
    clock.now += 60
    assert ask(asked, EVERY[code]) == b"17"


def test_an_activity_is_for_its_own_commands_alone() -> None:
    for activity in {command.activity for command in COMMANDS.values() if command.activity}:
        asked = unit(ENGINE)
        asked.states.authorise(str(activity), 60)
        for code, command in EVERY.items():
            other = COMMANDS[code].activity
            assert (ask(asked, command) == b"17") == (bool(other) and other != activity), (activity, code)


@pytest.mark.parametrize("state", [State.OFFLINE, State.SECURE])
def test_out_of_line_only_diagnostics_are_answered(state: State) -> None:
    asked = unit(ENGINE)
    asked.states.turn(Turn.TO_OFFLINE)
    if state is State.SECURE:
        asked.states.turn(Turn.TO_SECURE)
    for code, command in EVERY.items():
        assert (ask(asked, command) == b"17") == (code not in DIAGNOSTICS), code
    assert ask(asked, b"CA") == b"15"  # what cannot be read is said first
    asked.states.state = State.ONLINE
    assert ask(asked, EVERY["CA"])[:2] == b"00"


def test_a_disabled_command_is_as_if_it_did_not_exist() -> None:
    asked = unit(ENGINE, rules=Rules(disabled=frozenset({"CA"})))
    assert ask(asked, EVERY["CA"]) == ask(asked, b"ZZ") == b"68"
    assert ask(asked, EVERY["CC"])[:2] == b"00"
    asked.set(ENGINE, Rules())
    assert ask(asked, EVERY["CA"])[:2] == b"00"
    assert asked.answers == {("CA", "68"): 1, ("??", "68"): 1}


def test_counts_survive_other_rules() -> None:
    asked = unit(ENGINE)
    ask(asked, b"NC")
    asked.set(ENGINE, Rules(disabled=frozenset({"CA"})))
    ask(asked, b"NC")
    assert asked.succeeded == {"NC": 2}


def test_the_lmk_of_a_command_decides() -> None:
    asked = unit(ENGINE)
    values = {name: ask(asked, b"NC" + tail)[2:18] for name, tail in (("", b""), ("00", b"%00"), ("02", b"%02"))}
    assert values[""] == values["00"] != values["02"]
    assert ask(asked, b"NC%07") == b"13"
    assert ask(asked, b"NC%07\x19tail") == b"13\x19tail"
    made = ask(asked, b"A00FFFS%02#P0A2B00N00")
    assert made[:4] == b"00S1", made
    assert made[8:13] == b"P0AB0"


def test_every_answer_to_what_is_heard_is_told_with_who_asked() -> None:
    heard = Heard()
    asked = unit(ENGINE, heard=heard, rules=Rules(heard=frozenset({"A0", "A4"})))
    ask(asked, EVERY["A0"], "192.0.2.7")
    ask(asked, b"A09", "192.0.2.7")
    ask(asked, EVERY["A4"])
    ask(asked, EVERY["CA"])
    assert heard.commands == [("A0", "00", "192.0.2.7"), ("A0", "15", "192.0.2.7"), ("A4", "17", "")]


def test_errors_are_counted_by_command_and_code() -> None:
    asked = unit(ENGINE)
    for command in (b"NC", b"CA", b"CA", EVERY["CA"], b"A1", b"ZZ"):
        ask(asked, command)
    assert asked.succeeded == {"NC": 1, "CA": 1}
    assert asked.answers == {("CA", "15"): 2, ("??", "68"): 2}


def test_an_answer_too_long_for_a_frame_is_an_error() -> None:
    asked = unit(ENGINE)
    data = b"x" * (LARGEST_BODY + 1)
    assert ask(asked, b"B2%04X" % len(data) + data) == b"80"
    data = data[1:]
    assert ask(asked, b"B2%04X" % len(data) + data) == b"00" + data


def test_commands_in_one_frame_each_meet_every_rule() -> None:
    heard = Heard()
    asked = unit(ENGINE, heard=heard, rules=Rules(disabled=frozenset({"CC"}), heard=frozenset({"A0"})))
    pieces = [b"NC", EVERY["CA"], EVERY["CC"], EVERY["A0"], EVERY["A4"], b"NK000", b"ZZ"]
    chain = b"NK0%02d" % len(pieces) + b"".join(b"%04d" % len(piece) + piece for piece in pieces)
    answer = ask(asked, chain)
    assert answer[:2] == b"00"
    found, place = [], 4
    while place < len(answer):
        length = int(answer[place : place + 4])
        found.append(answer[place + 4 : place + 8])
        place += 4 + length
    assert found == [b"ND00", b"CB00", b"CD68", b"A100", b"A517", b"NL68", b"Z[68"]
    assert heard.commands == [("A0", "00", "")]


def test_a_pin_length_of_its_own() -> None:
    short = unit(Engine(LMKS, drawn, policy=Policy(clear_pins=True, pin_length=6)))
    short.states.authorise(str(COMMANDS["BA"].activity), 60)
    assert ask(short, b"BA1234FFF" + live.ACCOUNT.encode())[:2] == b"00"
    assert ask(short, EVERY["BA"]) != b"00"
