# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every error code that the command tables explain, answered; and every command carried out by a unit set up for it."""

import pytest

from protocols.hsm.commands import COMMANDS
from tests.hsm_sim import live, refused
from tests.hsm_sim.asking import asking

CASES = refused.cases()


def test_every_command_is_here() -> None:
    ours = [live.COMMANDS, live.AUTHORISED, live.PERMITTED, live.UNITS_OWN]
    assert set(COMMANDS) == {code for group in ours for code in group}
    assert sum(map(len, ours)) == len(COMMANDS)


@pytest.mark.parametrize("code", sorted(set(COMMANDS) - set(live.UNITS_OWN)))
def test_every_command_succeeds(code: str) -> None:
    settings, command = refused.live_command(code)
    assert asking(**settings)(command)[:2] == "00"


def test_every_explained_error_code_has_a_case() -> None:
    of_units = {(code, error) for code, error in refused.EXPLAINED if code in live.UNITS_OWN}
    assert set(CASES) == refused.EXPLAINED - of_units


@pytest.mark.parametrize(("code", "error"), sorted(CASES))
def test_every_explained_error_code(code: str, error: str) -> None:
    settings, command = CASES[code, error]
    answer = asking(**settings)(command)
    assert answer[:2] == error
    assert len(answer) == 2 or (code, error) == ("A6", "01")


def test_no_settings_are_needed_but_those_that_are_named() -> None:
    ask = asking()
    for code in live.PERMITTED:
        assert ask(live.PERMITTED[code][1])[:2] in {"17", "29", "33"}
