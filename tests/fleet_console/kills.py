# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kills from a seeded list, and what must hold after them: nothing lost, nothing twice, in order. Holds no test.

Each round tells a few reports of some terminals while one of broker, worker or terminals dies at a point of the list:
before or after spooling, sending, commit, acknowledgement, receipt, trimming. The dead come back, and the round ends
when every report has its receipt. At the very end each terminal's chain of hashes is followed through the store, from
its genesis to the hash that the terminal's own disk names as its last: a report that was lost would break it.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet_console.store.choose import open_store
from protocols.telemetry.envelope import decode, genesis, report_hash
from tests.fleet_console.estate import Estate, command, estate

TERMINALS = ("TG000001", "TG000002", "TG000003")
REPORTS = 4
ROUND_S = 60.0
INGEST_POINTS = ("commit", "acknowledge", "receipt", "answer")
FLEET_POINTS = ("spool", "send", "trim")


@dataclass(frozen=True, slots=True)
class Kill:
    """One entry of the list."""

    victim: str
    call: str
    when: str
    number: int


def listed(seed: int, count: int, commit: str = "commit") -> list[Kill]:
    """The list: every point in turn, the number of the call drawn; so that none is left out by chance."""
    chance = random.Random(seed)
    calls = [
        *(("worker", call, when) for call in INGEST_POINTS for when in ("before", "after")),
        *(("terminals", call, when) for call in FLEET_POINTS for when in ("before", "after")),
        *(("broker", call, when) for call in ("commit", "acknowledge", "send", "trim") for when in ("before", "after")),
    ]
    found = []
    while len(found) < count:
        chance.shuffle(calls)
        for victim, call, when in calls:
            point = commit if call == "commit" else call
            found.append(Kill(victim, point, when, chance.randint(1, 3 if victim != "terminals" else 8)))
    return found[:count]


@dataclass
class Scene:
    """What runs."""

    there: Estate
    settings: Path
    zygote: asyncio.subprocess.Process
    worker: int = 0
    happened: int = 0
    forgetful: set[int] = field(default_factory=set)
    """Boots during which the broker died: what it had not handed on came later, behind what came after it."""
    outputs: list[Path] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.there.folder / "said"

    async def start(self, role: str, words: list[str], kill: Kill | None) -> int:
        """Fork one; its process number."""
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        point = None
        if kill is not None:
            assert self.there.broker is not None
            point = [kill.call, kill.when, kill.number, self.there.broker.pid if kill.victim == "broker" else 0]
        order = {"role": role, "words": words, "out": str(self.out), "point": point}
        self.zygote.stdin.write(json.dumps(order).encode() + b"\n")
        return int(await self.zygote.stdout.readline())

    async def round(self, kill: Kill) -> None:
        """Tell some reports while somebody dies."""
        async with asyncio.timeout(ROUND_S):
            in_worker = kill.call in INGEST_POINTS or kill.call.startswith("commit")
            if in_worker and self.worker:
                await self.end(self.worker)
                self.worker = 0
            if not alive(self.worker):
                words = ["--settings", str(self.settings), "--json"]
                self.worker = await self.start("ingest", words, kill if in_worker else None)
            teller = await self.start("fleet", self.fleet_words(), None if in_worker else kill)
            killed = False
            while alive(teller):
                killed = await self.tend(killed)
                await asyncio.sleep(0.01)
            killed = await self.tend(killed)
            self.happened += killed or (kill.victim == "terminals")
            if kill.victim == "broker":
                self.forgetful |= boots(self.there.folder)

    async def tend(self, killed: bool) -> bool:
        """Whoever has died comes back; whether anybody had."""
        broker = self.there.broker
        assert broker is not None
        if not alive(broker.pid):
            await broker.stop()
            await self.there.start_broker()
            killed = True
        if not alive(self.worker):
            self.worker = await self.start("ingest", ["--settings", str(self.settings), "--json"], None)
            killed = True
        return killed

    def fleet_words(self) -> list[str]:
        """A life of the terminals."""
        folder = self.there.folder
        return [
            "--terminals", str(len(TERMINALS)), "--broker", f"127.0.0.1:{self.there.port}", "--pki", str(folder),
            "--receipt-key", str(folder / "receipt.pub"), "--reports", str(REPORTS), "--over", "0.05",
            "--spool", str(folder / "spool.db"), "--within", str(ROUND_S),
            "--overdue", "0.4", "--json",
        ]  # fmt: skip

    async def end(self, pid: int) -> None:
        """SIGTERM, and wait."""
        while alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            await asyncio.sleep(0.02)


def boots(folder: Path) -> set[int]:
    """The terminals' latest boots."""
    spool = sqlite3.connect(folder / "spool.db")
    found = {boot for (boot,) in spool.execute("SELECT boot FROM heads")}
    spool.close()
    return found


def alive(pid: int) -> bool:
    """Whether that process runs; a zombie does not."""
    try:
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@asynccontextmanager
async def scene(folder: Path, store: str) -> AsyncIterator[Scene]:
    """An estate in which things die."""
    async with estate(folder, *TERMINALS) as there:
        settings = there.settings(store)
        settings.write_text(settings.read_text().partition("[audit]")[0])
        await command("terminals", "import", "--certificates", folder, "--settings", settings)
        zygote = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("zygote.py")),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert zygote.stdout is not None
        assert await zygote.stdout.readline() == b"ready\n"
        made = Scene(there, settings, zygote)
        try:
            yield made
        finally:
            await made.end(made.worker)
            assert zygote.stdin is not None
            zygote.stdin.close()
            await zygote.wait()


async def faults(made: Scene, store: str) -> list[str]:
    """What does not hold: for each terminal the store against the terminal's own disk."""
    folder = made.there.folder
    spool = sqlite3.connect(folder / "spool.db")
    heads = dict(spool.execute("SELECT terminal, prev FROM heads").fetchall())
    left = spool.execute("SELECT count(*) FROM spool").fetchone()[0]
    spool.close()
    found = [f"{left} reports without a receipt"] if left else []
    database = await open_store(store if "://" in store else str(folder / store))
    try:
        for name in TERMINALS:
            rows: list[tuple[Any, ...]] = await database.read(
                "SELECT boot, seq, lane, number, octets FROM reports "
                "WHERE terminal = $1 AND seq > 0 ORDER BY boot, seq",
                name,
            )
            found += _faults_of(name, rows, heads[name], made.forgetful)
        shown = await database.read("SELECT count(*) FROM audit WHERE seq > 1")
        found += [f"{shown[0][0]} findings of stories that are sound"] if shown[0][0] else []
        dead = await database.read("SELECT reason, count(*) FROM dead_letters GROUP BY reason")
        found += [f"{count} dead letters: {reason}" for reason, count in dead]
    finally:
        await database.close()
    return found


def _faults_of(name: str, rows: list[tuple[Any, ...]], head: str, forgetful: set[int]) -> list[str]:
    found, prev = [], genesis(name)
    latest: dict[str, int] = {}
    for boot, seq, lane, number, octets in rows:
        report = decode(bytes(octets))
        if (report.boot, report.seq, report.terminal) != (boot, seq, name):
            found.append(f"{name}: row {boot}/{seq} is not the report of that number")
        if report.prev != prev:
            found.append(f"{name}: lost before {boot}/{seq}")
        prev = report_hash(bytes(octets))
        if number < latest.get(lane, 0) and boot not in forgetful:
            found.append(f"{name}: {boot}/{seq} was committed before an earlier one of its lane")
        latest[lane] = number
    if prev != head:
        found.append(f"{name}: the last report is lost")
    if len({(boot, seq) for boot, seq, *_ in rows}) != len(rows):
        found.append(f"{name}: a report stands twice")
    return found
