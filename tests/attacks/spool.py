# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's queue for head office, which is away, on a small disk. Attacks nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from protocols.telemetry.envelope import Report, decode, encode, genesis
from protocols.telemetry.events import Event, Lane, make
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.settings import LaneBounds

TERMINAL = "TG000001"
AT = 1_800_000_000_000
ROOM = 4 * 64 * 1024  # octets that the disk has for it


class Queue(Protocol):
    """What keeps events for head office."""

    def put(self, event: Event) -> object:
        """Keep one."""

    def events(self) -> list[Event]:
        """What is kept."""


class OnDisk:
    """The shipped outbox."""

    def __init__(self, folder: Path) -> None:
        bounds = LaneBounds(64, 64, 64, 64)
        self.outbox = Outbox.open(folder / "outbox.db", TERMINAL, opened_at_ms=AT, bounds=bounds)
        self.outbox._database.execute("PRAGMA synchronous = OFF")  # thousands of events, quickly

    def put(self, event: Event) -> object:
        """Keep one."""
        return self.outbox.put(event)

    def events(self) -> list[Event]:
        """What is kept."""
        return [decode(row.octets).event for lane in Lane for row in self.outbox.unsent(lane, 1_000_000)]


class Spool:
    """A :class:`tests.attacks.harness.Target`."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def alarm(self, number: int) -> Event:
        """A device is lost: what the attacker does not want to be known."""
        return make("device.lost", AT + number, device="pad", reason="opened")

    def noise(self, number: int) -> Event:
        """What anybody can cause at a reader."""
        return make("payment.step", AT + number, payment="p1", step="gpo", wire="reader", ms=number)

    @property
    def octets(self) -> int:
        """What it takes on the disk."""
        reports = (Report(TERMINAL, AT, 1, genesis(TERMINAL), event) for event in self.queue.events())
        return sum(len(encode(report)) for report in reports)

    async def honest(self) -> bool:
        """What happens at a till is there for head office."""
        made = [self.alarm(1), self.noise(2), self.noise(3)]
        for event in made:
            self.queue.put(event)
        return all(event in self.queue.events() for event in made)

    def alerts(self) -> list[str]:
        """What head office finds in it on the lane for alerts."""
        return [event.name for event in self.queue.events() if event.name == "report.dropped"]


@asynccontextmanager
async def spool(folder: Path, make_queue: Callable[[], Queue] | None = None) -> AsyncIterator[Spool]:
    """The shipped outbox, or another queue."""
    if make_queue is not None:
        yield Spool(make_queue())
        return
    shipped = OnDisk(folder)
    try:
        yield Spool(shipped)
    finally:
        shipped.outbox.close()
