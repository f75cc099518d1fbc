# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A reporter in virtual time, with a broker and head office that do as a test says. Holds no test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from protocols.telemetry.batch import CONTEXT, Line, lines, read_batch
from protocols.telemetry.events import Event, Lane, make
from protocols.telemetry.receipt import Receipt, encode_receipt
from protocols.telemetry.seal import Signer
from protocols.telemetry.topics import read_report_topic, receipt_topic
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.port import Dialling, Incoming
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import ReportError, ReportSettings
from tests.protocols.telemetry.report_keys import private_pem, public, public_pem, signer
from tests.receipts import OFFICE, Committed
from tests.virtual_time import run

AT = 1_763_800_000_000
TERMINAL = "TG000001"
RECEIPT_S = 30.0


def event(number: int = 0) -> Event:
    return make("device.back", AT + number, device="reader")


def step(number: int = 0) -> Event:
    return make("payment.step", AT + number, payment="p", step="gpo", wire="reader", ms=number)


def alert(number: int = 0) -> Event:
    return make("device.lost", AT + number, device="reader", reason="gone")


class LoopClock:
    signed_ms: ClassVar[list[int]] = []

    @property
    def judged_ms(self) -> int:
        return self.now_ms()

    def signed(self, at_ms: int) -> None:
        self.signed_ms.append(at_ms)

    def now_ms(self) -> int:
        return AT + round(self.steady_ms())

    def steady_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000


@dataclass
class Wire:
    """A broker and head office behind it, one message after the other; a :class:`terminal_agent.report.port.Link`."""

    latency_s: float = 0.01
    octets_per_s: float = float("inf")
    gives: bool = True
    """Head office gives receipts."""
    swallows: Callable[[Line], bool] = lambda _: False
    """What is lost between broker and head office, once acknowledged."""
    code: int = 0
    session_present: bool = True
    receive_maximum: int = 100
    committed: Committed = field(default_factory=Committed)
    arrivals: list[tuple[float, Lane, tuple[int, ...]]] = field(default_factory=list)
    dialled: list[Dialling] = field(default_factory=list)
    most_on_their_way: int = 0
    _on_their_way: int = 0
    _free_at: float = 0.0
    _gone: "asyncio.Future[None] | None" = None

    @contextlib.asynccontextmanager
    async def connect(self, dialling: Dialling) -> AsyncIterator["Wire"]:
        self.dialled.append(dialling)
        self._gone = asyncio.get_running_loop().create_future()
        try:
            yield self
        finally:
            self._gone.cancel()

    def lose(self) -> None:
        """The connection ends without a word."""
        assert self._gone is not None
        self._gone.set_result(None)

    def post(self, topic: str, payload: bytes) -> "asyncio.Future[int]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int] = loop.create_future()
        self._on_their_way += 1
        self.most_on_their_way = max(self.most_on_their_way, self._on_their_way)
        self._free_at = max(loop.time(), self._free_at) + len(payload) / self.octets_per_s
        loop.call_at(self._free_at + self.latency_s, self._arrive, topic, payload, answer)
        return answer

    async def unless_gone(self, work: Awaitable[Any]) -> Any:
        task = asyncio.ensure_future(work)
        assert self._gone is not None
        either: set[asyncio.Future[Any]] = {task, self._gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ReportError("the connection ended")
        finally:
            task.cancel()

    def say(self, octets: bytes, *, retained: bool = False) -> None:
        """Head office speaks on the topic of receipts."""
        self.dialled[-1].take(Incoming(receipt_topic(TERMINAL), octets, retained))

    def give(self, found: Receipt, by: Signer | None = None, *, retained: bool = False) -> None:
        """Head office gives a receipt."""
        self.say(encode_receipt(found, by or signer(OFFICE, ed25519=True)), retained=retained)

    def _arrive(self, topic: str, payload: bytes, answer: "asyncio.Future[int]") -> None:
        self._on_their_way -= 1
        if answer.cancelled() or self._gone is None or self._gone.done():
            return
        answer.set_result(self.code)
        if self.code:
            return
        terminal, lane = read_report_topic(topic)
        sealed = read_batch(payload)
        assert public("t").signed(sealed, CONTEXT)
        found = tuple(line for line in lines(sealed) if not self.swallows(line))
        self.arrivals.append((asyncio.get_running_loop().time(), lane, tuple(line.report.seq for line in found)))
        self.committed.commit(found)
        if found and self.gives:
            receipt = self.committed.receipt(terminal, found[0].report.boot)
            asyncio.get_running_loop().call_later(self.latency_s, self.give, receipt)


@dataclass
class Bench:
    """A reporter with its outbox, and the wire."""

    outbox: Outbox
    reporter: Reporter
    wire: Wire
    doubts: list[str]

    def put(self, *events: Event) -> None:
        for one in events:
            self.outbox.put(one)

    async def done(self, within_s: float = 10.0) -> None:
        """Everything has its receipt."""
        async with asyncio.timeout(within_s):
            while self.outbox.waiting:
                await asyncio.sleep(0.05)


def bench(folder: Path, wire: Wire, work: Callable[[Bench], Coroutine[Any, Any, None]], **more: Any) -> None:
    """Run ``work`` with a reporter in virtual time."""
    (folder / "t.key").write_bytes(private_pem("t"))
    (folder / "receipts.pem").write_bytes(public_pem(OFFICE, ed25519=True))
    more = {"receipt_key": folder / "receipts.pem", "longest_wait_s": 1.0, "receipt_s": RECEIPT_S} | more
    settings = ReportSettings("127.0.0.1:1", folder / "ca", folder / "t.pem", folder / "t.key", **more)

    async def main() -> None:
        outbox = Outbox.open(
            folder / "outbox.db", TERMINAL, opened_at_ms=AT, bounds=settings.lanes,
            receipts=settings.receipt_key is not None,
        )  # fmt: skip
        reporter = Reporter(settings, TERMINAL, outbox, LoopClock(), wire.connect, lambda: 0.5)
        here = Bench(outbox, reporter, wire, [])
        reporter.on_doubt = here.doubts.append
        task = asyncio.create_task(reporter.run())
        try:
            await asyncio.sleep(0.01)
            await work(here)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            outbox.close()

    run(main())
