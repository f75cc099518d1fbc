# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal without a process: the agent's drivers, flows, journal and log over lines in memory, for virtual time.

The far ends are those of :mod:`tests.flows.shop`; a cable can be pulled at a chosen turn of its line. Tests nothing.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device_profiles import catalog
from protocols.acquirer.dialects import DIALECTS
from protocols.currency import BY_ALPHA
from terminal_agent.audit import AuditLog
from terminal_agent.card.port import CardReader
from terminal_agent.card.serial import open_reader
from terminal_agent.emv import EmvTerminal
from terminal_agent.emv.terminal import Combination
from terminal_agent.flows.acquiring import Acquiring
from terminal_agent.flows.books import Books
from terminal_agent.flows.devices import Attached
from terminal_agent.flows.payment import Till
from terminal_agent.flows.ports import Timeouts
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.client import HostClient
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import HostSilent, HostUnreachable
from terminal_agent.line.port import LineGone
from terminal_agent.pad.ipp import open_pad
from terminal_agent.pad.port import PinPad
from terminal_agent.report.outbox import Outbox
from tests.flows.shop import Hsm, Shop
from tests.flows.stage import TERMINAL
from tests.terminal_agent.line.twin_line import TwinLine

EUR = BY_ALPHA["EUR"]


class LoopClock:
    """Wall and steady time of the running loop."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)

    def now_ms(self) -> int:
        return round(self._began.timestamp() * 1000 + self.steady_ms())

    def steady_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000


@dataclass
class Socket:
    """Where a device is plugged in; ``pull_in`` counts the turns of its line and pulls the cable at zero."""

    shop: Shop
    name: str
    plugged: bool = True
    pull_in: int = 1_000_000
    pulled: asyncio.Event = field(default_factory=asyncio.Event)
    _line: "PullableLine | None" = None

    def line(self) -> "PullableLine":
        """A new line to the device, if it is plugged in."""
        if not self.plugged:
            raise LineGone(f"{self.name}: no such line", "plug it in")
        self._line = PullableLine(self, self.shop.devices[self.name])
        return self._line

    @property
    def ended(self) -> bool:
        """Whether the line that was opened last has gone."""
        return self._line is not None and self._line.ended

    def turn(self) -> None:
        """Something went over the line, in either direction."""
        self.pull_in -= 1
        if self.pull_in == 0:
            self.pull()

    def pull(self) -> None:
        """Pull the cable."""
        self.plugged = False
        self.pulled.set()
        if self._line is not None:
            self._line.unplug()

    def plug(self) -> None:
        """Plug it in again."""
        self.plugged = True
        self.pulled.clear()


class PullableLine(TwinLine):
    """A line in memory that its socket may cut."""

    def __init__(self, socket: Socket, twin: Any) -> None:
        super().__init__(twin, name=socket.name)
        self._socket = socket

    async def read(self) -> bytes:
        octets = await super().read()
        self._socket.turn()
        return octets

    def write(self, octets: bytes) -> None:
        self._socket.turn()
        super().write(octets)


class Wire:
    """A line to the bank, in memory. ``reachable`` False: no connection; answers that the bank drops are awaited."""

    def __init__(self, shop: Shop) -> None:
        self._bank = shop.bank
        self._hsm = Hsm()
        self.reachable = True

    async def exchange(self, octets: bytes, timeout_s: float, answers: Callable[[bytes], bool] | None = None) -> bytes:
        if not self.reachable:
            raise HostUnreachable("no connection to the acquirer", "", sent=False)
        dialogue = self._bank.handle(octets, datetime.now(UTC))
        request = next(dialogue)
        while True:
            try:
                request = dialogue.send(await self._hsm.ask(request))
            except StopIteration as end:
                handled = end.value
                break
        for sending in handled.sendings:
            if answers is None or answers(sending.octets):
                return bytes(sending.octets)
        if handled.hang_up:
            raise HostUnreachable("the acquirer closed the line", "", sent=True)
        await asyncio.sleep(timeout_s)
        raise HostSilent(f"the acquirer did not answer within {timeout_s:g} s", "", sent=True)

    async def close(self) -> None:
        pass


class Terminal:
    """One agent's insides."""

    def __init__(self, shop: Shop, state: Path) -> None:
        self.shop = shop
        self.said: list[str] = []
        self.clock = LoopClock()
        self.sockets = {name: Socket(shop, name) for name in shop.devices}
        self.log = AuditLog.open(state, TERMINAL)
        self.outbox = Outbox.open(state / "outbox.db", TERMINAL, opened_at_ms=self.clock.now_ms())
        self.journal = Journal.open(state / "journal.db")
        self.recorder = Recorder(self.log, self.outbox, self.clock, self.said.append)
        self.books = Books(self.journal, self.recorder, self.clock, self.said.append)
        sockets = self.sockets
        self.reader = Attached[CardReader]("reader", self._open_reader, self.recorder, lambda: sockets["reader"].ended)
        self.pad = Attached[PinPad]("pad", self._open_pad, self.recorder, lambda: sockets["pad"].ended)
        self.wire = Wire(shop)
        client = HostClient(DIALECTS["ascii-1987"], TERMINAL, "TILLGUARD000001")
        self.acquiring = Acquiring(
            client, self.wire, self.journal, self.books, self.pad, self.recorder, self.clock, 5.0
        )
        combination = Combination(aid="A0000000031010", transaction_limit=500000, cvm_limit=2500)
        emv = EmvTerminal(country="276", currency="978", serial_number=TERMINAL, aids=(combination,))
        self.till = Till(
            emv, self.reader, self.pad, self.acquiring, self.books, self.recorder, self.clock,
            random.Random(3).randbytes, Timeouts(3.0, 3.0),
        )  # fmt: skip

    async def _open_reader(self) -> CardReader:
        return await open_reader(catalog.reader("pn532"), self.sockets["reader"].line())

    async def _open_pad(self) -> PinPad:
        return await open_pad(catalog.pinpad("ipp-uic"), self.sockets["pad"].line())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Terminal"]:
        """What runs besides payments, until the block ends."""
        self.books.open()
        await asyncio.gather(self.reader.open(), self.pad.open())
        parts = (self.reader.keep(), self.pad.keep(), self.acquiring.settle(), self.books.keep())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(self.reader.close(), self.pad.close())
            self.journal.close()
            self.outbox.close()
            self.log.close()

    async def pay(self, amount: int = 4200) -> dict[str, Any]:
        """One payment; the fields of its end."""
        return dict((await self.till.begin(amount, EUR).run()).fields)

    async def usable_after_s(self, name: str) -> float:
        """How long until the device is open again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not getattr(self, name).present or self.sockets[name].ended:
            await asyncio.sleep(0.01)
        return loop.time() - began

    async def settled(self) -> None:
        """Wait until nothing is owed."""
        while self.journal.reversals():
            await asyncio.sleep(0.1)
