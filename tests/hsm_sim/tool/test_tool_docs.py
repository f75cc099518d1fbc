# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The calculator's output in the documentation is what it prints. Run as a program it writes that output anew."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.hsm_sim.tool.calculator import EXAMPLE_FILES, calculate

PAGE = Path(__file__).parents[3] / "docs" / "crypto.md"
BLOCK = re.compile(r"(?<=^```console\n)(\$ hsm-sim tool .*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def with_output(block: str) -> str:
    """A block's commands, each followed by what it prints on stdout."""
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"{line}\n{calculate(*shlex.split(line)[3:]).out}" for line in commands)


def write_files() -> None:
    for name, content in EXAMPLE_FILES.items():
        Path(name).write_bytes(content)


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_files()
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) > 10
    for block in blocks:
        assert with_output(block) == block


if __name__ == "__main__":
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_files()
        PAGE.write_text(BLOCK.sub(lambda found: with_output(found.group()), PAGE.read_text()))
        os.chdir("/")
    sys.exit(0)
