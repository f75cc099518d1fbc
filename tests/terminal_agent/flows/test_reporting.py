# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder: the chain first, the outbox behind it and never ahead, whatever refuses to write and whoever died."""

import pytest

from protocols.telemetry.events import Event
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import MOST_NOTED, Recorder
from terminal_agent.report.settings import OutboxFull
from tests.terminal_agent.flows.paper import FakeClock, PaperChain, PaperOutbox


class Desk:
    """A recorder over paper; :meth:`restart` is the next life of the agent."""

    def __init__(self) -> None:
        self.chain, self.outbox = PaperChain(), PaperOutbox()
        self.told: list[str] = []
        self.heard: list[Event] = []
        self.restart()

    def restart(self) -> None:
        self.recorder = Recorder(self.chain, self.outbox, FakeClock(), self.told.append)
        self.recorder.listen(self.heard.append)


def test_an_event_is_in_the_chain_in_the_outbox_and_heard_in_this_order() -> None:
    desk = Desk()
    desk.recorder.catch_up()
    order: list[str] = []
    desk.outbox.on_put = lambda: order.append(f"outbox, chain {len(desk.chain.events)}, heard {len(desk.heard)}")
    event = desk.recorder.record("agent.stopping")
    assert order == ["outbox, chain 1, heard 0"]
    assert desk.chain.events == desk.outbox.kept == desk.heard == [event]
    assert desk.outbox.anchor == desk.chain.head.text()


def test_what_the_chain_refuses_has_not_happened() -> None:
    desk = Desk()
    desk.chain.takes = 0
    with pytest.raises(AgentError, match="No space left"):
        desk.recorder.record("agent.stopping")
    assert desk.outbox.kept == desk.heard == []


def test_an_outbox_that_cannot_write_is_behind_and_catches_up_in_order() -> None:
    desk = Desk()
    desk.recorder.catch_up()
    desk.outbox.takes = 1
    for number in range(4):
        desk.recorder.record("device.back", device=f"pad{number}")
    assert len(desk.heard) == len(desk.chain.events) == 4
    assert len(desk.outbox.kept) == 1
    assert desk.recorder.behind
    assert len(desk.told) == 1, "said once, not at every event"
    with pytest.raises(AgentError, match="the disk is full"):
        desk.recorder.catch_up()
    desk.outbox.takes = 100
    desk.recorder.record("device.back", device="reader")
    assert desk.outbox.kept == desk.chain.events
    assert not desk.recorder.behind


@pytest.mark.parametrize("lost", range(4))
def test_what_a_dead_agent_had_committed_and_not_kept_is_kept_at_the_next_start(lost: int) -> None:
    desk = Desk()
    desk.recorder.catch_up()
    desk.outbox.takes = 4 - lost
    for number in range(4):
        desk.recorder.record("device.back", device=f"pad{number}")
    desk.outbox.takes = 100
    desk.restart()
    desk.recorder.catch_up()
    desk.recorder.record("agent.stopping")
    assert desk.outbox.kept == desk.chain.events


def test_a_fresh_outbox_begins_where_the_chain_is() -> None:
    desk = Desk()
    desk.recorder.record("agent.stopping")
    assert desk.outbox.kept == desk.chain.events, "also without a look before: the first event is not lost"
    desk.outbox = PaperOutbox()
    desk.restart()
    desk.recorder.record("device.back", device="pad")
    assert desk.outbox.kept == desk.chain.events[1:]


def test_notes_that_could_not_be_written_are_written_later_with_the_time_they_had() -> None:
    desk = Desk()
    desk.recorder.catch_up()
    desk.chain.takes = 0
    desk.recorder.note("device.lost", device="pad", reason="unplugged")
    desk.recorder.note("device.back", device="pad")
    assert [event.name for event in desk.heard] == ["device.lost", "device.back"]
    assert desk.recorder.behind
    desk.chain.takes = 1
    with pytest.raises(AgentError):
        desk.recorder.catch_up()
    desk.chain.takes = 10
    desk.recorder.catch_up()
    assert desk.chain.events == desk.outbox.kept == desk.heard
    assert not desk.recorder.behind


def test_notes_that_wait_are_bounded() -> None:
    desk = Desk()
    desk.chain.takes = 0
    for number in range(MOST_NOTED + 10):
        desk.recorder.note("device.back", device=f"pad{number}")
    desk.chain.takes = 1000
    desk.recorder.catch_up()
    assert [event.fields["device"] for event in desk.chain.events] == [f"pad{n}" for n in range(10, MOST_NOTED + 10)]


def test_an_outbox_full_of_alerts_is_waited_for_and_holds_nothing_up() -> None:
    """Nothing is wrong with this machine then: whoever takes payments must not hear that something is."""
    desk = Desk()
    desk.recorder.catch_up()
    desk.outbox.takes, desk.outbox.refuses_with = 1, OutboxFull("outbox: full of alerts", "")
    for number in range(3):
        desk.recorder.record("device.back", device=f"pad{number}")
    desk.outbox.full = True
    assert not desk.recorder.behind
    desk.recorder.catch_up()
    desk.recorder.note("device.back", device="pad3")
    assert (len(desk.chain.events), len(desk.outbox.kept)) == (4, 1)
    assert len(desk.told) == 1
    desk.outbox.full, desk.outbox.takes = False, 100
    assert desk.recorder.behind
    desk.recorder.catch_up()
    assert desk.outbox.kept == desk.chain.events


def test_an_outbox_that_fills_up_while_it_follows_is_no_fault() -> None:
    desk = Desk()
    desk.recorder.catch_up()
    desk.outbox.takes, desk.outbox.refuses_with = 0, OutboxFull("outbox: full of alerts", "")
    desk.recorder.record("device.back", device="pad")
    desk.recorder.catch_up()
    desk.outbox.takes = 9
    desk.recorder.catch_up()
    assert desk.outbox.kept == desk.chain.events
