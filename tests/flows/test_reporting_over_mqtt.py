# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Outbox, reporter, broker, `fleet-console watch`, each a process: whatever dies, what put() returned is shown once.

The agent's half is a process that puts events and reports them; agent, mosquitto and watch are killed with SIGKILL,
one after the other, in an order that a seed gives. A report that the terminal kept is shown, by one watch exactly once.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from device_profiles.serve.mosquitto import free_port
from tests.brokers import Pki, broker, make_pki
from tests.patience import PATIENCE_S, until

AGENT = """
import asyncio, random, signal, sys, time
from pathlib import Path
from protocols.telemetry.events import make
from terminal_agent.clock import GuardedClock, SystemClock
from terminal_agent.report.mqtt import connect
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import ReportSettings

async def main():
    path, address, ca, certificate, key = sys.argv[1:]
    outbox = Outbox.open(Path(path), "TG000001", opened_at_ms=time.time_ns() // 1_000_000)
    settings = ReportSettings(address, Path(ca), Path(certificate), Path(key), longest_wait_s=1.0)
    reporter = Reporter(settings, "TG000001", outbox, GuardedClock(SystemClock(), None), connect, random.random)
    running = asyncio.create_task(reporter.run())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not stop.is_set():
        seq = outbox.put(make("device.back", time.time_ns() // 1_000_000, device="reader"))
        print(outbox.boot, seq, flush=True)
        await asyncio.sleep(0.01)
    done = await reporter.drained(60)
    running.cancel()
    outbox.close()
    sys.exit(0 if done else 1)

asyncio.run(main())
"""


class Line:
    """A child whose lines are collected as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, *command: str) -> "Line":
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        )

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.lines.append(line.decode())
                self._changed.set()

    async def grows(self, by: int) -> None:
        """Wait for some more lines."""
        wanted = len(self.lines) + by
        async with asyncio.timeout(PATIENCE_S):
            while len(self.lines) < wanted:
                self._changed.clear()
                await self._changed.wait()

    async def end(self, number: signal.Signals) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            assert self.process.stderr is not None
            words = (await self.process.stderr.read()).decode()
            await self._reading
            code = await self.process.wait()
        assert number is signal.SIGKILL or not words, words
        return code


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


async def start_agent(pki: Pki, folder: Path, address: str) -> Line:
    files = [str(path) for path in (pki.ca, pki.certificate("TG000001"), pki.key("TG000001"))]
    agent = await Line.start(sys.executable, "-c", AGENT, str(folder / "outbox.db"), address, *files)
    await agent.grows(1)
    return agent


async def start_watch(pki: Pki, address: str) -> Line:
    watch = await Line.start(
        sys.executable, "-m", "fleet_console.cli", "watch", "--json", "--broker", address, "--ca", str(pki.ca),
        "--certificate", str(pki.certificate("head-office")), "--key", str(pki.key("head-office")),
        "--terminals", str(pki.folder),
    )  # fmt: skip
    await watch.grows(1)
    return watch


def numbers(lines: list[str]) -> set[tuple[int, int]]:
    return {(int(boot), int(seq)) for boot, seq in (line.split() for line in lines)}


def shown(watch: Line) -> list[tuple[int, int]]:
    documents = [json.loads(line) for line in watch.lines]
    assert not [document for document in documents if document["event"] in ("refused", "unlinked", "gap")]
    reports = [document for document in documents if document["event"] == "report" and document["seq"]]  # no wills
    return [(document["boot"], document["seq"]) for document in reports]


@pytest.mark.parametrize("seed", [1, 2])
async def test_kill_9_of_anything_loses_nothing(seed: int, pki: Pki, tmp_path: Path) -> None:
    noise, port = random.Random(seed), free_port()
    address = f"127.0.0.1:{port}"
    put: set[tuple[int, int]] = set()
    watches: list[Line] = []
    async with contextlib.AsyncExitStack() as brokers:
        running = await brokers.enter_async_context(broker("mosquitto", pki, tmp_path, port))
        watches.append(await start_watch(pki, address))
        agent = await start_agent(pki, tmp_path, address)
        await watches[-1].grows(10)
        victims = ["agent", "broker", "watch"] * 2
        noise.shuffle(victims)
        for victim in victims:
            await agent.grows(noise.randrange(1, 20))
            if victim == "agent":
                await agent.end(signal.SIGKILL)
                put |= numbers(agent.lines)
                agent = await start_agent(pki, tmp_path, address)
            elif victim == "broker":
                assert running.pid is not None
                os.kill(running.pid, signal.SIGKILL)
                await agent.grows(noise.randrange(1, 20))
                running = await brokers.enter_async_context(broker("mosquitto", pki, tmp_path, port))
            else:
                await watches[-1].end(signal.SIGKILL)
                watches.append(await start_watch(pki, address))
            await watches[-1].grows(5)
        assert await agent.end(signal.SIGTERM) == 0
        put |= numbers(agent.lines)
        await until(lambda: put <= {number for watch in watches for number in shown(watch)})
        await watches[-1].end(signal.SIGKILL)
    for watch in watches:
        each = Counter(shown(watch))
        assert max(each.values()) == 1
    assert len(put) > 60


async def test_outage_of_the_broker_is_bridged_in_order(pki: Pki, tmp_path: Path) -> None:
    """Nothing is connected while the terminal writes; everything is shown once, in order, when the rest comes up."""
    port = free_port()
    agent = await start_agent(pki, tmp_path, f"127.0.0.1:{port}")
    await agent.grows(100)
    async with broker("mosquitto", pki, tmp_path, port) as running:
        watch = await start_watch(pki, running.address)
        await watch.grows(100)
        assert await agent.end(signal.SIGTERM) == 0
        wanted = sorted(numbers(agent.lines))
        await until(lambda: len(shown(watch)) >= len(wanted))
        assert await watch.end(signal.SIGTERM) == 0
    assert shown(watch) == wanted
