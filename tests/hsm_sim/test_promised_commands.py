# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every promised command is there, as well attested as was found, and what is own is not counted as compatible."""

from protocols.hsm.commands import COMMANDS
from protocols.hsm.evidence import SOURCES
from tests.hsm_sim.promised import ATTESTED, ENOUGH, PROMISED


def test_every_promised_command_is_there() -> None:
    promised = [code for codes in PROMISED.values() for code in codes.split()]
    assert len(promised) == len(set(promised))
    assert not set(promised) - set(COMMANDS)


def test_enough_commands_are_attested_by_others() -> None:
    attested = [code for code, command in COMMANDS.items() if command.evidence.label != "own"]
    assert len(attested) >= ENOUGH
    assert len([code for code in attested if len(COMMANDS[code].evidence.sources) > 1]) >= ENOUGH
    assert all(COMMANDS[code].evidence.sources for code in attested), "no label without a source"


def test_every_row_of_two_or_more_sources_is_there_with_its_sources() -> None:
    assert len(ATTESTED) >= ENOUGH
    for code, sources in ATTESTED.items():
        assert set(sources.split()) <= set(COMMANDS[code].evidence.sources), code
        assert set(sources.split()) <= set(SOURCES)


def test_what_is_own_says_so() -> None:
    own = {code: command for code, command in COMMANDS.items() if command.evidence.label == "own"}
    assert all(command.note for command in own.values())
    assert not set(own) & set(ATTESTED)
