# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A heartbeat while there is somebody to hear it, at once behind a silence; the log's head hourly, if it moved."""

from protocols.audit_chain import Head
from protocols.telemetry.events import Event
from terminal_agent.errors import AgentError
from terminal_agent.flows.presence import HEADS_EVERY_S, Presence


class Room:
    """Everything around a presence."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.waiting = 3
        self.connected = True
        self.full = False
        self.head = Head("agent/TG000001", 5, bytes(32))
        self.now = 1_000.0
        self.presence = Presence(self, self, lambda: self.head, lambda: self.connected, lambda: "locked", 60)

    def put(self, event: Event) -> None:
        if self.full:
            raise AgentError("full", "")
        self.kept.append(event)

    def now_ms(self) -> int:
        return 1_800_000_000_000

    def steady_ms(self) -> float:
        return self.now * 1000

    def passes(self, seconds: float) -> list[str]:
        """Time passes, a second at a time; what is told in it."""
        before = len(self.kept)
        for _ in range(round(seconds)):
            self.now += 1
            self.presence.look()
        return [event.name for event in self.kept[before:]]


def test_a_heartbeat_a_minute_with_what_it_says() -> None:
    room = Room()
    assert room.passes(1) == ["agent.heartbeat", "audit.head"]
    assert room.kept[0].fields == {"every_s": 60, "standing": "locked", "waiting": 3}
    assert room.kept[1].fields == {"records": 5, "head": "00" * 32}
    assert room.passes(59) == []
    assert room.passes(1) == ["agent.heartbeat"]
    assert room.passes(600) == ["agent.heartbeat"] * 10


def test_nobody_there_nothing_said_and_the_first_word_behind_it_at_once() -> None:
    room = Room()
    room.passes(1)
    room.connected = False
    assert room.passes(86_400) == []
    room.connected = True
    assert room.passes(1) == ["agent.heartbeat"]


def test_the_head_is_told_hourly_where_it_moved() -> None:
    room = Room()
    room.passes(1)
    assert "audit.head" not in room.passes(2 * HEADS_EVERY_S)
    room.head = Head("agent/TG000001", 6, bytes(32))
    assert room.passes(1).count("audit.head") == 1
    room.head = Head("agent/TG000001", 7, bytes(32))
    assert room.passes(HEADS_EVERY_S - 2).count("audit.head") == 0
    assert room.passes(2).count("audit.head") == 1


def test_an_outbox_that_takes_nothing_ends_nothing() -> None:
    room = Room()
    room.full = True
    assert room.passes(120) == []
    room.full = False
    assert "agent.heartbeat" in room.passes(60)
