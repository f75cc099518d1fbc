# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The one way an event takes: audit chain, then outbox, then whoever listens on the local socket.

The chain is where an event becomes true: what cannot be committed to it has failed, so ``record`` raises. The outbox
follows the chain and remembers how far it has come, so an outbox that cannot write for a while, or an agent that died
between the two, loses no report and makes none twice: what is missing is read from the chain. An outbox that is full of
alerts is such a case too, but nothing is wrong with this machine then, so nothing else waits for it. Listeners get an
event last and cannot stop it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from protocols.audit_chain import Head
from protocols.telemetry.events import Event, Value, make
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError
from terminal_agent.report.settings import OutboxFull

MOST_NOTED = 100  # notes that wait for a disk to take them; the oldest go first


class Chain(Protocol):
    """The local audit chain."""

    @property
    def head(self) -> Head:
        """Its end."""

    def append(self, event: Event) -> Head:
        """Commit one event durably; the chain's new end."""

    def after(self, head: Head) -> Iterable[tuple[Event, Head]]:
        """Its records behind ``head``."""

    def holds(self, event: Event) -> bool:
        """Whether this very event was committed before."""


class Outbox(Protocol):
    """What waits to be reported to head office."""

    @property
    def anchor(self) -> str:
        """The end of the chain as far as it is kept here; empty where nothing ever was."""

    @property
    def full(self) -> bool:
        """Whether it may take nothing more until something was delivered."""

    def put(self, event: Event, anchor: str = "") -> object:
        """Keep one event durably until it is delivered, and the anchor with it."""

    def begin_at(self, anchor: str) -> None:
        """Follow the chain from here on."""


class Recorder:
    """Makes events and sends them on their way."""

    def __init__(self, chain: Chain, outbox: Outbox, clock: Clock, tell: Callable[[str], None]) -> None:
        """``tell`` prints a line where an operator of this machine sees it, for when even recording fails."""
        self._chain = chain
        self._outbox = outbox
        self._clock = clock
        self._tell = tell
        self._listeners: list[Callable[[Event], None]] = []
        self._noted: deque[Event] = deque(maxlen=MOST_NOTED)
        self._behind = True  # until the first look: an earlier run may have died between chain and outbox

    @property
    def behind(self) -> bool:
        """Whether something waits to be written that could not be."""
        return (self._behind and not self._outbox.full) or bool(self._noted)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call ``listener`` with every event that was committed from now on."""
        self._listeners.append(listener)

    def record(self, name: str, **fields: Value) -> Event:
        """Commit one event of the registry and return it; raises what the chain raises."""
        event = make(name, self._clock.now_ms(), **fields)
        self.commit(event)
        self.announce(event)
        return event

    def commit(self, event: Event) -> None:
        """Commit an event that somebody else made and will announce; raises what the chain raises."""
        if self._behind:
            self._follow(aloud=False)
        head = self._chain.append(event)
        if self._behind:
            return  # the outbox reads it from the chain when it can write again
        try:
            self._outbox.put(event, head.text())
        except AgentError as fault:
            self._behind = True
            self._tell(f"reports wait in the audit log: {fault.what}")

    def committed_before(self, event: Event) -> bool:
        """Whether an earlier run committed this very event and died before it could note that."""
        return self._chain.holds(event)

    def announce(self, event: Event) -> None:
        """Hand an event to the listeners."""
        for listener in self._listeners:
            listener(event)

    def note(self, name: str, **fields: Value) -> None:
        """Record what happened by itself (a cable pulled); where that fails now it is said aloud and recorded later.

        Nothing depends on such an event, and dying of a full disk would also stop what could report it.
        """
        event = make(name, self._clock.now_ms(), **fields)
        try:
            self.commit(event)
        except AgentError as fault:
            self._noted.append(event)
            self._tell(f"{name} could not be recorded: {fault.what}")
        self.announce(event)

    def catch_up(self) -> None:
        """Write what could not be written before; raises the :class:`AgentError` that still prevents it."""
        if self._behind:
            self._follow(aloud=True)
        while self._noted:
            self.commit(self._noted[0])
            self._noted.popleft()

    def _follow(self, *, aloud: bool) -> None:
        """Bring the outbox to the end of the chain, unless it is full: that is no fault of this machine's."""
        if self._outbox.full:
            return
        try:
            if not self._outbox.anchor:
                self._outbox.begin_at(self._chain.head.text())
            for event, head in self._chain.after(Head.from_text(self._outbox.anchor)):
                self._outbox.put(event, head.text())
        except OutboxFull:
            return
        except AgentError:
            if aloud:
                raise
            return
        self._behind = False
