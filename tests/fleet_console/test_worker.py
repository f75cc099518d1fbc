# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A worker's lives: when it lives again, when it ends, and in which order its receipts leave."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from fleet_console.audit_command import signing_key_of
from fleet_console.feed import Feed
from fleet_console.jury import Jury
from fleet_console.metrics import Counts
from fleet_console.store.port import Database, Row, Step, Unavailable, Value
from fleet_console.worker import Tools, Worker
from tests.fleet_console.estate import make_estate
from tests.fleet_console.test_dispatch import Wire
from tests.fleet_console.test_orders import NAME


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


@pytest.fixture
def database() -> Interrupted:
    return Interrupted()


@pytest.fixture
def worker(tmp_path: Path, database: Interrupted) -> Worker:
    there = make_estate(tmp_path)
    key = signing_key_of(tmp_path / "receipt.key")
    access = there.access("head-office", office=True)

    async def no_broker(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    tools = Tools(database.open, access, Jury(1).judge, key, lambda: 1, lambda: 0.0, Counts(), lambda *_: None, None)
    made = Worker(0, 1, tools)
    made._read = no_broker  # type: ignore[method-assign]  # what is looked at here is the database's side
    return made


async def test_a_worker_that_is_told_to_end_in_the_midst_of_a_statement_ends(
    worker: Worker, database: Interrupted
) -> None:
    running = asyncio.create_task(worker.run())
    await database.asked.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=60)
    assert running.cancelled()
    assert database.lives == 1


def test_a_terminals_receipts_leave_in_the_order_of_their_serials(worker: Worker) -> None:
    wire = Wire()
    wire.free = 0
    worker._feed = cast(Feed, wire)
    worker._keep_receipts({(NAME, 1): b"serial 5", (NAME, 2): b"serial 6"})
    worker._send_receipts()
    worker._keep_receipts({(NAME, 1): b"serial 7"})
    wire.free = 2
    worker._send_receipts()
    assert [octets for _, octets, _ in wire.published] == [b"serial 6", b"serial 7"]
