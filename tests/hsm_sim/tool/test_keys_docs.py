# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/keys.md: its files, commands, code and the octets it takes apart are what they are said to be.

Run as a program it writes the page's output anew.
"""

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import pytest

from protocols.keyblock import binding
from protocols.keyblock.codes import FORMS
from protocols.keyblock.optional import KINDS
from protocols.keyblock.x9143 import ProtectionKey
from tests.hsm_sim.tool.calculator import EXAMPLE_FILES, calculate
from tests.hsm_sim.tool.test_tool_docs import BLOCK, with_output
from tests.protocols.keyblock.test_vectors import DISAGREEMENTS

PAGE = Path(__file__).parents[3] / "docs" / "keys.md"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell_lines() -> list[list[str]]:
    return [shlex.split(line) for block in SHELL.findall(PAGE.read_text()) for line in block.splitlines()]


def write_files() -> dict[str, str]:
    """The files as the page makes them, in the present folder."""
    made = {words[3]: words[1] for words in shell_lines() if words[0] == "echo"}
    for name, text in made.items():
        Path(name).write_text(text + "\n")
    return made


def test_the_files_it_makes_are_those_of_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = write_files()
    assert sorted(made) == ["initial.block", "kbpk.key", "key.block", "one.key", "test.key", "two.key"]
    for name, text in made.items():
        assert text == EXAMPLE_FILES[name].decode().splitlines()[-1]


def test_what_it_shows_is_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_files()
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) > 7
    for block in blocks:
        assert with_output(block) == block


def test_every_other_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_files()
    commands = [words for words in shell_lines() if words[0] != "echo"]
    assert len(commands) >= 2
    for words in commands:
        assert words[:2] == ["hsm-sim", "tool"]
        assert calculate(*words[2:]).code == 0, words


def test_its_code_prints_what_it_says() -> None:
    found = PYTHON.findall(PAGE.read_text())
    assert len(found) == 2
    for code, printed in found:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, str(PAGE), "exec"), {})
        assert out.getvalue() == printed


def test_the_octets_of_the_block_taken_apart() -> None:
    page, text = PAGE.read_text(), EXAMPLE_FILES["key.block"].decode().strip()
    key = ProtectionKey.aes(bytes.fromhex(EXAMPLE_FILES["kbpk.key"].decode()))
    key.unwrap(text)
    binary = bytes.fromhex(text[16:])
    clear = key._bound["D"].open(text[:16].encode(), binary[:48], binary[48:]).hex().upper()
    assert len(clear) == 96
    assert f"| 0-1 | `{clear[:4]}` |" in page
    assert f"| 2-17 | `{clear[4:36]}` |" in page
    assert f"| 18-47 | `{clear[36:44]}…{clear[-8:]}` |" in page
    rows = dict(re.findall(r"^\| ([0-9-]+) \| `([0-9A-Z]+)` \|", page.split("### The secret part")[0], re.MULTILINE))
    assert "".join(rows.values()) == text[:16]


def test_the_derivation_it_writes_out() -> None:
    page = PAGE.read_text()
    for purpose in (0, 1):
        for octets in binding._INPUTS[purpose, "AES", 32]:
            digits = octets.hex()
            spaced = f"{digits[:2]} {digits[2:6]} {digits[6:8]} {digits[8:12]} {digits[12:]}"
            assert f"CMAC(KBPK, {spaced})" in page


def test_nothing_is_left_out() -> None:
    page = PAGE.read_text()
    for name in (*DISAGREEMENTS, *KINDS):
        assert f"`{name}`" in page
    for version in FORMS:
        assert f"| `{version}` |" in page
    for place in ("8.2", "8.3.2.1", "8.3.2.2"):
        assert f"| {place}, version" in page


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_files()
        PAGE.write_text(BLOCK.sub(lambda found: with_output(found.group()), PAGE.read_text()))
        os.chdir("/")
    sys.exit(0)
