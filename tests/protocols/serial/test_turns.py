# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: from every state every input leads somewhere, every exchange ends, and no person is left asked in vain."""

import itertools

import pytest

from protocols.serial.framer import Control, Damaged, Envelope, Event, Packet
from protocols.serial.turns import OVER, TABLE, Action, Exchange, Input, Limits, State

LIMITS = Limits(ack_s=1.0, reply_s=5.0, close_s=0.5, naks=3)
SENT, CANCEL = b"sent", b"cancel"
REPLY = Packet(Envelope.TRANSACTION, b"71" + b"1")
STRAY = Packet(Envelope.TRANSACTION, b"Z671")
DAMAGED = Damaged("noise")
ACK, NAK, EOT = (bytes((control,)) for control in (Control.ACK, Control.NAK, Control.EOT))


def exchange(start: State, closing: bool = True) -> Exchange:
    return Exchange(
        start, SENT, cancel=CANCEL, limits=LIMITS, now=0.0, expects={"71"}, closing={"71"} if closing else frozenset()
    )


def test_every_state_answers_every_input() -> None:
    living = set(State) - OVER
    assert set(TABLE) == set(itertools.product(living, Input))
    assert {state for state, _ in TABLE.values()} >= OVER


@pytest.mark.parametrize("start", sorted(set(State) - OVER, key=lambda state: state.value))
def test_silence_ends_every_exchange(start: State) -> None:
    one = exchange(start)
    said = [one.silence(1.0) for _ in range(4)]
    assert one.over
    if start in (State.ENTERING, State.STOPPING):
        assert said[0] == CANCEL


@pytest.mark.parametrize("start", sorted(set(State) - OVER, key=lambda state: state.value))
@pytest.mark.parametrize("heard", [Control.NAK, DAMAGED, STRAY], ids=str)
def test_repetition_ends(start: State, heard: Event) -> None:
    one = exchange(start)
    for _ in range(LIMITS.naks):
        one.hear(heard, 0.0)
    if not one.over:
        # Only where NAK means nothing: nothing of ours is waiting to be understood.
        one.silence(9.0)
        one.silence(9.0)
    assert one.over


def test_after_the_third_nak_the_sender_ends() -> None:
    one = exchange(State.CALLING)
    assert [one.hear(Control.NAK, 0.0) for _ in range(3)] == [SENT, SENT, EOT]
    assert one.state is State.GARBLED


def test_a_reply_is_acknowledged_and_closed() -> None:
    one = exchange(State.CALLING)
    assert one.outgoing == SENT
    assert one.hear(Control.ACK, 0.1) == b""
    assert one.deadline == 5.1
    assert one.hear(REPLY, 1.0) == ACK
    assert (one.state, one.deadline) == (State.CLOSING, 1.5)
    assert one.hear(REPLY, 1.1) == ACK  # our ACK was lost
    assert one.hear(Control.EOT, 1.2) == b""
    assert (one.state, one.reply) == (State.REPLIED, REPLY)


def test_a_pad_that_does_not_close_is_not_waited_for() -> None:
    one = exchange(State.CALLING, closing=False)
    one.hear(Control.ACK, 0.0)
    assert one.hear(REPLY, 0.0) == ACK
    assert one.state is State.REPLIED


def test_a_lost_ack_is_proved_by_the_reply() -> None:
    one = exchange(State.CALLING)
    assert one.hear(REPLY, 0.0) == ACK
    assert one.reply == REPLY


def test_a_damaged_reply_is_asked_for_again() -> None:
    one = exchange(State.WAITING)
    assert one.hear(DAMAGED, 0.0) == NAK
    assert one.hear(REPLY, 0.0) == ACK


def test_leftovers_of_an_earlier_exchange_do_not_count() -> None:
    one = exchange(State.CALLING)
    assert one.hear(Control.EOT, 0.0) == b""
    assert one.hear(STRAY, 0.0) == ACK
    one.hear(Control.ACK, 0.0)
    one.hear(REPLY, 0.0)
    assert one.reply == REPLY


def test_the_person_gives_up() -> None:
    one = exchange(State.ASKING)
    one.hear(Control.ACK, 0.0)
    assert one.hear(Control.EOT, 2.0) == b""
    assert one.state is State.ENDED


def test_our_time_is_over() -> None:
    one = exchange(State.ASKING)
    one.hear(Control.ACK, 0.0)
    assert one.silence(5.0) == CANCEL
    assert one.hear(REPLY, 5.1) == ACK  # entered at the last moment: too late, it is dropped
    assert one.hear(Control.ACK, 5.2) == b""
    assert (one.state, one.reply) == (State.EXPIRED, None)


def test_the_caller_breaks_off() -> None:
    one = exchange(State.ASKING)
    one.hear(Control.ACK, 0.0)
    assert one.cancel(1.0) == CANCEL
    assert one.hear(Control.EOT, 1.1) == b""
    assert (one.state, one.reply) == (State.CANCELLED, None)


def test_breaking_off_before_the_pad_understood_waits_for_its_turn() -> None:
    one = exchange(State.ASKING)
    assert one.cancel(0.0) == b""
    assert one.hear(Control.ACK, 0.1) == CANCEL
    one.hear(Control.EOT, 0.2)
    assert one.state is State.CANCELLED


def test_an_end_is_final() -> None:
    one = exchange(State.WAITING)
    one.hear(Control.EOT, 0.0)
    for event in (Control.ACK, Control.NAK, Control.EOT, REPLY, STRAY, DAMAGED):
        assert one.hear(event, 1.0) == b""
    assert one.silence(99.0) == one.cancel(99.0) == b""
    assert one.state is State.ENDED


def test_every_action_is_used() -> None:
    assert {action for _, action in TABLE.values()} == set(Action)
