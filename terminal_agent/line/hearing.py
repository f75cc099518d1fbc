# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a serial driver hears, event by event, within a time. Knows no protocol: the framer does.

One place for the wait that every driver has: octets go to the framer until it has an event; a frame that stands still
is given up as damaged; a line that went becomes the driver's own error.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from terminal_agent.errors import AgentError
from terminal_agent.line.port import Line, LineGone

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
Told = Callable[[E], None]
"""Takes every event at the moment it is heard, also those that nobody asks for."""


class Framer(Protocol[E_co]):
    """A byte-fed framer of ``protocols.serial``."""

    @property
    def unfinished(self) -> bool: ...
    def feed(self, data: bytes) -> Iterable[E_co]: ...
    def lapse(self) -> Iterable[E_co]: ...


class Hearing(Generic[E]):
    """Both directions of one line. One task waits at a time; another may put its deadline off."""

    def __init__(
        self,
        line: Line,
        framer: Framer[E],
        octet_s: float,
        absent: Callable[[str, str], AgentError],
        told: Told[E] | None = None,
    ) -> None:
        """``octet_s``: a frame that stands still for so long is broken; ``absent`` makes the error of a gone line."""
        self._line = line
        self._framer = framer
        self._octet_s = octet_s
        self._absent = absent
        self._told = told
        self._pending: list[E] = []
        self._deadline = 0.0
        self._timer: asyncio.Timeout | None = None

    async def event(self, deadline: float) -> E | None:
        """The next event, or None at the deadline."""
        self._deadline = deadline
        while not self._pending:
            try:
                async with asyncio.timeout_at(self._until()) as self._timer:
                    octets = await self._line.read()
            except TimeoutError:
                if self._framer.unfinished:
                    self._heard(self._framer.lapse())
                elif self.now() >= self._deadline:
                    return None
                continue
            except LineGone as fault:
                raise self._absent(fault.what, fault.hint) from None
            finally:
                self._timer = None
            self._heard(self._framer.feed(octets))
        return self._pending.pop(0)

    def reschedule(self, deadline: float) -> None:
        """Another deadline for whoever waits now; nothing where nobody does."""
        self._deadline = deadline
        if self._timer is not None:
            self._timer.reschedule(deadline)

    def unhear(self, event: E) -> None:
        """``event`` is the next one again."""
        self._pending.insert(0, event)

    def forget(self) -> None:
        """Drop what was heard and not asked for; a frame that has begun goes on."""
        self._pending.clear()

    def clear(self) -> None:
        """Drop that, and what has begun."""
        self.forget()
        self._framer.lapse()

    def put(self, octets: bytes) -> None:
        """Send."""
        try:
            self._line.write(octets)
        except LineGone as fault:
            raise self._absent(fault.what, fault.hint) from None

    @staticmethod
    def now() -> float:
        """The time that deadlines are measured in."""
        return asyncio.get_running_loop().time()

    def _until(self) -> float:
        return min(self._deadline, self.now() + self._octet_s) if self._framer.unfinished else self._deadline

    def _heard(self, events: Iterable[E]) -> None:
        for event in events:
            self._pending.append(event)
            if self._told is not None:
                self._told(event)
