# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/emv.md: every command in it runs, every setting in it is read as it says, every card and list is there."""

import re
import tomllib
from pathlib import Path

import pytest

from device_profiles.ca_keys import ca_key_lists
from device_profiles.card_profile import card_names
from terminal_agent.cli import main
from terminal_agent.emv import Combination, ContactApplication
from terminal_agent.emv.relay import RelayTimes
from terminal_agent.emv.terminal import EmvTerminal

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "emv.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ terminal-agent (.+)$", PAGE, re.MULTILINE)
FIELDS = {name.replace("_", "-") for name in EmvTerminal.__dataclass_fields__}
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert main(command.split()) == 0
    assert "decision" in capsys.readouterr().out


def test_there_are_commands_and_settings() -> None:
    assert len(COMMANDS) == 2
    assert len(BLOCKS) == 6


def test_the_settings_of_an_application_are_read() -> None:
    (shown,) = tomllib.loads(BLOCKS[0])["emv"]["contact"]
    application = ContactApplication(**{name.replace("-", "_"): value for name, value in shown.items()})
    assert (application.floor_limit, application.online.hex) == (5_000, "FC50BCF800")


def test_the_settings_without_contact_are_read() -> None:
    shown = tomllib.loads(BLOCKS[1])["emv"]
    (application,) = shown.pop("aids")
    combination = Combination(**{name.replace("-", "_"): value for name, value in application.items()})
    assert (combination.kernel, combination.most, combination.denial.hex) == (2, 20_000, "000000000C")
    assert shown.keys() <= FIELDS
    times = tomllib.loads(BLOCKS[2])["emv"]["relay"]
    assert RelayTimes(**{name.replace("-", "_"): value for name, value in times.items()}) == RelayTimes()


def test_the_other_settings_are_known() -> None:
    assert tomllib.loads(BLOCKS[3])["emv"].keys() <= FIELDS
    assert tomllib.loads(BLOCKS[5])["emv"].keys() <= FIELDS
    assert EmvTerminal.__dataclass_fields__["capabilities"].default == "E040C8"


def test_the_list_of_keys_has_the_files_form() -> None:
    shown = tomllib.loads(BLOCKS[4])
    assert shown.keys() == {"title", "kind", "source", "keys", "withdrawn"}
    assert shown["keys"][0].keys() == {"rid", "index", "exponent", "modulus", "checksum", "expires"}


def test_every_card_and_list_is_named() -> None:
    assert [name for name in ca_key_lists() if f"`{name}`" not in PAGE] == []
    assert [name for name in card_names() if f"`{name}`" not in PAGE] == []
