# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Says that the terminal is there, while somebody can hear it, and how far its audit log has come. Decides nothing.

A heartbeat names the longest time until the next one. Together with the will, which a broker publishes when the
connection ends without a word, and the boot that both carry, head office knows who is away. Neither is recorded in the
audit log: they say nothing that happened. A terminal without a connection makes none, so that its outbox holds what
counts. The head of the audit log, told now and then, lets head office notice a log that was cut or put back.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from protocols.audit_chain import Head
from protocols.telemetry.events import Event, make
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError

HEADS_EVERY_S = 3_600.0
LOOK_S = 1.0


class Kept(Protocol):
    """What keeps reports; :class:`terminal_agent.report.outbox.Outbox`."""

    @property
    def waiting(self) -> int:
        """How many reports have no receipt."""

    def put(self, event: Event) -> int:
        """Keep one."""


class Presence:
    """One terminal's heartbeat. ``connected``: whether a broker can be told; ``standing``: what the terminal may do."""

    def __init__(
        self,
        outbox: Kept,
        clock: Clock,
        head: Callable[[], Head],
        connected: Callable[[], bool],
        standing: Callable[[], str],
        every_s: int,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._head = head
        self._connected = connected
        self._standing = standing
        self._every_s = every_s
        self._beaten_s: float | None = None
        self._told_s: float | None = None
        self._told = 0

    def look(self) -> None:
        """Tell what is due."""
        if not self._connected():
            self._beaten_s = None  # the first word after a silence comes at once
            return
        now = self._clock.steady_ms() / 1000
        try:
            if self._beaten_s is None or now - self._beaten_s >= self._every_s:
                self._beaten_s = now
                waiting = self._outbox.waiting
                self._put("agent.heartbeat", every_s=self._every_s, standing=self._standing(), waiting=waiting)
            head = self._head()
            if head.seq != self._told and (self._told_s is None or now - self._told_s >= HEADS_EVERY_S):
                self._told_s, self._told = now, head.seq
                self._put("audit.head", records=head.seq, head=head.hash.hex())
        except AgentError:
            return  # an outbox that takes nothing is told of by whoever records

    async def run(self) -> None:
        """Runs for the agent's life."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def _put(self, name: str, **fields: str | int) -> None:
        self._outbox.put(make(name, self._clock.now_ms(), **fields))
