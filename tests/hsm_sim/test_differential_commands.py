# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every command in random cases, in every form of key field that it takes, judged by other people's code."""

import pytest

from protocols.hsm.commands import COMMANDS
from tests.hsm_sim.trials import UNCHECKED, Form, load
from tests.hsm_sim.world import World

TRIALS = load()
CASES, MANY = 6, 200
SLOW = {"EI": 1}
EACH = [pytest.param(code, form, id=f"{code}-{form.name}") for code in sorted(TRIALS) for form in TRIALS[code].forms]


def test_every_command_has_a_trial_or_a_reason_why_not() -> None:
    assert set(TRIALS) | set(UNCHECKED) | {"NK"} == set(COMMANDS)
    assert not set(TRIALS) & set(UNCHECKED)


@pytest.mark.parametrize(("code", "form"), EACH)
def test_random_cases(code: str, form: Form) -> None:
    judged(code, form, range(SLOW.get(code, CASES)))


@pytest.mark.long
@pytest.mark.parametrize(("code", "form"), EACH)
def test_many_more_random_cases(code: str, form: Form) -> None:
    judged(code, form, range(CASES, SLOW.get(code, MANY)))


def judged(code: str, form: Form, numbers: range) -> None:
    """Ask the cases of these numbers, and hold each answer against what other people's code expects."""
    for number in numbers:
        world = World(form, f"{code} {form.name} {number}")
        command, expected = TRIALS[code].case(world)
        answer = world.ask(command)
        right = answer == expected if isinstance(expected, str) else expected(answer)
        assert right, (number, command, answer, expected)
