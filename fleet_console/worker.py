# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One shard group's worker: holds the group, keeps its session at the broker, hands messages to the desk and answers.

A life begins with the group's lock and ends with whatever breaks: database, lock or register. A new life then begins
from nothing, and what was not acknowledged comes again; so no fault needs a way back of its own. The client id is that
of the group, not of the worker: whoever takes the group over gets what the broker kept for it, in order.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fleet_console import findings
from fleet_console.desk import Desk, Judged, Judging, Outcome
from fleet_console.dispatch import Dispatch
from fleet_console.feed import Feed, Joined, Parted
from fleet_console.findings import Contain, Say
from fleet_console.metrics import Counts
from fleet_console.receipts import Receipts
from fleet_console.register import Register
from fleet_console.settings import BrokerAccess
from fleet_console.store.port import Database, Unavailable
from protocols.mqtt.session import Acknowledged, Message
from protocols.telemetry.events import Lane
from protocols.telemetry.seal import Signer
from protocols.telemetry.topics import ROOT, SHARDS

CHUNK = 500  # messages judged and committed at once
CHUNK_OCTETS = 1 << 19  # or so many octets of them: a batch of many reports takes as long as many messages
MOST_WAITING = 2_000  # messages in memory: with more, nothing is read until the desk has caught up
POLL_S = 0.2  # how often a standby asks for the lock, and a worker for orders
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker works with."""

    open_store: Callable[[], Awaitable[Database]]
    access: BrokerAccess
    judging: Judging
    signer: Signer
    clock_ms: Callable[[], int]
    randomness: Callable[[], float]
    counts: Counts
    say: Say
    contain: Contain | None
    """Has a terminal barred at the broker; None: what shows to be a copy is reported only."""


def client_id(group: int, groups: int) -> str:
    """The session's name at the broker."""
    return f"ingest-{groups}-{group}"


def patterns(group: int, groups: int) -> tuple[str, ...]:
    """The topic filters of a group: the lanes of its shards, and nothing that head office itself writes."""
    if groups == 1:
        return tuple(f"{ROOT}/+/+/{lane.value}" for lane in Lane)
    return tuple(f"{ROOT}/s{number:02d}/+/{lane.value}" for number in range(group, SHARDS, groups) for lane in Lane)


class Worker:
    """One shard group. Runs until cancelled."""

    def __init__(self, group: int, groups: int, tools: Tools, patience_s: float = 0.0) -> None:
        """``patience_s``: how long the group must be free before this worker takes it, so that its own comes first."""
        self._group, self._groups, self._tools = group, groups, tools
        self._patience_s = patience_s
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._receipts = Receipts(tools.signer, time.monotonic)
        self._feed: Feed | None = None
        self.ready = asyncio.Event()
        """Set once it has been connected."""

    async def run(self) -> None:
        """Live, and live again. Raises :class:`tillguard.voice.Fault` where the first connection already fails."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._live()
            except Unavailable as fault:
                if time.monotonic() - began > LONGEST_WAIT_S:
                    failures = 0
                wait = self._tools.randomness() * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(failures, 10))
                failures += 1
                document = {"group": self._group, "reason": fault.what, "again_s": round(wait, 3)}
                self._tools.say("unavailable", document, f"{fault.what}; again in {wait:.1f} s")
                await asyncio.sleep(wait)

    async def _live(self) -> None:
        async with self._held() as database:
            tools = self._tools
            desk = Desk(database, await Register.load(database), tools.clock_ms, tools.judging)
            dispatch = Dispatch(database, self._group, self._groups, tools.clock_ms)
            feed = Feed(
                tools.access,
                client_id(self._group, self._groups),
                patterns(self._group, self._groups),
                tools.randomness,
                lambda answer: self._answered(answer, dispatch),
            )
            self._feed = feed
            self._waiting.clear()
            self._room.set()
            self._receipts.clear()
            judged: asyncio.Queue[Judged] = asyncio.Queue(1)
            await _first_of(
                self._read(feed),
                self._judge(desk, judged),
                self._enter(judged, feed, desk, database, dispatch),
                self._order(feed, dispatch),
            )

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[Database]:
        """The database, once the group is ours."""
        database = await self._tools.open_store()
        try:
            if self._patience_s:
                await asyncio.sleep(self._patience_s)
            if not await database.hold(self._group):
                if not self._patience_s:
                    words = f"another worker holds shard group {self._group}: waiting until it ends"
                    self._tools.say("waits", {"group": self._group}, words)
                while not await database.hold(self._group):  # noqa: ASYNC110  # another process lets go of it
                    await asyncio.sleep(POLL_S)
            self._tools.say("holds", {"group": self._group}, f"holds shard group {self._group}")
            yield database
        finally:
            self._tools.counts.connected.pop(self._group, None)
            await database.close()

    async def _read(self, feed: Feed) -> None:
        tools = self._tools
        async with contextlib.aclosing(feed.messages()) as messages:
            async for item in messages:
                if isinstance(item, Message):
                    self._waiting.append(item)
                    self._wake.set()
                    if len(self._waiting) >= MOST_WAITING:
                        self._room.clear()
                        await self._room.wait()
                    continue
                match item:
                    case Joined(kept):
                        tools.counts.connected[self._group] = True
                        session = "kept" if kept else "new"
                        words = f"group {self._group} connected, session {session}"
                        tools.say("connected", {"group": self._group, "session": session}, words)
                        self._send_receipts()
                        self.ready.set()
                    case Parted(why, again_s):
                        tools.counts.connected[self._group] = False
                        self._waiting.clear()  # the broker sends them again
                        document = {"group": self._group, "reason": why, "again_s": round(again_s, 3)}
                        tools.say("disconnected", document, f"disconnected: {why}; again in {again_s:.1f} s")

    async def _judge(self, desk: Desk, judged: asyncio.Queue[Judged]) -> None:
        """Judge one chunk while the one before is committed, and no more: what waits, waits to be in one commit."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                chunk = self._chunk()
                if len(self._waiting) < MOST_WAITING // 2:
                    self._room.set()
                await judged.put(await desk.judged(chunk))
                await judged.join()

    def _chunk(self) -> list[Message]:
        chunk: list[Message] = []
        octets = 0
        while self._waiting and len(chunk) < CHUNK and octets < CHUNK_OCTETS:
            chunk.append(self._waiting.popleft())
            octets += len(chunk[-1].payload)
        return chunk

    async def _enter(
        self, judged: asyncio.Queue[Judged], feed: Feed, desk: Desk, database: Database, dispatch: Dispatch
    ) -> None:
        while True:
            one = await judged.get()
            judged.task_done()
            began = time.perf_counter()
            outcome = await desk.enter(one)
            self._count(outcome, time.perf_counter() - began)
            for message in one.chunk:
                feed.done_with(message)
            self._receipts.keep(outcome.receipts)
            self._send_receipts()
            dispatch.heard(outcome.heard)
            for found in outcome.findings:
                await findings.act(found, database, self._tools.clock_ms(), self._tools.contain, self._tools.say)
            if outcome.findings:
                await desk.refresh()

    def _send_receipts(self) -> None:
        if self._feed is not None:
            self._tools.counts.counts["receipts"] += self._receipts.send(self._feed, busy=bool(self._waiting))
            self._feed.flush()

    def _answered(self, answer: Acknowledged, dispatch: Dispatch) -> None:
        dispatch.answered(answer.packet_id, taken=answer.refused is None)
        self._send_receipts()

    async def _order(self, feed: Feed, dispatch: Dispatch) -> None:
        """Hand out what is ready to be sent."""
        await dispatch.load()
        while True:
            self._tools.counts.counts["orders"] += await dispatch.send(feed)
            await asyncio.sleep(POLL_S)

    def _count(self, outcome: Outcome, took_s: float) -> None:
        counts = self._tools.counts
        counts.counts += outcome.counts
        counts.counts["commits"] += 1
        counts.counts["findings"] += len(outcome.findings)
        counts.dead += outcome.dead
        counts.commit_s += took_s


async def _first_of(*doings: Coroutine[Any, Any, None]) -> None:
    """Run them side by side until one ends, which ends the others; how it ended is how this ends.

    Unlike a task group's, its own cancellation is nothing but a cancellation: a database that is asked to stop half way
    may say that it is unavailable, and a worker that took that for a fault would live again instead of ending.
    """
    tasks = [asyncio.create_task(doing) for doing in doings]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
