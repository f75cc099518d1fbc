# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kills from a seeded list, and what must hold after them: nothing lost, nothing twice, in order. Holds no test.

Each round tells a few reports of some terminals while one dies: broker, worker, console, the terminals of a simulated
fleet, or the reporter of a real agent. It dies before or after one of these calls, wherever that is made: spool, send
and trim at the terminals or the agent; commit and acknowledge, receipt and answer in the worker; the commit of an order
at the console. The dead come back, and the round ends when every report has its receipt. At the very end each
terminal's chain of hashes is followed through the store, from its genesis to the hash that the terminal's own disk
names as its last: a report that was lost would break it. The orders of a terminal are numbered without a gap, and the
audit chain tells of each of them.
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleet_console.office_audit import CHAIN
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from protocols.audit_chain import verify
from protocols.telemetry.envelope import decode, genesis, report_hash
from tests.fleet_console.estate import Estate, command, estate
from tests.fleet_console.kill_agent import AGENT, OUTBOX
from tests.fleet_console.test_orders import people

TERMINALS = ("TG000001", "TG000002", "TG000003")
REPORTS = 4
ROUND_S = 60.0
IN_WORKER = ("commit", "acknowledge", "receipt", "answer")
AT_TERMINALS = ("spool", "send", "trim")
ORDER = "order"
VICTIMS = ("broker", "worker", "console", "terminals", "agent")
HIGHEST = {"terminals": 6, "agent spool": 4, "agent send": 1, "agent trim": 1}
"""The highest number of a call that surely happens in a round; 3 where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One entry of the list: who dies, and before or after the how manieth of which call."""

    victim: str
    call: str
    when: str
    number: int

    @property
    def caller(self) -> str:
        """Whose call it is."""
        if self.call == ORDER:
            return "console"
        if self.call in IN_WORKER:
            return "worker"
        return "agent" if self.victim == "agent" else "terminals"


def points() -> list[tuple[str, str, str]]:
    """Victim, call, before or after: each of the five everywhere, and what only worker and console do."""
    calls = [(victim, call) for victim in VICTIMS for call in ("commit", "acknowledge", *AT_TERMINALS)]
    calls += [("worker", "receipt"), ("worker", "answer"), ("console", ORDER)]
    return [(victim, call, when) for victim, call in calls for when in ("before", "after")]


def listed(seed: int, count: int) -> list[Kill]:
    """The list: every point in turn, the number of the call drawn; so that none is left out by chance."""
    chance = random.Random(seed)
    found: list[Kill] = []
    while len(found) < count:
        for victim, call, when in chance.sample(points(), len(points())):
            one = Kill(victim, call, when, 1)
            highest = HIGHEST.get(f"{one.caller} {call}") or HIGHEST.get(victim, 3)
            found.append(replace(one, number=chance.randint(1, highest if one.caller != "worker" else 3)))
    return found[:count]


@dataclass
class Scene:
    """What runs."""

    there: Estate
    settings: Path
    store: str
    zygote: asyncio.subprocess.Process
    worker: int = 0
    happened: int = 0
    joined: int = 0
    """How often a worker must have connected before the next round: a new broker keeps nothing for it until then."""
    broke: bool = False
    """Whether the broker has died in this round: a point that was not reached in one may be in the next."""
    forgetful: set[int] = field(default_factory=set)
    """Boots during which the broker died: what it had not handed on came later, behind what came after it."""

    async def start(self, role: str, words: list[str], kill: Kill | None = None, victim: int = 0) -> int:
        """Fork one; its process number. ``victim`` is who dies at the kill's point, 0 itself."""
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        point = None
        if kill is not None:
            call = f"agent {kill.call}" if role == "agent" else kill.call
            if "://" in self.store and kill.call in ("commit", ORDER):
                call += " to PostgreSQL"
            point = [call, kill.when, kill.number, victim]
        out = self.there.folder / f"said-{role}"
        order = {"role": role, "words": words, "out": str(out), "point": point}
        self.zygote.stdin.write(json.dumps(order).encode() + b"\n")
        return int(await self.zygote.stdout.readline())

    async def round(self, kill: Kill) -> None:
        """Tell some reports while somebody dies."""
        try:
            async with asyncio.timeout(ROUND_S):
                await self._round(kill)
        except TimeoutError:
            raise AssertionError(f"{kill}: no end within {ROUND_S:g} s; {self.last_words()}") from None

    async def _round(self, kill: Kill) -> None:
        broker = self.there.broker
        assert broker is not None
        pids = {"broker": broker.pid}
        if kill.caller == "worker":
            await self.end(self.worker)
        elif not alive(self.worker):
            self.worker = await self.start_worker()
        if kill.victim == "console":
            own = kill if kill.caller == "console" else None
            pids["console"] = await self.start("console", self.console_words(), own)
        told = "agent" if kill.victim == "agent" else "terminals"
        before, waited = self.ends(told), boots(self.there.folder)
        if kill.caller == "worker":
            if kill.victim == told:
                pids[told] = teller = await self.start_teller(told)
            self.worker = await self.start_worker(kill, 0 if kill.victim == "worker" else pids[kill.victim])
            if kill.victim != told:
                teller = await self.start_teller(told)
        else:
            pids["worker"] = self.worker
            armed = kill if kill.caller == told else None
            teller = await self.start_teller(told, armed, 0 if kill.victim == told else pids[kill.victim])
        killed = False
        while alive(teller):
            killed = await self.tend(killed)
            await asyncio.sleep(0.01)
        killed = await self.tend(killed)
        await self.worker_joined()
        if kill.victim == told:
            killed = self.ends(told) == before
        elif kill.victim == "console":
            killed = not alive(pids["console"])
            await self.end(pids["console"])
        self.happened += killed
        if self.broke:
            self.forgetful |= waited | boots(self.there.folder)
            self.broke = False

    async def tend(self, killed: bool) -> bool:
        """Whoever has died comes back; whether anybody had."""
        broker = self.there.broker
        assert broker is not None
        if not alive(broker.pid):
            await broker.stop()
            self.broke = True
            self.joined = self.said("ingest", b'"event":"connected"') + 1
            await self.there.start_broker()
            killed = True
        if not alive(self.worker):
            self.worker = await self.start_worker()
            killed = True
        return killed

    async def worker_joined(self) -> None:
        """Wait until the broker keeps for the worker what comes while it is away."""
        while self.said("ingest", b'"event":"connected"') < self.joined:
            await self.tend(killed=False)
            await asyncio.sleep(0.01)

    async def start_worker(self, kill: Kill | None = None, victim: int = 0) -> int:
        """An ingest."""
        return await self.start("ingest", ["--settings", str(self.settings), "--json"], kill, victim)

    async def start_teller(self, role: str, kill: Kill | None = None, victim: int = 0) -> int:
        """A life of the terminals, or of the agent."""
        folder, port = self.there.folder, self.there.port
        if role == "agent":
            return await self.start("agent", [str(folder), str(port), str(ROUND_S)], kill, victim)
        words = [
            "--terminals", str(len(TERMINALS)), "--broker", f"127.0.0.1:{port}", "--pki", str(folder),
            "--receipt-key", str(folder / "receipt.pub"), "--reports", str(REPORTS), "--over", "0.05",
            "--spool", str(folder / "spool.db"), "--within", str(ROUND_S),
            "--overdue", "0.4", "--json",
        ]  # fmt: skip
        return await self.start("fleet", words, kill, victim)

    def console_words(self) -> list[str]:
        """What a person gives with an order."""
        key = self.there.folder / "Ada.key"
        return ["--terminal", TERMINALS[0], "--key", str(key), "--settings", str(self.settings), "--json"]

    def ends(self, told: str) -> int:
        """How many lives of the tellers have come to a good end."""
        return self.said("agent" if told == "agent" else "fleet", b'"done"')

    def said(self, role: str, words: bytes) -> int:
        """How often a role has said that."""
        said = self.there.folder / f"said-{role}"
        return said.read_bytes().count(words) if said.exists() else 0

    def last_words(self) -> str:
        """What each role said last."""
        said = sorted(self.there.folder.glob("said-*"))
        return "; ".join(f"{one.name}: {one.read_bytes()[-200:]!r}" for one in said)

    async def end(self, pid: int) -> None:
        """SIGTERM, and wait."""
        while alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            await asyncio.sleep(0.02)


def boots(folder: Path) -> set[int]:
    """The boots of terminals and agent that have something to tell: the latest, and those whose reports wait still."""
    found: set[int] = set()
    told = (("spool.db", "SELECT boot FROM heads"), (OUTBOX, "SELECT boot FROM story"))
    for file, statement in (*told, *((file, "SELECT boot FROM spool") for file, _ in told)):
        if (folder / file).exists():
            with contextlib.closing(sqlite3.connect(folder / file)) as spool:
                found |= {boot for (boot,) in spool.execute(statement)}
    return found


def alive(pid: int) -> bool:
    """Whether that process runs; a zombie does not."""
    try:
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@asynccontextmanager
async def scene(folder: Path, store: str) -> AsyncIterator[Scene]:
    """An estate in which things die; at its end everybody has told everything."""
    people(folder)
    async with estate(folder, *TERMINALS, AGENT) as there:
        settings = there.settings(store)
        settings.write_text(settings.read_text().partition("[audit]")[0])
        await command("terminals", "import", "--certificates", folder, "--settings", settings)
        zygote = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("zygote.py")),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert zygote.stdout is not None
        assert await zygote.stdout.readline() == b"ready\n"
        made = Scene(there, settings, store, zygote, joined=1)
        try:
            made.worker = await made.start_worker()
            await made.worker_joined()
            yield made
            for told in ("terminals", "agent"):
                await made.tend(killed=False)
                teller = await made.start_teller(told)
                async with asyncio.timeout(ROUND_S):
                    while alive(teller):
                        await asyncio.sleep(0.02)
        finally:
            await made.end(made.worker)
            assert zygote.stdin is not None
            zygote.stdin.close()
            await zygote.wait()


async def faults(made: Scene) -> list[str]:
    """What does not hold: for each terminal the store against the terminal's own disk; orders against the audit."""
    folder, store = made.there.folder, made.store
    with contextlib.closing(sqlite3.connect(folder / "spool.db")) as spool:
        heads = dict(spool.execute("SELECT terminal, prev FROM heads").fetchall())
        left = spool.execute("SELECT count(*) FROM spool").fetchone()[0]
    with contextlib.closing(sqlite3.connect(folder / OUTBOX)) as outbox:
        heads[AGENT] = outbox.execute("SELECT prev FROM story").fetchone()[0]
        left += outbox.execute("SELECT count(*) FROM spool").fetchone()[0]
    found = [f"{left} reports without a receipt"] if left else []
    database = await open_store(store if "://" in store else str(folder / store))
    try:
        for name in (*TERMINALS, AGENT):
            rows: list[tuple[Any, ...]] = await database.read(
                "SELECT boot, seq, lane, number, octets FROM reports "
                "WHERE terminal = $1 AND seq > 0 ORDER BY boot, seq",
                name,
            )
            found += _faults_of(name, rows, heads[name], made.forgetful)
        found += await _faults_of_orders(database)
        dead = await database.read("SELECT reason, count(*) FROM dead_letters GROUP BY reason")
        found += [f"{count} dead letters: {reason}" for reason, count in dead]
    finally:
        await database.close()
    return found


async def _faults_of_orders(database: Database) -> list[str]:
    """Orders are numbered without a gap, each is told of by the audit chain, which is whole; nothing else is told."""
    orders = await database.read("SELECT sequence, id FROM orders ORDER BY sequence")
    lines = [bytes(line) for (line,) in await database.read("SELECT line FROM audit ORDER BY seq")]
    records = verify(CHAIN, lines).records
    given = [json.loads(line)["fields"]["order"] for line in lines if json.loads(line)["name"] == "order.given"]
    found = [] if records == len(lines) else ["the audit chain is not whole"]
    if [sequence for sequence, _ in orders] != list(range(1, len(orders) + 1)):
        found.append("the orders' numbers have gaps")
    if [order for _, order in orders] != given:
        found.append(f"{len(orders)} orders, and the audit chain tells of {len(given)}")
    if len(given) + 1 != len(lines):
        found.append(f"{len(lines) - 1 - len(given)} findings of stories that are sound")
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
