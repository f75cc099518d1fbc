# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's time: its clock, watch, log and outbox, with the machine's clock in an attacker's hand. Attacks nothing.

Put together as the agent puts it together; hours pass at once.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from terminal_agent.audit import AuditLog
from terminal_agent.clock import Clock, GuardedClock, TimeFile, trusted_at_start
from terminal_agent.flows.reporting import Recorder
from terminal_agent.flows.timekeeping import Timekeeper
from terminal_agent.report.outbox import Outbox
from tests.attacks.office import AT_MS, Office

TERMINAL = "TG000001"
SECOND, MINUTE, HOUR, YEAR = 1_000, 60_000, 3_600_000, 365 * 24 * 3_600_000
OpenClock = Callable[[Clock, int | None], GuardedClock]


@dataclass
class Machine:
    """Its clocks, and by how much the wall clock is off."""

    true_ms: int = AT_MS
    off_ms: int = 0

    def now_ms(self) -> int:
        """What it claims."""
        return self.true_ms + self.off_ms

    def steady_ms(self) -> float:
        """What it counts."""
        return float(self.true_ms - AT_MS)


class Hours:
    """A :class:`tests.attacks.harness.Target`."""

    def __init__(self, folder: Path, open_clock: OpenClock) -> None:
        self.machine = Machine()
        self.time_file = folder / "time"
        self._folder = folder
        self._open_clock = open_clock
        self._office = Office()
        self._start()

    async def honest(self) -> bool:
        """Three minutes, a restart, and a time service that corrects by half a second: records stand in their order."""
        first = self.record()
        self.live(2 * MINUTE)
        self.machine.off_ms += SECOND // 2
        self.live(MINUTE)
        second = self.record()
        self.stop()
        self.machine.true_ms += HOUR
        self._start()
        self.live(SECOND)
        return first < second < self.record() and abs(self.record() - self.machine.true_ms) <= SECOND

    def alerts(self) -> list[str]:
        """What head office sees on the lane for alerts."""
        return [line["name"] for line in self._office.lines if line.get("lane") == "alert"]

    def live(self, for_ms: int) -> None:
        """The agent runs on and looks at its clock every second."""
        for _ in range(for_ms // SECOND):
            self.machine.true_ms += SECOND
            self._timekeeper.look()
        self._report()

    def record(self) -> int:
        """Something happens: the time that its record bears."""
        event = self._recorder.record("device.back", device="reader")
        self._report()
        return event.at_ms

    def stop(self) -> None:
        """The agent ends."""
        self._timekeeper.keep()
        self._outbox.close()
        self._log.close()

    def start(self) -> None:
        """It begins again, and has been running for a moment."""
        self._start()
        self.live(SECOND)

    def _start(self) -> None:
        self._log = AuditLog.open(self._folder, TERMINAL)
        file = TimeFile(self.time_file)
        clock = self._open_clock(self.machine, trusted_at_start(file.read(), self._log.last_ms))
        self._outbox = Outbox.open(self._folder / "outbox.db", TERMINAL, opened_at_ms=clock.now_ms())
        self._recorder = Recorder(self._log, self._outbox, clock, lambda _: None)
        self._timekeeper = Timekeeper(clock, file, self._recorder)

    def _report(self) -> None:
        self._office.take_all(self._outbox)


@asynccontextmanager
async def hours(folder: Path, open_clock: OpenClock = GuardedClock) -> AsyncIterator[Hours]:
    """A terminal with the shipped clock, or another."""
    target = Hours(folder, open_clock)
    try:
        yield target
    finally:
        target.stop()
