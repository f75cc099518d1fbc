# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One exchange with a pad at a time, from its first octet to its end. Knows no message and no table of turns.

What may happen in an exchange is a table of its family's (protocols/serial/turns.py, abecs_turns.py); here is what they
share: events and time go in, octets come out, and whoever stops waiting leaves a pad that is told so.
"""

import asyncio
import contextlib
from collections.abc import Callable
from enum import Enum
from typing import Generic, Protocol, TypeVar

from terminal_agent.errors import WrongDevice
from terminal_agent.line.hearing import Hearing
from terminal_agent.pad.port import PadAbsent

CHECK_THE_PAD = "check the pad's cable, power and line settings"
NO_ANSWER = "the pad does not answer"
NOT_UNDERSTOOD = "the pad cannot be understood, or does not understand"

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class Turns(Protocol[E_contra]):
    """A running exchange of ``protocols.serial``. Its ends SILENT and GARBLED are those of a pad that is lost."""

    @property
    def state(self) -> Enum: ...
    @property
    def deadline(self) -> float: ...
    @property
    def outgoing(self) -> bytes: ...
    @property
    def over(self) -> bool: ...
    def hear(self, event: E_contra, now: float) -> bytes: ...
    def silence(self, now: float) -> bytes: ...
    def cancel(self, now: float) -> bytes: ...


class Exchanges(Generic[E]):
    """The exchanges on one line, one after another."""

    def __init__(self, name: str, hearing: Hearing[E], put: Callable[[bytes], None], breaking: bytes) -> None:
        """``breaking``: the octets that end whatever the pad does; ``name``: of the line, for people."""
        self.unsettled = True
        """Whether the pad may still be at something that nobody waits for: it has to be ended first."""
        self._name = name
        self._hearing = hearing
        self._put = put
        self._breaking = breaking
        self._running: Turns[E] | None = None

    async def drive(self, turns: Turns[E], read: Callable[[E], E] | None = None) -> None:
        """One exchange to its end; :class:`PadAbsent` for a pad that is silent or speaks another tongue.

        ``read`` deciphers an event before it counts; it may raise :class:`WrongDevice`, which breaks the exchange off.
        """
        now = self._hearing.now
        self._hearing.clear()
        self._running = turns
        try:
            self._put(turns.outgoing)
            while not turns.over:
                event = await self._hearing.event(turns.deadline)
                if event is None:
                    self._put(turns.silence(now()))
                else:
                    self._put(turns.hear(read(event) if read is not None else event, now()))
        except (asyncio.CancelledError, WrongDevice):
            # Nobody will wait for the answer: tell the pad now, hear it when the next exchange begins.
            self.unsettled = True
            with contextlib.suppress(PadAbsent):
                self._put(self._breaking)
            raise
        finally:
            self._running = None
        lost = {"SILENT": NO_ANSWER, "GARBLED": NOT_UNDERSTOOD}.get(turns.state.name)
        self.unsettled = lost is not None
        if lost is not None:
            raise PadAbsent(f"{self._name}: {lost}", CHECK_THE_PAD)

    def cancel(self) -> None:
        """Have the one that runs end, if one does."""
        if self._running is not None:
            self._put(self._running.cancel(self._hearing.now()))
            self._hearing.reschedule(self._running.deadline)
