# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An order reaches its terminal: at once, again where it was lost on its way, and not for ever. By a clock that waits.

The broker here is a list; the last test has mosquitto in its place.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from fleet_console import orders
from fleet_console.audit_command import signing_key_of
from fleet_console.dispatch import ANSWER_MS, LONGEST_WAIT_MS, RARER, REFUSED_MS, SWEEP_MS, Dispatch
from fleet_console.feed import Feed
from fleet_console.jury import Jury
from fleet_console.metrics import Counts
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from fleet_console.worker import Tools, Worker
from protocols.signed import read
from protocols.telemetry.topics import order_topic, shard
from tests.fleet_console.estate import ANSWER_S, estate, until
from tests.fleet_console.terminals import Teller
from tests.fleet_console.test_ingest import add
from tests.fleet_console.test_orders import NAME, NOW_S, TRUST, drafted
from tests.protocols.persons import key

NOW_MS = NOW_S * 1_000


class Wire:
    """In the feed's place: what was published, and how much more it takes."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, int | None]] = []
        self.free = 1_000

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> int:
        self.published.append((topic, payload, expiry_s))
        return len(self.published)

    def flush(self) -> None:
        """Nothing is held back."""


class Scene:
    """A store, a clock and a worker's dispatch."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now_ms = NOW_MS
        self.wire = Wire()
        self.begin()

    def begin(self) -> None:
        self.dispatch = Dispatch(self.database, 0, 1, lambda: self.now_ms)

    async def turn(self, later_ms: int = 0, *, heard: bool = False, taken: bool | None = True) -> int:
        """Let time pass and look once; the broker takes what it is handed. How many it was handed."""
        self.now_ms += later_ms
        if heard:
            self.dispatch.heard({NAME})
        count = await self.dispatch.send(cast(Feed, self.wire))
        if count and taken is not None:
            for number in range(len(self.wire.published) - count, len(self.wire.published)):
                self.dispatch.answered(number + 1, taken=taken)
            await self.dispatch.send(cast(Feed, self.wire))
        return count

    async def state(self) -> str:
        return str((await self.database.read("SELECT state FROM orders"))[0][0])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    database = await open_store(str(tmp_path / "fleet.db"))
    await orders.submit(database, drafted("ping", "Ada"), TRUST, NOW_MS)
    yield Scene(database)
    await database.close()


async def test_what_is_ready_is_handed_over_once_with_its_expiry(scene: Scene) -> None:
    assert await scene.turn(taken=None) == 1
    assert scene.wire.published[0][0] == order_topic(NAME)
    assert scene.wire.published[0][2] == 600
    assert await scene.turn(1_000) == 0  # it is under way
    scene.dispatch.answered(1, taken=True)
    scene.dispatch.answered(1, taken=True)
    scene.dispatch.answered(77, taken=True)
    assert await scene.turn(1_000) == 0
    assert await scene.state() == "sent"


async def test_it_is_repeated_once_its_terminal_is_heard_and_ever_more_rarely(scene: Scene) -> None:
    await scene.turn()
    assert await scene.turn(300_000) == 0  # nobody is there
    assert await scene.turn(heard=True) == 0  # its answer may be on its way
    assert await scene.turn(ANSWER_MS - 1, heard=True) == 0
    assert await scene.turn(1) == 1
    assert scene.wire.published[1][2] == 600 - 305
    assert await scene.turn(heard=True) == 0
    assert await scene.turn(ANSWER_MS * RARER - 1) == 0
    assert await scene.turn(1) == 1
    assert await scene.turn(ANSWER_MS * RARER) == 0  # it fell silent
    assert len({payload for _, payload, _ in scene.wire.published}) == 1


async def test_a_worker_that_takes_over_goes_on_with_it(scene: Scene) -> None:
    await scene.turn()
    scene.begin()
    await scene.dispatch.load()
    assert await scene.turn(1_000, heard=True) == 0
    assert await scene.turn(ANSWER_MS) == 1
    scene.begin()
    await scene.dispatch.load()
    assert await scene.turn(heard=True) == 0
    assert await scene.turn(ANSWER_MS * RARER - 1) == 0
    assert await scene.turn(1) == 1


async def test_what_was_answered_or_is_over_is_not_repeated(scene: Scene) -> None:
    await scene.turn()
    await scene.database.write([("UPDATE orders SET state = 'done'", [()])])
    assert await scene.turn(heard=True) == 0
    assert await scene.turn(ANSWER_MS) == 0
    await scene.database.write([("UPDATE orders SET state = 'sent'", [()])])
    scene.begin()
    await scene.dispatch.load()
    assert await scene.turn(600_000, heard=True) == 0
    assert await scene.turn(SWEEP_MS) == 0
    assert await scene.state() == "expired"


async def test_an_order_whose_time_is_over_before_it_left(scene: Scene) -> None:
    scene.wire.free = 0
    assert await scene.turn() == 0
    scene.wire.free = 1
    assert await scene.turn(601_000) == 0
    assert await scene.turn(SWEEP_MS) == 0
    assert await scene.state() == "expired"
    assert not scene.wire.published


async def test_what_the_broker_refuses_is_tried_again_after_a_while(scene: Scene) -> None:
    assert await scene.turn(taken=False) == 1
    assert await scene.state() == "ready"
    assert await scene.turn(REFUSED_MS - 1) == 0
    assert await scene.turn(1) == 1
    assert await scene.state() == "sent"


async def test_orders_of_a_dead_group_do_not_stand_in_the_way_of_others(tmp_path: Path) -> None:
    database = await open_store(str(tmp_path / "fleet.db"))
    names = [f"TG{number:06}" for number in range(200)]
    await database.write([("INSERT INTO terminals VALUES ($1, $2, 'active', '', 1)", [(n, shard(n)) for n in names])])
    row = "INSERT INTO orders (terminal, sequence, id, name, kind, state, envelope, until_s, made_ms, changed_ms) "
    rows = [(name, 1, f"o-{name}", b"x", NOW_S + 60, NOW_MS) for name in names]
    await database.write([(row + "VALUES ($1, $2, $3, 'ping', 'order', 'ready', $4, $5, $6, $6)", rows)])
    wires = []
    for group in range(2):
        wires.append(Wire())
        dispatch = Dispatch(database, group, 2, lambda: NOW_MS)
        while count := await dispatch.send(cast(Feed, wires[-1])):
            for number in range(len(wires[-1].published) - count, len(wires[-1].published)):
                dispatch.answered(number + 1, taken=True)
    told = Counter(topic for wire in wires for topic, _, _ in wire.published)
    assert told == Counter(order_topic(name) for name in names)
    for group, wire in enumerate(wires):
        assert {topic for topic, _, _ in wire.published} == {order_topic(n) for n in names if shard(n) % 2 == group}
    await database.close()


def test_the_longest_wait_is_an_hour() -> None:
    assert ANSWER_MS * RARER**10 > LONGEST_WAIT_MS == 3_600_000


async def test_an_order_given_before_the_terminal_s_first_connection_arrives(tmp_path: Path) -> None:
    """mosquitto keeps nothing for a client that it has never seen: the first copy is gone."""
    ahead_ms = 0
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        store = str(tmp_path / "fleet.db")
        said: list[str] = []
        tools = Tools(
            lambda: open_store(store), there.access("head-office", office=True),
            Jury(1).judge, signing_key_of(tmp_path / "receipt.key"), lambda: time.time_ns() // 1_000_000 + ahead_ms,
            random.Random(1).random, Counts(), lambda event, _fields, _words: said.append(event), None,
        )  # fmt: skip
        worker = Worker(0, 1, tools)
        running = asyncio.create_task(worker.run())
        database = await open_store(store)
        try:
            await worker.ready.wait()
            now = time.time_ns() // 1_000_000
            now_s = now // 1_000
            given = orders.draft(NAME, 1, now_s, now_s + 600, "ping-1", "ping", {})
            await orders.submit(database, given.signed_by(key("Ada").public, key("Ada").sign), TRUST, now)

            async def sent() -> bool:
                return bool(await database.read("SELECT 1 FROM orders WHERE state = 'sent'"))

            await until(sent, "the first copy's way to the broker")
            async with there.terminal(NAME) as talk:
                assert await talk.subscribe([order_topic(NAME)]) == (None,)
                born = Teller(NAME).says("agent.started", version="1", reader="r", pad="p")
                await talk.publish(born.topic, born.payload)

                async def heard() -> bool:
                    return bool(await database.read("SELECT 1 FROM terminal_latest"))

                await until(heard, "the terminal's first report")
                assert not [one for one in talk.messages if one.topic == order_topic(NAME)]
                ahead_ms = 2 * ANSWER_MS
                came = await talk.hears(lambda one: one.topic == order_topic(NAME), ANSWER_S)
                assert came is not None
                assert not came.retained
                assert read(came.payload).unverified.version == 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await database.close()
