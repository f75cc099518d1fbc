# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every refusal of arguments has a hint, is JSON where asked for, and quotes nothing that was typed."""

import json

import pytest

from device_profiles.cli import main as twin
from fleet_console.cli import main as console
from hsm_sim.cli import main as hsm
from terminal_agent.cli import main as agent
from tillguard.arguments import Parser
from tillguard.exits import Exit

TYPED = "4000009999990016"


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (hsm, ["serve", "--port", TYPED + "x"]),
        (hsm, [TYPED]),
        (hsm, ["commands", "CA", TYPED]),
        (agent, [TYPED]),
        (agent, ["pay"]),
        (agent, ["profile", "new", TYPED, "x"]),
        (twin, [TYPED]),
        (twin, ["reader", "--tap-after", TYPED + "x"]),
        (twin, ["pinpad", "--behaviour", TYPED]),
        (console, ["watch", "--since", TYPED]),
        (console, ["watch"]),
    ],
)
def test_commands_refuse_with_a_hint(main: object, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)  # type: ignore[operator]
    assert ended.value.code == int(Exit.USAGE)
    told = capsys.readouterr().err
    assert "error: " in told
    assert "hint: " in told
    assert TYPED not in told


def parser() -> Parser:
    made = Parser(prog="test")
    made.add_argument("--number", type=int)
    made.add_argument("--share", type=float)
    made.add_argument("--kind", choices=("this", "that"))
    made.add_argument("--many", nargs="+")
    either = made.add_mutually_exclusive_group()
    either.add_argument("--left", action="store_true")
    either.add_argument("--right", action="store_true")
    made.add_argument("--json", action="store_true")
    return made


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (["--number", "x"], "argument --number: a whole number expected", "run: test --help"),
        (["--share", "x"], "argument --share: a number expected", "run: test --help"),
        (["--kind", "x"], "argument --kind: not one of the known values", "one of: this, that"),
        (["--number"], "argument --number: expected one argument", "run: test --help"),
        (["--many"], "argument --many: expected at least one argument", "run: test --help"),
        (["--left", "--right"], "argument --right: not allowed with argument --left", "give one of the two"),
        (["--other"], "an argument that is not known here", "run: test --help"),
        (["--left=x"], "arguments not understood", "run: test --help"),
    ],
)
def test_words(words: list[str], what: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(words)
    assert capsys.readouterr().err == f"test: error: {what}\nhint: {hint}\n"


def test_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["test", "--json", "--number", "x"])
    with pytest.raises(SystemExit):
        parser().parse_args(["--json", "--number", "x"])
    said = json.loads(capsys.readouterr().out)
    assert said == {"error": "argument --number: a whole number expected", "hint": "run: test --help", "exit": 2}
