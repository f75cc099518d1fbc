# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's own reporter and head office's own ingest, over mosquitto as shipped: they meet on a wire alone.

Invariant: what the terminal's outbox forgot stands in head office's store, whoever died in between.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from protocols.telemetry.events import make
from terminal_agent.clock import GuardedClock, SystemClock
from terminal_agent.report.mqtt import connect
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import ReportSettings
from tests.fleet_console.estate import Estate, Ingest, command, estate, ingest, until

AT = 1_763_800_000_000
TERMINAL = "TG000001"


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox.open(tmp_path / "outbox.db", TERMINAL, opened_at_ms=AT)
    yield box
    box.close()


@contextlib.asynccontextmanager
async def reporting(there: Estate, outbox: Outbox) -> AsyncIterator[Reporter]:
    files = (there.folder / name for name in ("ca.pem", f"{TERMINAL}.pem", f"{TERMINAL}.key"))
    settings = ReportSettings(
        f"127.0.0.1:{there.port}", *files, longest_wait_s=1.0, answer_s=3, receipt_key=there.folder / "receipt.pub"
    )
    clock = GuardedClock(SystemClock(), None)
    reporter = Reporter(settings, TERMINAL, outbox, clock, connect, random.Random(1).random)
    task = asyncio.create_task(reporter.run())
    try:
        yield reporter
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def empty(outbox: Outbox) -> None:
    async def done() -> bool:
        return outbox.waiting == 0

    await until(done, "a receipt for everything")


async def test_a_terminals_reports_are_committed_and_forgotten(tmp_path: Path, outbox: Outbox) -> None:
    async with estate(tmp_path, TERMINAL) as there:
        settings = there.settings("fleet.db")
        certificate = tmp_path / f"{TERMINAL}.pem"
        await command("terminals", "add", TERMINAL, "--certificate", certificate, "--settings", settings)
        for _ in range(40):
            outbox.put(make("device.back", AT, device="reader"))
        async with reporting(there, outbox):
            async with ingest(settings) as running:
                await empty(outbox)
                running.kill()
            for _ in range(5):
                outbox.put(make("device.lost", AT, device="reader", reason="unplugged"))
            second = await Ingest.start(settings)
            await empty(outbox)
            assert await second.stop() == 0
        found = await command("events", "--settings", settings, "--limit", 100)
        assert [one["seq"] for one in found if one["seq"]] == list(range(1, 46))
        assert not await command("events", "--dead", "--settings", settings)
        records = await command("audit", "show", "--settings", settings)
        assert [one["name"] for one in records] == ["terminal.added"]
