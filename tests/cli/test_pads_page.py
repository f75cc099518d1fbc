# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/pads.md, typed in its order: each does what the page says of it."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "pads.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [line[2:] for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines()]
BIN = Path(sys.executable).parent


class Desk:
    """A person at a shell in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._behind: list[subprocess.Popen[str]] = []

    def type(self, line: str) -> str:
        """What a command printed; one in the background is only waited for until it is ready."""
        words = shlex.split(line)
        ours = BIN / words[0]
        argv = [str(ours) if ours.exists() else words[0], *(word for word in words[1:] if word != "&")]
        if words[-1] == "&":
            process = subprocess.Popen(argv, cwd=self._folder, stdout=subprocess.PIPE, text=True)
            self._behind.append(process)
            assert process.stdout is not None
            return process.stdout.readline()
        done = subprocess.run(argv, cwd=self._folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def leave(self) -> None:
        """End what still runs, the last first."""
        for process in reversed(self._behind):
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.leave()


def test_the_page_works(desk: Desk) -> None:
    said = {line: desk.type(line) for line in COMMANDS}
    assert len(said) == len(COMMANDS) >= 9
    (listed,) = (text for line, text in said.items() if "nfc-list" in line)
    assert "1 ISO14443B passive target(s) found" in listed
    checks = [text for line, text in said.items() if " pad check " in line]
    assert len(checks) == 5
    assert all("fits     MAC" in text and "differs" not in text for text in checks)
    assert "fits     PIN entry  KSN" in checks[0]
    assert any(text.startswith("ready") for text in said.values())


def test_every_profile_key_on_the_page_exists() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "device_profiles/data/pinpads").glob("*.toml"))
    keys = set(re.findall(r"`(?:dialect|abecs)\.([a-z-]+)`", PAGE.read_text()))
    assert len(keys) >= 10
    assert not {key for key in keys if f"{key} =" not in text}


def test_the_page_names_every_pad() -> None:
    page = PAGE.read_text()
    for path in (ROOT / "device_profiles/data/pinpads").glob("*.toml"):
        assert f"`{path.stem}`" in page, path.stem
