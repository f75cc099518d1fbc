# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/identity.md: its diagram is the table's, its settings are taken, its commands exist."""

import re
import tomllib
from pathlib import Path

import pytest

from fleet_console.settings import OfficeSettings
from scripts.lib.life_diagram import PAGE
from terminal_agent.identity.settings import IdentitySettings
from tests.cli.test_enrolment import Ends
from tillguard.settings import load

TEXT = PAGE.page.read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
COMMANDS = sorted(
    set(re.findall(r"(?:terminal-agent (?:identity|technician)|fleet-console (?:enrol|grant))(?: [a-z]+)?", TEXT))
)


def test_the_life_is_drawn_from_its_table() -> None:
    assert PAGE.whole(TEXT) == TEXT, "run: .venv/bin/python scripts/lib/life_diagram.py"


def test_the_settings_are_taken(tmp_path: Path) -> None:
    section = tomllib.loads(BLOCKS[0])["identity"]
    (tmp_path / "identity.toml").write_text("\n".join(f'{name} = "{value}"' for name, value in section.items()))
    assert load(tmp_path / "identity.toml", IdentitySettings).serial == "SN-00042"
    (tmp_path / "office.toml").write_text(BLOCKS[1])
    assert load(tmp_path / "office.toml", OfficeSettings).enrolment is not None


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str, tmp_path: Path) -> None:
    name, *words = command.split()
    if words[0] == "grant":
        words = words[:1]
    done = Ends(tmp_path).run(name, *words, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name}")
