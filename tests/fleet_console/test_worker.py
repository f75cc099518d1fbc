# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A worker's lives: when it lives again, when it ends, and in which order its receipts leave."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleet_console.audit_command import signing_key_of
from fleet_console.judge import Accepted, Dead
from fleet_console.jury import Jury
from fleet_console.metrics import Counts
from fleet_console.register import Register
from fleet_console.store.port import Database, Row, Step, Unavailable, Value
from fleet_console.worker import CHUNK, CHUNK_OCTETS, MOST_WAITING, Tools, Worker
from protocols.mqtt.session import Message
from tests.fleet_console.estate import make_estate
from tests.fleet_console.terminals import message


class Interrupted:
    """A database in the midst of a statement: whoever breaks it off hears that it cannot be used now."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.lives = 0

    async def open(self) -> Database:
        self.lives += 1
        return self

    async def read(self, statement: str, *values: Value) -> list[Row]:
        if "FROM register" in statement:
            return [(1,)]
        if "FROM terminals" in statement or "FROM report_keys" in statement:
            return []
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Unavailable("another operation is in progress", "a test") from None
        raise AssertionError

    async def write(self, steps: Sequence[Step], version: int | None = None) -> None:
        """Nothing is kept."""

    async def hold(self, group: int) -> bool:
        return True

    async def close(self) -> None:
        """Nothing is open."""


class Slow(Interrupted):
    """A database whose commits take as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.committing = asyncio.Event()
        self.may_commit = asyncio.Semaphore(0)

    async def read(self, statement: str, *values: Value) -> list[Row]:
        return await super().read(statement, *values) if "FROM register" in statement else []

    async def write(self, steps: Sequence[Step], version: int | None = None) -> None:
        self.committing.set()
        await self.may_commit.acquire()
        self.committing.clear()


class Listening(Jury):
    """Tells what it has judged."""

    def __init__(self) -> None:
        super().__init__(1)
        self.judged: list[int] = []

    async def judge(self, messages: Sequence[Message], register: Register) -> list[Accepted | Dead]:
        self.judged.append(len(messages))
        return await super().judge(messages, register)


@pytest.fixture
def database() -> Interrupted:
    return Interrupted()


@pytest.fixture
def jury() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.close()


def worker_with(folder: Path, database: Interrupted, jury: Jury) -> Worker:
    there = make_estate(folder)
    key = signing_key_of(folder / "receipt.key")
    access = there.access("head-office", office=True)

    async def no_broker(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    tools = Tools(database.open, access, jury.judge, key, lambda: 1, lambda: 0.0, Counts(), lambda *_: None, None)
    made = Worker(0, 1, tools)
    made._read = no_broker  # type: ignore[method-assign]  # what is looked at here is the database's side
    return made


@pytest.fixture
def worker(tmp_path: Path, database: Interrupted, jury: Listening) -> Worker:
    return worker_with(tmp_path, database, jury)


async def test_a_worker_that_is_told_to_end_in_the_midst_of_a_statement_ends(
    worker: Worker, database: Interrupted
) -> None:
    running = asyncio.create_task(worker.run())
    await database.asked.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=60)
    assert running.cancelled()
    assert database.lives == 1


async def test_one_chunk_is_judged_while_the_one_before_is_committed_and_what_comes_then_waits(
    tmp_path: Path, jury: Listening
) -> None:
    database = Slow()
    worker = worker_with(tmp_path, database, jury)
    running = asyncio.create_task(worker.run())

    async def heard(count: int, judged: list[int]) -> None:
        for _ in range(count):
            worker._waiting.append(message("nowhere", b""))
        worker._wake.set()
        while jury.judged != judged:
            await asyncio.sleep(0)
        await database.committing.wait()
        for _ in range(100):
            await asyncio.sleep(0)

    worker._room.set()
    while not database.lives:
        await asyncio.sleep(0)
    await heard(1, [1])
    await heard(2, [1, 2])
    await heard(3, [1, 2])
    await heard(4, [1, 2])
    database.may_commit.release()
    await heard(0, [1, 2, 7])
    running.cancel()
    await asyncio.wait({running})


def test_a_chunk_is_bounded_by_its_messages_and_by_its_octets(worker: Worker) -> None:
    worker._waiting.extend(message("nowhere", b"x") for _ in range(MOST_WAITING))
    assert len(worker._chunk()) == CHUNK
    worker._waiting.clear()
    worker._waiting.extend(message("nowhere", bytes(CHUNK_OCTETS // 4)) for _ in range(10))
    assert [len(worker._chunk()) for _ in range(4)] == [4, 4, 2, 0]
