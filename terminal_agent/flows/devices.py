# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps one attached device open: opens it, notices that it went, opens it again. Drives no device itself.

A driver that fails, or whose line has ended while nobody used it, is closed and forgotten; from then on the device is
opened anew, at first at once and then less and less often, until it is back. Its going and coming are events, so that
nobody learns of a missing PIN pad from an angry customer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from protocols.telemetry.events import fit
from terminal_agent.errors import AgentError, WrongDevice
from terminal_agent.flows.ports import Notes
from terminal_agent.pad.port import PadTampered

LOOK_S = 0.04  # between two looks at a line that nobody uses: a pulled cable is told within 50 ms
FIRST_PAUSE_S = 0.1  # between two attempts to open; each is twice the one before, up to the longest
LONGEST_PAUSE_S = 0.8  # a device that returns is usable again within two seconds, opening included


class Closable(Protocol):
    """What every driver can do."""

    async def close(self) -> None:
        """Let go of the line."""


Driver = TypeVar("Driver", bound=Closable)


class DeviceAway(AgentError):
    """The device is not there now; it is being looked for."""


class Attached(Generic[Driver]):
    """One device slot of the terminal, such as ``reader`` or ``pad``."""

    def __init__(
        self,
        name: str,
        opener: Callable[[], Awaitable[Driver]],
        recorder: Notes,
        ended: Callable[[], bool] = lambda: False,
        changed: Callable[[], None] = lambda: None,
        *,
        was_there: bool = True,
        reason: str = "not opened yet",
    ) -> None:
        """``ended`` says whether the line of the driver that was opened last is known to have gone.

        ``changed`` is called whenever the device came or went. ``was_there`` False: its loss was told before, with
        this ``reason``.
        """
        self.name = name
        self._opener = opener
        self._ended = ended
        self._recorder = recorder
        self._driver: Driver | None = None
        self._reason = reason
        self._was_there = was_there  # so that the first failure to open is told as a loss
        self._changed = changed

    @property
    def present(self) -> bool:
        """Whether the device is open."""
        return self._driver is not None

    @property
    def reason(self) -> str:
        """Why it is not, in words."""
        return "" if self.present else self._reason

    def driver(self) -> Driver:
        """The open driver; raises :class:`DeviceAway` with the reason."""
        if self._driver is None:
            raise DeviceAway(f"{self.name}: {self._reason}", "connect it; it is opened again within a second")
        return self._driver

    async def open(self) -> None:
        """One attempt to open; its failure is told once, not at every attempt; a wrong or opened device once more."""
        try:
            driver = await self._opener()
        except AgentError as fault:
            news = isinstance(fault, WrongDevice | PadTampered) and fault.what != self._reason
            self._reason = fault.what
            if self._was_there or news:
                self._was_there = False
                self._recorder.note("device.lost", device=self.name, reason=fit(fault.what))
                self._changed()
            return
        came_back, self._was_there = not self._was_there, True
        self._driver = driver
        if came_back:
            self._recorder.note("device.back", device=self.name)
        self._changed()

    async def drop(self, driver: Driver, reason: str) -> None:
        """``driver`` failed: close it and start looking for the device. Nothing, where another one took its place."""
        if driver is not self._driver:
            return
        self._driver = None
        self._reason = reason
        self._was_there = False
        self._recorder.note("device.lost", device=self.name, reason=fit(reason))
        self._changed()
        await driver.close()

    async def keep(self) -> None:
        """Runs for the agent's life: looks whether the device went, and while it is away opens it with back-off."""
        pause = FIRST_PAUSE_S
        while True:
            if self._driver is not None:
                pause = FIRST_PAUSE_S
                await asyncio.sleep(LOOK_S)
                if self._driver is not None and self._ended():
                    await self.drop(self._driver, "it was unplugged")
            else:
                await asyncio.sleep(min(pause, LONGEST_PAUSE_S))
                pause = min(2 * pause, LONGEST_PAUSE_S)
                if self._driver is None:
                    await self.open()

    async def close(self) -> None:
        """Let go of the device for good."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close()
