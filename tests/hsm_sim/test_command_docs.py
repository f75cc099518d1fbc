# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/hsm-commands.md is what the tables say, `hsm-sim commands` says the same, and own is never shown as attested."""

import json

import pytest

from hsm_sim.cli import main
from protocols.hsm.commands import COMMANDS
from protocols.hsm.evidence import SOURCES
from protocols.hsm.layout import layout_of
from scripts.lib.command_docs import FAMILIES, PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: .venv/bin/python scripts/lib/command_docs.py"


def test_the_page_has_a_section_for_every_command_with_its_label() -> None:
    sections = dict(section.split(": ", 1) for section in page().split("\n### ")[1:])
    assert set(sections) == set(COMMANDS)
    for code, text in sections.items():
        evidence = COMMANDS[code].evidence
        assert f"- **Evidence**: {evidence.label}" in text
        assert ("not compatible with anything" in text) == (evidence.label == "own")
        assert all(f"| {error} | {words} |" in text for error, words in COMMANDS[code].errors.items())
        assert all(slot.name.replace("_", " ") in text for slot in layout_of(COMMANDS[code].request).slots)


def test_every_family_of_commands_is_on_the_page() -> None:
    modules = {module for _, names in FAMILIES for module in names}
    assert modules == {command.request.__module__.rpartition(".")[2] for command in COMMANDS.values()}


def test_the_listing_as_json_says_layout_and_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["commands", "--json"]) == 0
    rows = {row["code"]: row for row in json.loads(capsys.readouterr().out)["commands"]}
    assert set(rows) == set(COMMANDS)
    for code, row in rows.items():
        command = COMMANDS[code]
        assert row["evidence"] == command.evidence.label
        assert row["sources"] == [SOURCES[source] for source in command.evidence.sources]
        assert row["request_layout"] == layout_of(command.request).words()
        assert row["response_layout"] == layout_of(command.response).words()
        assert row["errors"] == dict(command.errors)


def test_the_listing_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["commands"]) == 0
    everything = capsys.readouterr().out
    assert main(["commands", "l0"]) == 0
    one = capsys.readouterr().out
    assert "L0 → L1  make an HMAC key  (own)" in one
    assert one in everything
    assert all(f"{code} → {command.response.__name__}" in everything for code, command in COMMANDS.items())
    assert main(["commands", "ZZ"]) == 2
    assert "no such command" in capsys.readouterr().err
