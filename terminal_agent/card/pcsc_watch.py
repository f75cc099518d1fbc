# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Watches the readers and cards of the PC/SC service from one thread, for one event loop. Talks to no card.

The thread has a context of its own (one that also works would swallow events), blocks in SCardGetStatusChange with the
plug-and-play entry, and gives the loop a table of all readers whenever it changes. The queue between them holds one
table: a newer one replaces one not yet looked at. Nothing can be lost by that, because a slot's ``visit`` tells a card
that stayed from one that went and came back in between. When the service dies the context is made anew, with growing
pauses, and the first table afterwards says all that changed meanwhile. Several readers share one watch, each with a
:class:`View` of its own; :mod:`terminal_agent.card.pcsc_events` makes events of the difference of two tables.

A service that hangs answers nothing, not even a cancel. So cancels are made in a thread of their own, and a thread that
did not end is left behind, but never a second one: see :mod:`terminal_agent.card.pcsc_service`.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from terminal_agent.card.pcsc_codes import HANGING, Code, PcscFault
from terminal_agent.card.scard import (
    EVENT_COUNTER,
    PLUG_AND_PLAY,
    STATE_CHANGED,
    STATE_MUTE,
    STATE_PRESENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    ReaderState,
)

SHORTEST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.5  # a service that comes back is seen within this
LOOK_AGAIN_MS = 1_000  # a reader plugged in between listing and waiting is missed by the wait; it is found by then
MOST_ENTRIES = 16  # of one wait: PCSCLITE_MAX_READERS_CONTEXTS of pcsc-lite, a 17th is an invalid parameter
HANGS_S = 5.0  # a wait of LOOK_AGAIN_MS that has not come back after so long never will
STOP_S = 2.0


@dataclass(frozen=True, slots=True)
class Slot:
    """One reader. Cards are told apart by ``visit``: it never comes again."""

    present: bool = False
    mute: bool = False
    visit: tuple[int, int] = (0, 0)
    atr: bytes = b""


@dataclass(frozen=True, slots=True)
class Table:
    """All readers at one moment. ``fault`` is the code with which the service is away, None while it is there."""

    fault: int | None = None
    slots: Mapping[str, Slot] = field(default_factory=dict)


class Events(Protocol):
    """What the watch needs of a context; see :class:`terminal_agent.card.scard.Context`."""

    def readers(self) -> tuple[str, ...]: ...
    def changes(self, known: list[tuple[str, int]], timeout_ms: int) -> tuple[ReaderState, ...]: ...
    def cancel(self) -> None: ...
    def release(self) -> None: ...


class View:
    """One reader's look at the watch. Used by one task at a time."""

    def __init__(self, watch: "Watch") -> None:
        self._watch = watch
        self._news = asyncio.Event()
        self._news.set()
        watch.views.append(self)

    def look(self) -> Table:
        """The newest table; :meth:`changed` then waits for one newer still."""
        self._news.clear()
        if self._watch.table.fault is None and self._watch.hangs:
            return Table(HANGING)
        return self._watch.table

    async def changed(self) -> None:
        """Wait for a table that was not looked at."""
        await self._watch.told.wait()
        await self._news.wait()

    def wake(self) -> None:
        """There is a new table, or there will be none any more."""
        self._news.set()

    async def close(self) -> None:
        """Look no more; whoever waits for a change is woken."""
        if self in self._watch.views:
            self._watch.views.remove(self)
        self._news.set()
        self._watch.told.set()


class Watch:
    """The event thread and the newest table. Made in a running loop."""

    def __init__(self, establish: Callable[[], Events]) -> None:
        """``establish`` makes a context and raises :class:`PcscFault` while the service is away."""
        self._establish = establish
        self._loop = asyncio.get_running_loop()
        self.table = Table()
        self.told = asyncio.Event()
        """Set once there is a first table."""
        self.views: list[View] = []
        self._beat = self._loop.time()
        self._stopping = threading.Event()
        self._context: Events | None = None
        self._era = 0
        self._thread = threading.Thread(target=self._run, name="pcsc-events", daemon=True)
        self._thread.start()

    @property
    def hangs(self) -> bool:
        """Whether the service has not come back from a call for too long."""
        return self._loop.time() - self._beat > HANGS_S

    @property
    def thread(self) -> threading.Thread:
        """The event thread."""
        return self._thread

    async def close(self) -> None:
        """End the thread. A cancel that comes before the wait it means is lost, so it is repeated."""
        self._stopping.set()
        ended = asyncio.Event()
        canceller = threading.Thread(target=self._cancel, args=(ended,), name="pcsc-cancel", daemon=True)
        canceller.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await ended.wait()
                canceller.join(STOP_S)  # it has said its last word
        self._spread()  # whoever waits for a change has to see that there will be none

    def _cancel(self, ended: asyncio.Event) -> None:
        """In a thread of its own: a service that hangs answers no cancel either."""
        while self._thread.is_alive():
            context = self._context
            if context is not None:
                context.cancel()
            self._thread.join(0.005)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(ended.set)

    def _run(self) -> None:
        pause = SHORTEST_PAUSE_S
        while not self._stopping.is_set():
            self._beat = self._loop.time()
            try:
                context = self._establish()
            except PcscFault as fault:
                self._tell(Table(fault.code))
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                continue
            self._era += 1
            self._context = context
            try:
                self._follow(context)
            except PcscFault as fault:
                self._tell(Table(fault.code))
            finally:
                self._context = None
                context.release()
            # A service that takes us and drops us again at once is no reason to spin.
            self._stopping.wait(SHORTEST_PAUSE_S)
            pause = SHORTEST_PAUSE_S

    def _follow(self, context: Events) -> None:
        """Tell every change until told to stop; raises :class:`PcscFault` when the service is lost."""
        known: dict[str, int] = {}
        slots: dict[str, Slot] = {}
        first = True
        while not self._stopping.is_set():
            self._beat = self._loop.time()
            names = context.readers()
            gone = set(known) - set(names)
            for name in gone:
                del known[name], slots[name]
            fresh = [name for name in names if name not in known]
            for name in fresh:
                known[name] = 0  # SCARD_STATE_UNAWARE: answered at once with the present state
                slots[name] = Slot()
            if fresh or gone or first:
                self._settle(context, fresh, known, slots)
                self._tell(Table(None, dict(slots)))
                first = False
            # pcsc-lite 2 compares the number of readers in the entry's counter; older ones ignore it.
            entry = (PLUG_AND_PLAY, len(names) << EVENT_COUNTER)
            # A full table has no room for the entry, nor the service for another reader; the look again sees the rest.
            asked = [entry, *known.items()] if len(known) < MOST_ENTRIES else list(known.items())[:MOST_ENTRIES]
            try:
                states = context.changes(asked, LOOK_AGAIN_MS)
            except PcscFault as fault:
                if fault.code != Code.UNKNOWN_READER:
                    raise
                continue  # it was unplugged since it was listed
            if self._take(states, known, slots):
                self._tell(Table(None, dict(slots)))

    def _settle(self, context: Events, fresh: list[str], known: dict[str, int], slots: dict[str, Slot]) -> None:
        """Ask for the state of new readers before they are told, so that no table shows a reader of unknown state."""
        if not fresh:
            return
        try:
            self._take(context.changes([(name, 0) for name in fresh], 0), known, slots)
        except PcscFault as fault:
            if fault.code != Code.UNKNOWN_READER:  # else it was unplugged since it was listed; the next round sees it
                raise

    def _take(self, states: tuple[ReaderState, ...], known: dict[str, int], slots: dict[str, Slot]) -> bool:
        """Enter what a wait gave; whether anything differs."""
        differs = False
        for name, state, atr in states:
            if name not in known or state & STATE_UNKNOWN:
                continue
            known[name] = state & ~STATE_CHANGED
            usable = not state & STATE_UNAVAILABLE
            slot = Slot(
                bool(usable and state & STATE_PRESENT),
                bool(usable and state & STATE_MUTE),
                (self._era, state >> EVENT_COUNTER),
                atr,
            )
            differs |= slot != slots[name]
            slots[name] = slot
        return differs

    def _tell(self, table: Table) -> None:
        self.table = table
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
            self._loop.call_soon_threadsafe(self._spread)

    def _spread(self) -> None:
        self.told.set()
        for view in self.views:
            view.wake()
