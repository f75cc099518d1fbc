# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What head office's commands say to a person who mistyped, or who is left with half of something done."""

from pathlib import Path

import pytest

from fleet_console.cli import COMMANDS, main
from tests.fleet_console.estate import make_estate


@pytest.mark.parametrize("command", ["bogus", "statuss"])
def test_a_mistyped_command_is_answered_with_all_there_are(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 2
    said = capsys.readouterr().err
    assert [name for name in ("watch", *COMMANDS) if name not in said] == []


def test_what_is_half_done_says_which_half(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--settings", str(make_estate(tmp_path, "TG000001").settings("fleet.db"))]
    certificate = str(tmp_path / "TG000001.pem")
    assert main(["terminals", "add", "TG000001", "--certificate", certificate, *settings]) == 5  # no broker runs
    said = capsys.readouterr().err
    assert "TG000001 is added, but the broker was not told" in said
    assert "fleet-console broker sync" in said
    assert main(["terminals", *settings]) == 0
    assert "TG000001" in capsys.readouterr().out


def test_a_folder_without_certificates_and_settings_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = str(make_estate(tmp_path).settings("fleet.db"))
    (tmp_path / "empty").mkdir()
    assert main(["terminals", "import", "--certificates", str(tmp_path / "empty"), "--settings", settings]) == 3
    assert "--only" in capsys.readouterr().err
    assert main(["status", "--settings", str(tmp_path / "none.toml")]) == 2
    assert "docs/head-office.md" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("noun", "verb"),
    [
        *(("enrol", verb) for verb in ("list", "show", "file", "step", "activate", "renew", "answer", "crl")),
        *(("statement", verb) for verb in ("profile", "persons", "show", "send")),
    ],
)
def test_a_verb_s_help_begins_with_its_examples(noun: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([noun, verb, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  fleet-console {noun} {verb}" in capsys.readouterr().out
