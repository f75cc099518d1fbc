# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A whole terminal as a target, every part a process: somebody with root's rights looks into its memory."""

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from scripts.lib.stations import Station
from tests.flows.memories import Process, held, processes
from tests.flows.stage import TERMINAL, Stage
from tests.flows.vault_stage import VaultStage
from tests.growing import records
from tests.secrets.planted import PAN
from tests.secrets.scanner import Marked
from tests.terminal_agent.wardens import STICK, Shop

SOFT = Path(__file__).parent / "soft" / "terminal.py"
NEXT_WORKER_S = 60.0  # on a machine that does much else
ACCOUNT = (Marked.digits("PAN", PAN),)
_SEIZE, _DETACH, _INTERRUPT = 0x4206, 17, 0x4207  # ptrace(2)
_WALL = 0x40000000  # waitpid(2)


class SoftStage(Stage):
    """A terminal without workers."""

    def agent(self) -> Station:
        """As a program of the tests'."""
        root = SOFT.parents[3]
        argv = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); "
                "from tests.attacks.soft.terminal import serve_without_workers; sys.exit(serve_without_workers())",
                str(self.profile())]  # fmt: skip
        station = Station("agent", argv, self._keep)
        self.stations["agent"] = station
        station.wait_ready()
        return station


class TillTarget:
    """One terminal that takes payments. ``beside``: processes of it that the agent has not started."""

    def __init__(self, stage: Stage, *beside: Process) -> None:
        self.stage = stage
        self._beside = beside

    @property
    def processes(self) -> list[Process]:
        """The agent, whatever it has started, and what runs beside it."""
        return [*processes(self.stage.stations["agent"].process.pid), *self._beside]

    async def pay(self) -> str:
        """A payment's outcome."""
        return str((await asyncio.to_thread(self.stage.pay))["outcome"])

    async def honest(self) -> bool:
        """Whether a customer can pay. Where workers make payments, the next one is there afterwards."""
        before = self._workers()
        paid = await self.pay() == "approved"
        async with asyncio.timeout(NEXT_WORKER_S):
            while before and not self._workers() - before:
                await asyncio.sleep(0.01)
        return paid

    def _workers(self) -> set[int]:
        return {process.pid for process in self.processes if process.name == "worker"}

    def alerts(self) -> Sequence[str]:
        """The names in the audit log, which head office gets."""
        log = self.stage.folder / "state" / f"{TERMINAL}.audit.jsonl"
        return [str(record["name"]) for record in records(log)]

    def found(self) -> list[str]:
        """In which of its processes a scan finds the account number."""
        names = []
        for process in self.processes:
            with contextlib.suppress(OSError):
                if held(process.memory(), ACCOUNT):
                    names.append(process.name)
        return names


class Debugger:
    """Attached to a process for a ``with``: it stays there while that process works."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._library = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> "Debugger":
        self._trace(_SEIZE)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._trace(_INTERRUPT)
            os.waitpid(self._pid, _WALL)
            self._trace(_DETACH)

    def _trace(self, request: int) -> None:
        words = [ctypes.c_long(word) for word in (request, self._pid, 0, 0)]
        if self._library.ptrace(*words) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")


@asynccontextmanager
async def till(folder: Path) -> AsyncIterator[TillTarget]:
    """A terminal with everything that it can have, for a ``with``: workers, a vault, a warden."""
    (folder / "w").mkdir()
    ports = Shop(folder / "w")
    ports.plug("1-1", STICK)
    with contextlib.closing(ports), VaultStage(folder, warden=folder / "w" / "sock") as stage:
        await asyncio.to_thread(_open, ports, stage)
        assert ports.process is not None
        yield TillTarget(stage, Process("warden", ports.process.pid))


def _open(ports: Shop, stage: VaultStage) -> None:
    ports.start()
    stage.load()
    stage.reader()
    stage.keypad()
    stage.acquirer()
    stage.broker()
    stage.agent()


@asynccontextmanager
async def soft_till(folder: Path) -> AsyncIterator[TillTarget]:
    """A terminal without workers, for a ``with``."""
    with SoftStage(folder) as stage:
        await asyncio.to_thread(stage.everything)
        yield TillTarget(stage)
