# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An audit chain, an outbox and a clock in memory, which can be full or jump when a test says so. Tests nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from protocols.audit_chain import Head, genesis, link
from protocols.telemetry.events import Event
from terminal_agent.errors import AgentError

CHAIN = "agent/TG000001"


class FakeClock:
    """Wall and steady time; every look at the steady one takes some milliseconds, if it is to."""

    def __init__(self, passes_ms: int = 5) -> None:
        self.now = 1_800_000_000_000
        self.steady = 0.0
        self._passes = passes_ms

    def now_ms(self) -> int:
        return self.now

    def steady_ms(self) -> float:
        self.pass_ms(self._passes)
        return self.steady

    def pass_ms(self, milliseconds: int) -> None:
        """Time passes."""
        self.now += milliseconds
        self.steady += milliseconds


@dataclass
class PaperChain:
    """A chain in memory. ``takes`` counts down with each record; at zero the disk is full."""

    events: list[Event] = field(default_factory=list)
    heads: list[Head] = field(default_factory=lambda: [genesis(CHAIN)])
    takes: int = 1_000_000

    @property
    def head(self) -> Head:
        return self.heads[-1]

    def append(self, event: Event) -> Head:
        if self.takes <= 0:
            raise AgentError("audit log: No space left on device", "free space")
        self.takes -= 1
        self.events.append(event)
        self.heads.append(link(self.head, event.at_ms, event.name, event.fields).head)
        return self.head

    def after(self, head: Head) -> Iterator[tuple[Event, Head]]:
        assert self.heads[head.seq] == head
        yield from zip(self.events[head.seq :], self.heads[head.seq + 1 :], strict=True)

    def holds(self, event: Event) -> bool:
        return event in self.events

    def named(self, name: str) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if event.name == name]


@dataclass
class PaperOutbox:
    """An outbox in memory."""

    anchor: str = ""
    kept: list[Event] = field(default_factory=list)
    takes: int = 1_000_000
    full: bool = False
    refuses_with: AgentError = field(default_factory=lambda: AgentError("outbox: the disk is full", "free some space"))
    on_put: Callable[[], None] = lambda: None

    def put(self, event: Event, anchor: str = "") -> None:
        if self.takes <= 0:
            raise self.refuses_with
        self.takes -= 1
        self.kept.append(event)
        self.anchor = anchor or self.anchor
        self.on_put()

    def begin_at(self, anchor: str) -> None:
        self.anchor = anchor
