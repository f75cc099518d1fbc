# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every step of the table does what its line says, and no other pair of life and step does anything."""

import itertools

import pytest

from protocols.identity.life import PERMITTED, TABLE, Duty, Life, NotPermitted, Step, follow

LINES = {(one.before, one.step): one for one in TABLE}


@pytest.mark.parametrize(("life", "step"), [*itertools.product(Life, Step)])
def test_every_pair(life: Life, step: Step) -> None:
    line = LINES.get((life, step))
    if line is None:
        with pytest.raises(NotPermitted, match="open steps"):
            follow(life, step, 9)
        return
    assert follow(life, step, line.persons) is line
    if line.persons:
        with pytest.raises(NotPermitted, match=f"takes {line.persons} persons"):
            follow(life, step, line.persons - 1)


def test_no_line_stands_twice_and_every_life_can_be_reached_and_left() -> None:
    assert len(LINES) == len(TABLE)
    reached = {Life.APPLIED}
    while more := {one.after for one in TABLE if one.before in reached} - reached:
        reached |= more
    assert reached == set(Life)
    assert {one.before for one in TABLE} == set(Life) - {Life.RETIRED}


def test_payments_are_for_active_terminals_alone() -> None:
    assert {life for life in Life if Duty.PAY in PERMITTED[life]} == {Life.ACTIVE}
    assert PERMITTED[Life.RETIRED] == frozenset()


def test_whatever_loosens_takes_two_persons() -> None:
    assert {one.step for one in TABLE if one.step in (Step.THAW, Step.REBIND, Step.RECOVER)} == {
        one.step for one in TABLE if one.persons == 2 and one.step is not Step.RETIRE
    }
