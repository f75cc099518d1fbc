# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`terminal-agent profile` and `pad check` at what people mistype: a cure, the right exit code, nothing left behind."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from device_profiles import catalog
from terminal_agent.cli import main


def said(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    """What the command complained of."""
    assert main([*words, "--json"]) == code
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["exit"] == code
    assert document["hint"]
    assert "Traceback" not in err
    return str(document["error"])


@pytest.mark.parametrize("kind", ["pinpad", "reader"])
def test_every_model_is_a_sound_beginning(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model in catalog.names({"pinpad": "pinpads", "reader": "readers"}[kind]):
        own = tmp_path / f"{model}.toml"
        assert main(["profile", "new", kind, str(own), "--like", model]) == 0
        assert main(["profile", "validate", str(own), "--json"]) == 0
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (found["kind"], found["model"]) == (kind, model)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["new", "pinpad", "own.toml", "--like", "pn532"], "no model 'pn532' among the pinpads"),
        (["new", "pinpad", "own.toml", "--like", "missing.toml"], "missing.toml: no such file"),
        (["new", "pinpad", "own.toml", "--like", "reader.toml"], "reader.toml: no profile of a pinpad"),
        (["new", "pinpad", "own.toml", "--like", "binary.toml"], "binary.toml: cannot be read: not UTF-8 text"),
        (["new", "pinpad", "no/own.toml"], "no/own.toml: cannot be written: No such file"),
        (["new", "pinpad", "reader.toml"], "reader.toml: exists already"),
        (["validate", "nested.toml"], "nested.toml: lists within lists without end"),
        (["validate", "binary.toml"], "binary.toml: cannot be read: not UTF-8 text"),
        (["validate", "."], "cannot be read: Is a directory"),
        (["validate", "empty.toml"], "neither a terminal's profile nor a device's"),
        (["check", "reader.toml"], "unknown key"),
    ],
)
def test_bad_words_of_profile(
    words: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reader.toml").write_text(catalog.find("readers", "pn532").read_text())
    Path("binary.toml").write_bytes(bytes(range(256)))
    Path("nested.toml").write_text(f"x = {'[' * 5000}{']' * 5000}")
    Path("empty.toml").touch()
    assert what in said(capsys, 2, "profile", *words)
    assert not Path("own.toml").exists()


def test_a_disk_that_is_full_keeps_no_half_a_profile(tmp_path: Path) -> None:
    """Else the next try would be told that the file exists already."""
    command = [str(Path(sys.executable).parent / "terminal-agent"), "profile", "new", "pinpad", "own.toml"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert done.returncode == 2
    assert "own.toml: cannot be written: File too large" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["--line", "/dev/tty-nowhere"], 3, "/dev/tty-nowhere: no such port"),
        (["--line", ""], 3, "no path: no such port"),
        (["--line", "usb:1234:5678"], 3, "usb:1234:5678: no such device is plugged in"),
        (["--line", "socket://127.0.0.1:1"], 3, "nobody answers there"),
        (["--line", "/dev/null"], 1, "/dev/null: not a serial port"),
        (["--line", "/"], 1, "/: cannot be opened: Is a directory"),
        (["--line", "a\0b"], 1, "a path with a zero octet"),
        (["--line", "socket://[::1"], 1, "not a line that the agent knows"),
        (["--line", "socket://a..b:80"], 1, "not a line that the agent knows"),
        (["--line", "/dev/null", "--sale"], 2, "--sale: ipp-uic sells with no chip by itself"),
    ],
)
def test_bad_words_of_pad_check(words: list[str], code: int, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert what in said(capsys, code, "pad", "check", "--model", "ipp-uic", *words)


def test_a_line_of_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is there and silent is a finding, with the line of the profile to look at."""
    ours, theirs = os.openpty()
    try:
        assert main(["pad", "check", "--model", "ipp-verifone", "--line", os.ttyname(theirs), "--json"]) == 1
    finally:
        os.close(theirs)
        os.close(ours)
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["subject"], finding["verdict"]) == ("line", "differs")
    assert "does not answer" in finding["words"]
    assert "[line] in the profile" in finding["cure"]
