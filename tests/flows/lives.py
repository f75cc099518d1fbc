# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One agent after the other in one shop, each as long as it lives, and a cashier who keeps starting payments."""

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from device_profiles.twins.acquirer_script import Fault
from terminal_agent.processes.workers import GONE
from tests.flows.mortal import POINTS, TORN, WHEN, Death
from tests.flows.shop import Shop, once
from tests.flows.stage import TERMINAL

ROOT = Path(__file__).resolve().parents[2]
OFTEN = ("audit.append", "outbox.put")  # passed at every step of a payment, so a later passing may be meant
FAULTS = (Fault.LOSE, Fault.DROP, Fault.LATE, Fault.DUPLICATE, Fault.WRONG_MAC, Fault.GARBAGE, Fault.HANG_UP)


@contextlib.asynccontextmanager
async def living(shop: Shop, cradle: "Cradle", *, hasty: bool = True) -> AsyncIterator["Agent"]:
    """One agent that is to live through the block, with its devices; stopped cleanly at its end."""
    pid = await cradle.bear(shop.folder / "terminal.toml", hasty=hasty)
    agent = await Agent.meet(pid, shop.folder / "agent.sock")
    try:
        await agent.has_devices()
        yield agent
    finally:
        await agent.leave()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        status = await cradle.ended()
    assert status == 0, f"the agent ended with {status}"


class Died(Exception):
    """The agent is gone."""


class Cradle:
    """The process that forks agents."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.flows.mortal",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def bear(self, profile: Path, death: Death | None = None, *, hasty: bool = True) -> int:
        """A new agent; its process number. A hasty one has short pauses between attempts at anything."""
        order: dict[str, Any] = {"profile": str(profile), "printed": str(profile.parent / "agent.printed")}
        order |= {"hasty": hasty, "death": death.line() if death else None}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return int((await self._said())["pid"])

    async def ended(self) -> int:
        """How it ended, as wait(2) says."""
        return int((await self._said())["ended"])

    async def _said(self) -> dict[str, int]:
        assert self._process.stdout is not None
        said: dict[str, int] = json.loads(await self._process.stdout.readline())
        return said


class Agent:
    """One life, as the cashier sees it over the local socket."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self._reader = reader
        self._writer = writer
        self._number = 0
        self.events: list[dict[str, Any]] = []

    @classmethod
    async def meet(cls, pid: int, path: Path) -> "Agent":
        """Connect as soon as it listens; raises :class:`Died` where it does not live so long."""
        while True:
            try:
                agent = cls(pid, *await asyncio.open_unix_connection(path))
                await agent.call("events.subscribe")
                return agent
            except (OSError, Died):
                _alive(pid)
                await asyncio.sleep(0.003)

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """One call's document, with ``result`` or ``error``."""
        self._number += 1
        request = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self._writer.write(json.dumps(request).encode() + b"\n")
        while (document := await self._read()).get("method") == "event":
            self.events.append(document["params"])
        return document

    async def event(self) -> dict[str, Any]:
        """The next event."""
        if self.events:
            return self.events.pop(0)
        params: dict[str, Any] = (await self._read())["params"]
        return params

    async def has_devices(self) -> None:
        """Wait until reader and pad are open."""
        while not all([await self.has(name) for name in ("reader", "pad")]):
            await asyncio.sleep(0.005)

    async def has(self, part: str) -> bool:
        """Whether a part is up, as ``terminal-agent status`` has it."""
        answer = await self.call("system.hello")
        return bool(answer["result"]["parts"][part]["up"])

    async def begins(self, amount: int) -> str:
        """A payment is started; its identifier."""
        answer = await self.call("payment.start", amount=amount, currency="EUR")
        return str(answer["result"]["payment"])

    async def until(self, name: str, **fields: object) -> dict[str, Any]:
        """The next event of that name with these fields."""
        while True:
            event = await self.event()
            if event["name"] == name and fields.items() <= event["fields"].items():
                found: dict[str, Any] = event["fields"]
                return found

    async def pays(self, amount: int = 4200) -> dict[str, Any]:
        """A whole payment; the fields of its end."""
        return await self.until("payment.finished", payment=await self.begins(amount))

    async def leave(self) -> None:
        """Hang up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> dict[str, Any]:
        try:
            line = await self._reader.readline()
        except OSError:
            line = b""
        if not line:
            raise Died
        document: dict[str, Any] = json.loads(line)
        return document


def _alive(pid: int) -> None:
    try:
        with Path(f"/proc/{pid}/stat").open() as file:
            if file.read().rpartition(")")[2].split()[0] != "Z":
                return
    except OSError:
        pass
    raise Died


class Run:
    """Payments, faults and deaths drawn from one seed."""

    def __init__(self, shop: Shop, cradle: Cradle, seed: int) -> None:
        self.shop = shop
        self.cradle = cradle
        self.dice = random.Random(seed)
        self.told: dict[str, dict[str, Any]] = {}
        self.begun = 0
        self.killed = 0
        self.in_payment = 0
        self.workers_lost = 0
        self.refused = 0
        self.full = 0

    async def until(self, payments: int) -> None:
        """Lives until so many payments were begun and enough of them hit; the last one brings everything to its end.

        Which death comes in time depends on the machine too, so a lucky run goes on, to twice the payments at most.
        """
        while self.begun < payments or (not self.hit_enough and self.begun < 2 * payments):
            await self._life(self._death(), max(payments, self.begun + 1))
        for _ in range(20):
            self.shop.bank.misbehave()
            if await self._last_life():
                return
        raise AssertionError("what is owed is not settled")

    @property
    def hit_enough(self) -> bool:
        """Whether a quarter of the payments lost its agent or its worker, and each of the two a fortieth."""
        several = min(self.in_payment, self.workers_lost) > self.begun / 40
        return several and self.in_payment + self.workers_lost > self.begun / 4

    async def _life(self, death: Death | None, payments: int) -> None:
        pid = await self.cradle.bear(self.shop.folder / "terminal.toml", death)
        try:
            agent = await Agent.meet(pid, self.shop.folder / "agent.sock")
            try:
                if self.dice.random() < 0.9:  # else the first payment finds no reader yet, and says so
                    await agent.has_devices()
                for _ in range(self.dice.randrange(1, 4)):
                    if self.begun >= payments:
                        break
                    await self._payment(agent)
            finally:
                await agent.leave()
            how = self.dice.choice((signal.SIGTERM, signal.SIGKILL))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        except Died:
            self.in_payment += 1
        status = await self.cradle.ended()
        self.killed += os.WIFSIGNALED(status)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the agent ended with {status}"

    async def _payment(self, agent: Agent) -> None:
        rules = [once(self.dice.choice(FAULTS), "0100")] if self.dice.random() < 0.25 else []
        rules += [once(self.dice.choice(FAULTS), "0400")] if self.dice.random() < 0.1 else []
        self.shop.bank.misbehave(*rules)
        answer = await agent.call("payment.start", amount=self.dice.randrange(100, 5000), currency="EUR")
        if "error" in answer:  # the disk is full, or was a moment ago
            self.refused += 1
            await asyncio.sleep(0.05)
            return
        payment = answer["result"]["payment"]
        self.begun += 1
        self.told[payment] = {}
        room = self._take_room(agent.pid) if self.dice.random() < 0.1 else False
        kill_after = self.dice.uniform(0, 0.1) if self.dice.random() < 0.1 else None
        if kill_after is not None:
            asyncio.get_running_loop().call_later(kill_after, _kill, agent.pid)
        while True:
            event = await agent.event()
            if event["name"] == "payment.finished" and event["fields"]["payment"] == payment:
                break
        self.told[payment] = event["fields"]
        self.workers_lost += event["fields"].get("reason") == GONE
        if kill_after is not None:
            await asyncio.sleep(kill_after)
        if room:
            _give_room(agent.pid)

    def _take_room(self, pid: int) -> bool:
        """No file of the agent may grow much beyond one of them: a full disk, as most of its writes see it."""
        sizes = sorted(path.stat().st_size for path in self.shop.state.iterdir())
        self.full += 1
        return _limit(pid, self.dice.choice(sizes) + self.dice.randrange(0, 4000))

    def _death(self) -> Death | None:
        if self.dice.random() < 0.15:
            return None
        point = self.dice.choice(tuple(POINTS))
        when = self.dice.choice((*WHEN, TORN) if point == "audit.append" else WHEN)
        return Death(point, when, self.dice.randrange(1, 40 if point in OFTEN else 3))

    async def _last_life(self) -> bool:
        """An agent that nothing happens to, until nothing is owed any more; False where that takes too long."""
        pid = await self.cradle.bear(self.shop.folder / "terminal.toml", None)
        agent = await Agent.meet(pid, self.shop.folder / "agent.sock")
        done = await settled(self.shop, 5.0)
        await agent.leave()
        os.kill(pid, signal.SIGTERM)
        assert await self.cradle.ended() == 0
        return done


async def settled(shop: Shop, within_s: float) -> bool:
    """Wait until the audit log tells of no reversal that is owed without its end."""
    for _ in range(round(within_s / 0.05)):
        names: dict[str, set[str]] = {"reversal.owed": set(), "reversal.settled": set()}
        for line in (shop.state / f"{TERMINAL}.audit.jsonl").read_bytes().splitlines():
            with contextlib.suppress(ValueError):  # a line that is being written
                record = json.loads(line)
                if record["name"] in names:
                    names[record["name"]].add(record["fields"]["reference"])
        if names["reversal.owed"] <= names["reversal.settled"]:
            return True
        await asyncio.sleep(0.05)
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _limit(pid: int, octets: int) -> bool:
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))
    except ProcessLookupError:
        return False
    return True


def _give_room(pid: int) -> None:
    _limit(pid, resource.RLIM_INFINITY)
