# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The one way an event takes: audit chain, then outbox, then whoever listens on the local socket.

An event that cannot be committed to the chain is a failure of what it reports, so ``record`` raises. Listeners get it
last and cannot stop it.
"""

from collections.abc import Callable
from typing import Protocol

from protocols.telemetry.events import Event, Value, make
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError


class Chain(Protocol):
    """The local audit chain."""

    def append(self, event: Event) -> None:
        """Commit one event durably."""


class Outbox(Protocol):
    """What waits to be reported to head office."""

    def put(self, event: Event) -> object:
        """Keep one event durably until it is delivered."""


class Recorder:
    """Makes events and sends them on their way."""

    def __init__(self, chain: Chain, outbox: Outbox, clock: Clock, tell: Callable[[str], None]) -> None:
        """``tell`` prints a line where an operator of this machine sees it, for when even recording fails."""
        self._chain = chain
        self._outbox = outbox
        self._clock = clock
        self._tell = tell
        self._listeners: list[Callable[[Event], None]] = []

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call ``listener`` with every event that was committed from now on."""
        self._listeners.append(listener)

    def record(self, name: str, **fields: Value) -> Event:
        """Commit one event of the registry and return it; raises what chain or outbox raise."""
        event = make(name, self._clock.now_ms(), **fields)
        self._chain.append(event)
        self._outbox.put(event)
        for listener in self._listeners:
            listener(event)
        return event

    def note(self, name: str, **fields: Value) -> None:
        """Record what happened by itself (a cable pulled); where that fails the agent lives on and says so aloud.

        Nothing depends on such an event, and dying of a full disk would also stop what could report it.
        """
        try:
            self.record(name, **fields)
        except AgentError as fault:
            self._tell(f"{name} could not be recorded: {fault.what}")
