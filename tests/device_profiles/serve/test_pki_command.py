# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pki` as a process: what it writes, with which rights, and what it refuses."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "device_profiles.cli", "pki", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_writes_everything_and_says_where(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    done = run("--dir", str(folder), "--terminal", "TG000001", "--terminal", "TG000002", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert (document["event"], document["ca"], document["hours"]) == ("made", str(folder / "ca.pem"), 24)
    parts = [document["broker"], document["acquirer"], document["head-office"], *document["terminals"].values()]
    assert list(document["terminals"]) == ["TG000001", "TG000002"]
    for part in parts:
        assert Path(part["certificate"]).read_text().startswith("-----BEGIN CERTIFICATE")
        assert Path(part["key"]).read_text().startswith("-----BEGIN PRIVATE KEY")
    assert len(list(folder.iterdir())) == 16
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.glob("*.key"))
    assert "PRIVATE" not in done.stdout


def test_never_overwrites(tmp_path: Path) -> None:
    assert run("--dir", str(tmp_path)).returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run("--dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"device-twin: error: {tmp_path}/ca.pem exists already\nhint: choose another --dir, or delete that one\n"
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--terminal", "a/b"], 2, "a terminal's name has 1 to 32 letters"),
        (["--terminal", "head-office"], 2, "a terminal's name has 1 to 32 letters"),
        (["--hours", "0"], 2, "--hours: 1 to 744 expected"),
        (["--hours", "745"], 2, "--hours: 1 to 744 expected"),
    ],
)
def test_refusals_write_nothing(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    done = run("--dir", str(tmp_path / "pki"), *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert not (tmp_path / "pki").exists()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = run("--dir", str(tmp_path / "file" / "pki"))
    assert done.returncode == 1
    assert "hint: choose a folder that can be written" in done.stderr


def test_help_shows_examples() -> None:
    assert "examples:\n  device-twin pki --dir" in run("--help").stdout
