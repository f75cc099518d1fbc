# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Data on stdout, talk on stderr, exit codes as documented, and a traceback for bugs only."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from device_profiles.cli import main as twins
from terminal_agent.cli import main as agent
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice, plain, run


def test_a_fault_is_words_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise Fault("no reader matches 'ACR'", "2 readers present", Exit.ABSENT)

    assert run("tool", body) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "tool: error: no reader matches 'ACR'\nhint: 2 readers present\n"


def test_a_fault_is_data_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise Fault("x", "y")

    assert run("tool", body, as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {"error": "x", "hint": "y", "exit": 1}


def test_only_a_bug_prints_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise KeyError("k")

    assert run("tool", body) == 70
    assert "Traceback" in capsys.readouterr().err


def test_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise KeyboardInterrupt

    assert run("tool", body) == 130
    assert "interrupted" in capsys.readouterr().err


def test_interrupt_while_a_class_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    class Descriptor:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    def body() -> int:
        type("Made", (), {"x": Descriptor()})
        return 0

    assert run("tool", body) == 130
    assert capsys.readouterr().err == "tool: interrupted\n"


def test_answers_and_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    Voice("t", out=out).answer({"a": 1}, "words")
    Voice("t", as_json=True, out=out).answer({"a": 1}, "words")
    assert out.getvalue() == 'words\n{"a":1}\n'
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Voice("t", out=out).paint("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Voice("t", out=out).paint("x", "red") == "x"


@pytest.mark.parametrize(("main", "words"), [(agent, ["status"]), (twins, ["reader"])])
def test_interrupted_while_a_command_is_loaded(
    main: Callable[[list[str]], int],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert main(words) == 130
    assert capsys.readouterr().err.endswith(": interrupted\n")


def test_what_a_stream_cannot_encode_is_escaped() -> None:
    octets = io.BytesIO()
    voice = Voice("x", as_json=True, out=io.TextIOWrapper(octets, "ascii"))
    voice.data({"name": "→ \udcff"})
    assert json.loads(octets.getvalue()) == {"name": "→ \udcff"}


def test_a_fault_does_not_steer_the_terminal() -> None:
    err = io.StringIO()
    Voice("x", err=err).fault(Fault("a\x1b[2Jb: no such file", "see c\rd"))
    assert err.getvalue() == "x: error: a?[2Jb: no such file\nhint: see c?d\n"


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (lambda: Path("y" * 5_000).stat().st_size, "a path that is longer than this system takes"),
        (lambda: len("\udcff".encode()), "text that is not UTF-8"),
    ],
)
def test_names_that_no_system_takes_are_the_persons_to_mend(
    capsys: pytest.CaptureFixture[str], look: Callable[[], int], words: str
) -> None:
    assert run("x", look) == Exit.USAGE
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_what_a_person_is_to_sign_cannot_hide_itself() -> None:
    assert plain("unlock = true\r# lock\x1b[1A\x08\n\tand more") == "unlock = true?# lock?[1A?\n\tand more"
