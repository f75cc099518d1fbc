# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A disk that is full: payments stop with words before anything is half written, and go on when there is room.

Once with every single write of a payment as the first that fails, in virtual time; then over the real agent, whose
files the kernel keeps from growing (RLIMIT_FSIZE), which needs no rights and no file system of its own.
"""

import asyncio
import contextlib
import errno
import json
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles.twins.acquirer_script import Fault
from protocols.telemetry.events import Event
from scripts.lib.stations import command
from terminal_agent import audit
from terminal_agent.errors import AgentError
from tests.flows.lives import Cradle, living, settled
from tests.flows.reckoning import audit_events, reckon
from tests.flows.shop import Shop, once
from tests.flows.terminal import Terminal
from tests.patience import PATIENCE_S
from tests.virtual_time import run


class Disk:
    """Counts what a terminal writes; from a chosen write on, or for that one alone, it takes nothing more."""

    def __init__(self, terminal: Terminal, patch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.full_from = 1_000_000
        self.for_one = False
        self.refused = 0
        file, outbox = terminal.journal._file, terminal.outbox
        in_words = lambda: file.in_words("written")  # noqa: E731
        patch.setattr(file, "transaction", self._before(file.transaction, in_words))
        patch.setattr(outbox, "_transaction", self._before(outbox._transaction, contextlib.nullcontext))
        write = os.write

        def counted(descriptor: int, octets: bytes) -> int:
            if self._takes():
                return write(descriptor, octets)
            if len(octets) > 40 and not self.for_one:
                write(descriptor, octets[:40])  # the beginning found room
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(audit.os, "write", counted)

    def _takes(self) -> bool:
        self.writes += 1
        full = self.writes == self.full_from if self.for_one else self.writes >= self.full_from
        self.refused += full
        return not full

    def _before(self, transaction: Callable[[], Any], in_words: Callable[[], Any]) -> Callable[[], Any]:
        @contextlib.contextmanager
        def counted() -> Iterator[None]:
            if not self._takes():
                fault = sqlite3.OperationalError("database or disk is full")
                fault.sqlite_errorname = "SQLITE_FULL"
                with in_words():
                    raise fault
            with transaction():
                yield

        return counted


@pytest.mark.parametrize("for_one", [False, True], ids=["from-then-on", "that-one"])
@pytest.mark.parametrize("bank", ["well", "silent"])
def test_whichever_write_is_the_first_that_fails(bank: str, for_one: bool, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    seen: dict[str, int] = {"refused": 0, "approved": 0, "failed": 0, "unwritten": 0}

    async def one_payment(terminal: Terminal, disk: Disk, heard: list[Event]) -> dict[str, Any]:
        try:
            fields = await terminal.pay()
        except AgentError as fault:
            assert fault.what
            assert fault.hint
            if terminal.till.current is None or terminal.till.current.over is False or not heard:
                seen["refused"] += 1
            else:
                seen["unwritten"] += 1
            return {}
        seen[fields["outcome"]] += 1
        return fields

    async def every_write() -> None:
        told: dict[str, dict[str, Any]] = {}
        with pytest.MonkeyPatch.context() as patch:
            terminal = Terminal(shop, shop.state)
            disk = Disk(terminal, patch)
            heard: list[Event] = []
            terminal.recorder.listen(heard.append)
            async with terminal.running():
                write = 0
                while True:
                    write += 1
                    heard.clear()
                    if bank == "silent":
                        shop.bank.misbehave(once(Fault.DROP, "0100"))
                    disk.refused, disk.for_one, disk.full_from = 0, for_one, disk.writes + write
                    fields = await one_payment(terminal, disk, heard)
                    if fields:
                        told[fields["payment"]] = fields
                        ends = [event for event in heard if event.name == "payment.finished"]
                        assert [dict(event.fields) for event in ends] == [fields], "the cashier hears the end, once"
                    over = not disk.refused
                    disk.full_from = 1_000_000
                    shop.bank.misbehave()
                    await asyncio.sleep(3)
                    await terminal.settled()
                    again = await terminal.pay(1000)
                    told[again["payment"]] = again
                    assert again["outcome"] == "approved", (write, again)
                    if over:
                        break
        found = reckon(shop, told)
        assert found.unmatched == []
        assert found.payments >= 2 * write - seen["refused"] - 1

    run(every_write())
    assert seen["refused"] >= 1
    assert seen["failed"] + seen["unwritten"] > 10


def limit(pid: int, octets: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))


async def cashier(shop: Shop, amount: str = "42.00") -> tuple[int, str, str]:
    """`terminal-agent pay`: its exit code, what it answered and what it said."""
    process = await asyncio.create_subprocess_exec(
        command("terminal-agent"), "pay", "--amount", amount, "--currency", "EUR", "--json",
        "--socket", str(shop.folder / "agent.sock"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await process.communicate()
    return process.returncode or 0, out.decode(), said.decode()


async def test_payments_stop_with_words_and_go_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open(), Cradle.open() as cradle, living(shop, cradle) as agent:
        assert (await cashier(shop))[0] == 0
        heard = len(shop.bank.heard)
        cards = len(shop.card.given)
        limit(agent.pid, 0)
        for _ in range(2):
            code, answered, said = await cashier(shop)
            fault = json.loads(answered.splitlines()[-1])
            assert (code, fault["exit"]) == (1, 1)
            assert str(shop.state) in fault["error"]
            assert "payments stop" in fault["hint"]
            assert said.startswith("terminal-agent: error: ")
        assert len(shop.bank.heard) == heard, "nothing was sent"
        assert len(shop.card.given) == cards, "no card was asked"
        limit(agent.pid, resource.RLIM_INFINITY)
        await agent.until("payments.resumed")
        code, answered, said = await cashier(shop)
        assert (code, json.loads(answered.splitlines()[-1])["fields"]["outcome"]) == (0, "approved"), said
        assert await settled(shop, PATIENCE_S)
    names = [event["name"] for event in audit_events(shop.state)]
    assert names.count("payments.stopped") == names.count("payments.resumed") == 1
    assert reckon(shop, {}).unmatched == []


async def test_full_after_the_approval_it_stands_or_is_taken_back_and_the_cashier_is_told_which(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    told: dict[str, dict[str, Any]] = {}
    async with shop.open(), Cradle.open() as cradle, living(shop, cradle) as agent:
        for _ in range(6):
            payment = await agent.begins(4200)
            await agent.until("payment.step", payment=payment, step="request")
            limit(agent.pid, (shop.state / "TG000001.audit.jsonl").stat().st_size)
            told[payment] = await agent.until("payment.finished", payment=payment)
            limit(agent.pid, resource.RLIM_INFINITY)
            while "error" in await agent.call("payment.start", amount=1000, currency="EUR"):
                await asyncio.sleep(0.02)
            await agent.until("payment.finished", amount=1000)
        assert await settled(shop, PATIENCE_S)
    assert reckon(shop, told).unmatched == []
