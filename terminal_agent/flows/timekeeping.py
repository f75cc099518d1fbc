# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Watches the clock: a jump becomes an event, the trusted time is kept for the next run. Sets no clock."""

import asyncio

from terminal_agent.clock import KEPT_EVERY_MS, GuardedClock, TimeFile
from terminal_agent.flows.reporting import Recorder

LOOK_S = 1.0
LONGEST_JUMP_MS = 10**12 - 1  # what an event's number holds: 31 years


class Timekeeper:
    """One terminal's watch over its clock."""

    def __init__(self, clock: GuardedClock, file: TimeFile, recorder: Recorder) -> None:
        self._clock = clock
        self._file = file
        self._recorder = recorder
        self._kept_at = clock.steady_ms()

    def look(self) -> None:
        """Tell of a jump since the last look, and keep the time now and then."""
        if jump := self._clock.look():
            by_ms = max(-LONGEST_JUMP_MS, min(jump, LONGEST_JUMP_MS))
            self._recorder.note("clock.jumped", by_ms=by_ms)
            self.keep()
        elif self._clock.steady_ms() - self._kept_at >= KEPT_EVERY_MS:
            self.keep()

    def keep(self) -> None:
        """Write the trusted time down."""
        self._kept_at = self._clock.steady_ms()
        self._file.keep(self._clock.trusted_ms)

    async def watch(self) -> None:
        """Runs for the agent's life."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()
