# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The state table, every state by every input, and authorisations that end by themselves."""

import itertools

import pytest

from hsm_sim.engine.refusal import Refused
from hsm_sim.engine.states import (
    LONGEST_AUTHORISATION_S,
    PERMITTED,
    TRANSITIONS,
    Doing,
    State,
    States,
    Turn,
)
from tests.hsm_sim.units import Clock

ONE, OTHER = "one", "other"


@pytest.mark.parametrize(("state", "turn"), list(itertools.product(State, Turn)))
def test_every_turn_in_every_state(state: State, turn: Turn) -> None:
    states = States(Clock(), (), state)
    expected = {
        (State.ONLINE, Turn.TO_OFFLINE): State.OFFLINE,
        (State.OFFLINE, Turn.TO_ONLINE): State.ONLINE,
        (State.OFFLINE, Turn.TO_SECURE): State.SECURE,
        (State.SECURE, Turn.TO_OFFLINE): State.OFFLINE,
    }.get((state, turn))
    if expected is None:
        with pytest.raises(Refused):
            states.turn(turn)
        assert states.state is state
    else:
        assert states.turn(turn) is expected
        assert states.state is expected


@pytest.mark.parametrize(("state", "doing"), list(itertools.product(State, Doing)))
def test_every_doing_in_every_state(state: State, doing: Doing) -> None:
    permitted = {
        Doing.DIAGNOSE: "online offline secure",
        Doing.SERVE: "online",
        Doing.LOOK: "online offline secure",
        Doing.AUTHORISE: "online offline secure",
        Doing.SET: "offline secure",
        Doing.FORM_KEYS: "secure",
        Doing.LOAD_MASTER_KEYS: "secure",
    }[doing].split()
    states = States(Clock(), (), state)
    if state.value in permitted:
        states.demand(doing)
    else:
        with pytest.raises(Refused):
            states.demand(doing)


def test_the_tables_are_whole_and_no_state_is_a_trap() -> None:
    assert set(PERMITTED) == set(State)
    reached = {State.ONLINE}
    for _ in State:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(State)
    assert {before for before, _ in TRANSITIONS} == set(State)


def test_an_authorisation_ends_by_itself() -> None:
    clock = Clock()
    states = States(clock, (ONE, OTHER))
    assert not states.permits(ONE)
    states.authorise(ONE, 60)
    assert states.permits(ONE)
    assert not states.permits(OTHER)
    clock.now += 59.9
    assert states.permits(ONE)
    assert states.authorised() == {ONE: pytest.approx(0.1)}
    clock.now += 0.1
    assert not states.permits(ONE)
    assert states.authorised() == {}


def test_authorising_again_begins_anew_and_may_shorten() -> None:
    clock = Clock()
    states = States(clock, (ONE,))
    states.authorise(ONE, 600)
    states.authorise(ONE, 10)
    clock.now += 10
    assert not states.permits(ONE)


def test_cancelling_one_or_all() -> None:
    states = States(Clock(), (ONE, OTHER))
    for name in (ONE, OTHER):
        states.authorise(name, 60)
    assert states.cancel(ONE) == (ONE,)
    assert (states.permits(ONE), states.permits(OTHER)) == (False, True)
    assert states.cancel() == (OTHER,)
    assert states.cancel() == ()


@pytest.mark.parametrize(
    ("activity", "seconds"), [("third", 60), (ONE, 0), (ONE, -1), (ONE, LONGEST_AUTHORISATION_S + 1)]
)
def test_what_cannot_be_authorised(activity: str, seconds: float) -> None:
    states = States(Clock(), (ONE,))
    with pytest.raises(ValueError, match="activity"):
        states.authorise(activity, seconds)
    assert states.authorised() == {}
