# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every standing with every order: what the table says, and nothing else."""

import pytest

from protocols.telemetry.house_events import STANDINGS
from protocols.telemetry.orders import ORDERS
from terminal_agent.orders.standing import PERMITTED, TRANSITIONS, NotPermitted, Standing, bar, step


@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("command", ORDERS)
def test_all_standings_and_orders(standing: Standing, command: str) -> None:
    if command in PERMITTED[standing]:
        assert step(standing, command) is TRANSITIONS.get((standing, command), standing)
    else:
        with pytest.raises(NotPermitted, match=f"the terminal is {standing}"):
            step(standing, command)


def test_the_tables_agree() -> None:
    for standing, command in TRANSITIONS:
        assert command in PERMITTED[standing]
    assert set().union(*PERMITTED.values()) == set(ORDERS)
    assert tuple(standing.value for standing in Standing) == STANDINGS


def test_what_opens_takes_two_persons() -> None:
    order = list(Standing)
    for (before, command), after in TRANSITIONS.items():
        if order.index(after) < order.index(before):
            assert ORDERS[command].grave


def test_payments_begin_only_where_it_is_open() -> None:
    assert [bar(standing) is None for standing in Standing] == [True, False, False]
