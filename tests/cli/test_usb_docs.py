# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/usb.md, done as a newcomer would: every command runs, in order, in one folder; every policy in it is one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from protocols.usb.rules import ATTRIBUTES, EXTENSIONS
from terminal_agent.cli.usb_command import VERBS
from terminal_agent.usb.document_text import parse_policy
from tests.flows.usb_stage import FILES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/usb.md").read_text()
COMMANDS = [line[2:] for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout's data, and the files that the page says to write."""
    shutil.copytree(ROOT / "device_profiles/data/usb", tmp_path / "device_profiles/data/usb")
    for name, begins in (("trust.toml", "[thresholds]"), ("ticket.toml", "reason = ")):
        (text,) = [block for block in TOML if block.startswith(begins)]
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_command_runs(folder: Path) -> None:
    python = Path(sys.executable)
    environment = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    assert len(COMMANDS) > 20
    for command in COMMANDS:
        words = command.replace("scripts/demo", f"{python} {ROOT}/scripts/lib/demo.py")
        done = subprocess.run(
            ["sh", "-c", words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "ends in" not in done.stdout


def test_the_policy_of_the_page_is_one() -> None:
    (text,) = [block for block in TOML if block.startswith("title = ")]
    assert parse_policy(text, Path("docs/usb.md")).file.title == "counter till"


def test_the_page_names_every_verb_and_word_and_counts_right() -> None:
    assert [verb for verb in VERBS if f"usb {verb}" not in PAGE and f"`{verb}`" not in PAGE and verb not in PAGE] == []
    assert [word for word in (*ATTRIBUTES, *EXTENSIONS) if word not in PAGE] == []
    assert set(re.findall(r"(\d+) stories", PAGE)) == {str(len(FILES))}
