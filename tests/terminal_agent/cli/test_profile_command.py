# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every profile that is shipped is sound, a new one begins as one of them, and no file is overwritten."""

import json
from pathlib import Path

import pytest

from device_profiles import catalog
from terminal_agent.cli import main
from tests.protocols.persons import public_pem

DEVICES = [(kind, name) for kind in ("readers", "pinpads") for name in catalog.names(kind)]


@pytest.mark.parametrize(("kind", "name"), DEVICES)
def test_a_new_profile_is_sound(kind: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.toml"
    noun = kind.removesuffix("s")
    assert main(["profile", "new", noun, str(path), "--like", name]) == 0
    assert path.read_text() == (catalog.folder(kind) / f"{name}.toml").read_text()
    capsys.readouterr()
    assert main(["profile", "validate", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["sound"], said["kind"], said["model"]) == (True, noun, name)


def test_a_new_terminal_is_sound_once_its_files_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "terminal.toml"
    assert main(["profile", "new", "terminal", str(path)]) == 0
    assert main(["profile", "validate", str(path)]) == 2
    assert "no such file" in capsys.readouterr().err
    (tmp_path / "pki").mkdir()
    for name in ("ca.pem", "TG000001.pem", "TG000001.key"):
        (tmp_path / "pki" / name).touch()
    for verb in ("validate", "check"):
        assert main(["profile", verb, str(path)]) == 0
        assert "NXP PN532" in capsys.readouterr().out


def test_a_list_of_persons_that_nobody_may_rely_on_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "terminal.toml"
    assert main(["profile", "new", "terminal", str(path)]) == 0
    path.write_text(path.read_text() + '[orders]\ntrust = "trust.toml"\n')
    (tmp_path / "pki").mkdir()
    for name in ("pki/ca.pem", "pki/TG000001.pem", "pki/TG000001.key"):
        (tmp_path / name).touch()
    (tmp_path / "ada.pem").write_text(public_pem("ada"))
    person = '[[persons]]\nname = "Ada"\nkey = "ada.pem"\nmay = ["order"]\n[thresholds]\norder = 1\n'
    (tmp_path / "trust.toml").write_text(person)
    assert main(["profile", "validate", str(path)]) == 2
    assert "thresholds for order, order-grave and trust expected" in capsys.readouterr().err


def test_no_file_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.toml"
    path.write_text("mine")
    assert main(["profile", "new", "reader", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1", "neither a terminal's profile nor a device's"),
        ('protocol = "smoke"', "one of: pn532"),
        ('protocol = "ipp"', "missing"),
        ("[terminal]", "missing"),
        ("[", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_cure(
    text: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    assert main(["profile", "validate", str(path)]) == 2
    told = capsys.readouterr().err
    assert what in told
    assert "hint: " in told


@pytest.mark.parametrize("words", [["reader", "F", "--like", "nothing"], ["reader", "F", "--like", "./no.toml"]])
def test_a_model_that_is_not_there(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "new", *words[:1], str(tmp_path / "F"), *words[2:]]) == 2
    assert "hint: " in capsys.readouterr().err
    assert not (tmp_path / "F").exists()
    assert main(["profile", "new", "reader", str(tmp_path / "no" / "F")]) == 2
    assert "cannot be written" in capsys.readouterr().err
