# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/vault.md: its diagram is the table's, its profile is one, its commands are taken, and it hides no slot."""

import argparse
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from scripts.lib.phase_diagram import PAGE
from terminal_agent.cli import keys_command
from terminal_agent.processes.vault_settings import VaultSettings
from terminal_agent.sealed.keys.slots import SLOTS
from tillguard.settings import parse

TEXT = PAGE.page.read_text("utf-8")
COMMANDS = re.findall(r"^terminal-agent keys (.+)$", TEXT, re.MULTILINE)


def test_the_diagram_is_drawn_from_the_table() -> None:
    assert PAGE.whole(TEXT) == TEXT, "run: .venv/bin/python scripts/lib/phase_diagram.py"


def test_the_profile_is_one_and_so_is_every_line_that_is_commented_out() -> None:
    block = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert block is not None
    for text in (block.group(1), block.group(1).replace("\n# ", "\n")):
        vault = tomllib.loads(text)["vault"]
        found = parse(vault, VaultSettings, Path("/etc/tillguard/terminal.toml"))
        assert found.custodians == (Path("/etc/tillguard/alice.pub"), Path("/etc/tillguard/bob.pub"))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_taken(words: str) -> None:
    parser = argparse.ArgumentParser()
    keys_command.configure(parser)
    parser.parse_args(shlex.split(words))


def test_there_are_commands_and_every_slot_is_named() -> None:
    assert len(COMMANDS) >= 5
    for name in SLOTS:
        assert f"| `{name}` |" in TEXT
