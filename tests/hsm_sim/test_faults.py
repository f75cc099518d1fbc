# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Scripts of faults: which command is hit, and what leaves. No socket; what hosts see is in test_server_faults."""

from pathlib import Path

import pytest

from hsm_sim.faults import SIZED, TIMED, Action, Injector, Rule, Script, Sending, spoilt
from hsm_sim.payshield.session import Session
from protocols.hsm.frame import frame
from tests.hsm_sim import live
from tests.hsm_sim.test_session import ENGINE
from tests.hsm_sim.units import Heard, unit
from tillguard.settings import load
from tillguard.voice import Fault

FRAMED = frame(b"\x01\x02\x03\x04ND00rest")
DROP = Rule(Action.DROP)


def hits(rules: list[Rule], codes: str) -> str:
    """For each command whether a rule hit it: its action's first letter or a dot."""
    injector = Injector(rules)
    found = (injector.next(code) for code in codes.split())
    return "".join("." if rule is None else rule.action.value[0] for rule in found)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(Action.DROP), "ddddd"),
        (Rule(Action.DROP, command="CA"), ".d.dd"),
        (Rule(Action.DROP, after=2), "..ddd"),
        (Rule(Action.DROP, count=2), "dd..."),
        (Rule(Action.DROP, every=2), "d.d.d"),
        (Rule(Action.DROP, command="CA", after=1, count=1), "...d."),
        (Rule(Action.DROP, after=1, every=2, count=1), ".d..."),
    ],
)
def test_which_commands_are_hit(rule: Rule, expected: str) -> None:
    assert hits([rule], "NC CA NC CA CA") == expected


def test_the_first_rule_that_reaches_a_command_hits_it_and_the_others_keep_theirs() -> None:
    rules = [Rule(Action.DELAY, command="CA", count=1), Rule(Action.ERROR, count=2)]
    assert hits(rules, "NC CA CA NC") == "ede."
    injector = Injector(rules)
    for code in ("NC", "CA", "CA"):
        injector.next(code)
    assert injector.hits == {"delay": 1, "error": 2}


@pytest.mark.parametrize(
    ("rule", "sending"),
    [
        (Rule(Action.DELAY, ms=250), Sending(FRAMED, 0.25)),
        (Rule(Action.DELAY), Sending(FRAMED, 1.0)),
        (Rule(Action.BUSY, ms=30), Sending(FRAMED, 0.03, busy_s=0.03)),
        (Rule(Action.DROP), Sending(b"")),
        (Rule(Action.CLOSE), Sending(FRAMED[:7], close=True)),
        (Rule(Action.CLOSE, octets=1), Sending(FRAMED[:1], close=True)),
        (Rule(Action.CLOSE, octets=0), Sending(b"", close=True)),
        (Rule(Action.WRONG_HEADER), Sending(FRAMED[:2] + b"\xfe\xfd\xfc\xfb" + FRAMED[6:])),
        (Rule(Action.WRONG_LENGTH), Sending(b"\x00\x0d" + FRAMED[2:])),
        (Rule(Action.WRONG_LENGTH, octets=9), Sending(b"\x00\x15" + FRAMED[2:])),
    ],
)
def test_how_an_answer_is_spoilt(rule: Rule, sending: Sending) -> None:
    assert spoilt(FRAMED, rule, 4) == sending


def asked(rules: list[Rule], *commands: bytes) -> tuple[list[Sending], Session]:
    session = Session(unit(ENGINE, heard=Heard()), injector=Injector(rules))
    session.feed(b"".join(frame(b"%04d" % place + command) for place, command in enumerate(commands)))
    sendings, more = session.sendings(100)
    assert not more
    return sendings, session


def test_an_error_on_purpose_carries_nothing_out() -> None:
    heard = Heard()
    session = Session(unit(ENGINE, heard=heard), injector=Injector([Rule(Action.ERROR, error="12")]))
    session.feed(frame(b"head" + live.COMMANDS["CM"]))
    assert session.sendings(9) == ([Sending(frame(b"headCN12"))], False)
    assert heard.commands == []


def test_an_answer_changes_places_with_the_next() -> None:
    sendings, session = asked([Rule(Action.REORDER, count=1)], b"NC", b"NC", b"NC")
    assert [sending.octets[2:6] for sending in sendings] == [b"0001", b"0000", b"0002"]
    assert not session.holding


def test_an_answer_with_no_next_is_held_until_it_is_let_go() -> None:
    sendings, session = asked([Rule(Action.REORDER)], b"NC")
    assert sendings == []
    assert session.holding
    assert session.release()[2:6] == b"0000"
    assert not session.holding


def test_what_is_no_command_ends_a_faulty_conversation_too() -> None:
    sendings, session = asked([DROP], b"NC", b"", b"NC")
    assert [sending.octets for sending in sendings] == [b""]
    assert session.ended


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"command": "C"}, "command"),
        ({"command": "C*"}, "command"),
        ({"after": -1}, "after: at least 0"),
        ({"count": 0}, "count: at least 1"),
        ({"every": 0}, "every: at least 1"),
        ({"ms": 5}, "ms"),
        ({"octets": 5}, "octets"),
        ({"error": "12"}, "error"),
    ],
)
def test_rules_that_make_no_sense(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Rule(Action.DROP, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("action", "ms"), [(Action.DELAY, -1), (Action.DELAY, 600_001)])
def test_waits_out_of_reach(action: Action, ms: int) -> None:
    with pytest.raises(ValueError, match="ms: 0 to 600000 expected"):
        Rule(action, ms=ms)


def test_errors_that_no_unit_gives() -> None:
    with pytest.raises(ValueError, match="a listed error code expected"):
        Rule(Action.ERROR, error="ZZ")
    with pytest.raises(ValueError, match="at most 1000"):
        Script((DROP,) * 1001)


def test_every_action_is_of_one_sort() -> None:
    assert not set(TIMED) & SIZED
    assert set(Action) >= set(TIMED) | SIZED


def test_a_script_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[faults]]\naction = "delay"\ncommand = "CA"\nafter = 3\nms = 250\n\n'
        '[[faults]]\naction = "wrong-length"\nevery = 10\noctets = 2\n'
    )
    assert load(path, Script).faults == (
        Rule(Action.DELAY, "CA", after=3, ms=250),
        Rule(Action.WRONG_LENGTH, every=10, octets=2),
    )
    path.write_text('[[faults]]\naction = "explode"\n')
    with pytest.raises(Fault, match=r"faults\[0\].action: not one of the known values"):
        load(path, Script)
