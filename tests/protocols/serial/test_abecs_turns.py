# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every command ends, whatever the pad does; each transition of the table is where 2.2.2 has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.serial.abecs import Control, Event, Packet
from protocols.serial.abecs_turns import OVER, TABLE, Exchange, Input, Limits, State
from protocols.serial.framer import Damaged

LIMITS = Limits(2.0, 10.0, 3)
OPEN = b"\x16OPN\x17\xa8\xa9"
OPENED = Packet(b"OPN000")
CAN, NAK = bytes((Control.CAN,)), bytes((Control.NAK,))


def begun(start: State = State.CALLING, person_s: float = 60.0) -> Exchange:
    return Exchange(start, OPEN, "OPN", LIMITS, 0.0, person_s)


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(State) - OVER
    for row in TABLE.values():
        assert set(row) == set(Input)


def test_a_command_and_its_response() -> None:
    exchange = begun()
    assert exchange.outgoing == OPEN
    assert exchange.deadline == 2.0
    assert exchange.hear(Control.ACK, 1.0) == b""
    assert exchange.deadline == 11.0
    assert exchange.hear(OPENED, 2.0) == b""
    assert exchange.over
    assert exchange.response == b"OPN000"


def test_a_lost_ack_is_proved_by_the_response() -> None:
    exchange = begun()
    exchange.hear(OPENED, 1.0)
    assert exchange.state is State.REPLIED


def test_three_naks_end_it() -> None:
    exchange = begun()
    assert exchange.hear(Control.NAK, 0.0) == OPEN
    assert exchange.hear(Control.NAK, 0.0) == OPEN
    assert exchange.hear(Control.NAK, 0.0) == CAN
    assert exchange.state is State.GARBLED


def test_a_damaged_response_is_asked_for_again() -> None:
    exchange = begun()
    exchange.hear(Control.ACK, 0.0)
    assert exchange.hear(Damaged("x"), 1.0) == NAK
    assert exchange.hear(OPENED, 1.0) == b""
    assert exchange.state is State.REPLIED


def test_silence() -> None:
    for heard in ([], [Control.ACK]):
        exchange = begun()
        for event in heard:
            exchange.hear(event, 0.0)
        assert exchange.silence(20.0) == CAN
        assert exchange.state is State.SILENT


def test_a_person_has_time_and_notifications_do_not_end_it() -> None:
    exchange = begun(State.INVITING)
    exchange.hear(Control.ACK, 1.0)
    assert exchange.deadline == 61.0
    assert exchange.hear(Packet(b"NTM000032" + b" " * 32), 5.0) == b""
    assert exchange.state is State.ASKING
    assert exchange.silence(61.0) == CAN
    assert exchange.state is State.EXPIRING
    exchange.hear(OPENED, 61.0)  # too late
    exchange.hear(Control.EOT, 61.5)
    assert exchange.state is State.EXPIRED
    assert exchange.response is None


def test_the_caller_wants_out() -> None:
    exchange = begun(State.INVITING)
    exchange.hear(Control.ACK, 0.0)
    assert exchange.cancel(1.0) == CAN
    assert exchange.cancel(1.0) == b""
    assert exchange.silence(3.0) == CAN
    exchange.hear(Control.EOT, 4.0)
    assert exchange.state is State.CANCELLED


def test_a_pad_that_does_not_let_go_is_silent() -> None:
    exchange = Exchange(State.CANCELLING, b"", "", LIMITS, 0.0)
    assert exchange.outgoing == CAN
    assert exchange.silence(2.0) == CAN
    assert exchange.silence(4.0) == CAN
    exchange.silence(6.0)
    assert exchange.state is State.SILENT


EVENTS = st.sampled_from([*Control, OPENED, Packet(b"NTM000"), Packet(b"ERR010"), Damaged("x"), None, "cancel"])


@given(st.sampled_from([State.CALLING, State.INVITING, State.CANCELLING]), st.lists(EVENTS, max_size=30))
def test_every_command_ends(start: State, events: list[Event | str | None]) -> None:
    exchange = begun(start)
    now = 0.0
    for event in events:
        now += 1.0
        if event is None:
            exchange.silence(now)
        elif isinstance(event, str):
            exchange.cancel(now)
        else:
            exchange.hear(event, now)
    for _ in range(2 * LIMITS.sends + 2):
        exchange.silence(now)
    assert exchange.over
    assert (exchange.response is not None) == (exchange.state is State.REPLIED)


@pytest.mark.parametrize("state", sorted(OVER, key=lambda state: state.name))
def test_what_comes_after_the_end_is_nobodys(state: State) -> None:
    exchange = begun()
    exchange.state = state
    assert exchange.hear(OPENED, 0.0) == b""
    assert exchange.state is state
