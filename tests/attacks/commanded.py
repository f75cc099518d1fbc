# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal that persons give orders, and what it keeps of them on its disk, without a broker. Attacks nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from protocols.ed25519 import verify
from protocols.signed import Envelope, Statement
from protocols.telemetry.events import KINDS, Lane
from protocols.telemetry.orders import ORDERS, Room, order_statement
from terminal_agent.errors import AgentError
from terminal_agent.flows.order_rooms import TillRoom
from terminal_agent.flows.ordering import Ordering
from terminal_agent.flows.reporting import Recorder
from terminal_agent.orders.ledger import Ledger
from terminal_agent.orders.profile_store import ProfileStore
from terminal_agent.orders.standing import Standing
from terminal_agent.usb.policy import Now
from terminal_agent.usb.store import Store
from tests.protocols.persons import sealed, trust
from tests.terminal_agent.flows.paper import FakeClock, PaperChain, PaperOutbox

TERMINAL = "TG000001"
KINDS_SIGNED = ("order", "order-grave", "trust", "profile", "usb-policy")
TRUST = trust("anna", "bernd", kinds=KINDS_SIGNED)
DAY_S = 86_400
OpenLedger = Callable[[Path, str], Ledger]


class Commanded:
    """A :class:`tests.attacks.harness.Target`. Each part may be a softer one."""

    def __init__(
        self,
        folder: Path,
        ordering: type[Ordering] = Ordering,
        open_ledger: OpenLedger = Ledger.open,
        store: type[Store] = Store,
        profiles: type[ProfileStore] = ProfileStore,
    ) -> None:
        self.folder = folder
        self.clock = FakeClock(0)
        self.chain = PaperChain()
        recorder = Recorder(self.chain, PaperOutbox(), self.clock, lambda _: None)
        self.ledger = open_ledger(folder / "orders.db", TERMINAL)
        self.till = TillRoom(self.ledger)
        self.orders = ordering(TERMINAL, self.ledger, TRUST, verify, recorder, self.clock, {Room.TILL: self.till})
        self.store = store(folder / "usb", TERMINAL, TRUST, verify, "boot")
        self.profiles = profiles(folder, TERMINAL, lambda: TRUST, verify, lambda _: None)
        self._sequence = 0
        self._refused: list[str] = []

    @property
    def now_s(self) -> int:
        """The terminal's time."""
        return self.clock.now_ms() // 1000

    def order(self, name: str, *, terminal: str = TERMINAL, lasts_s: int = 600) -> Envelope:
        """The next order, as two persons signed it."""
        self._sequence += 1
        arguments = {one.name: "as agreed" for one in ORDERS[name].arguments}
        made = order_statement(
            terminal, self._sequence, self.now_s, self.now_s + lasts_s, f"o-{self._sequence}", name, **arguments
        )
        return sealed(made, "anna", "bernd")

    def statement(self, kind: str, version: int, body: str, *, lasts_s: int = DAY_S, terminal: str = "*") -> Envelope:
        """A policy or profile, as two persons signed it now."""
        return sealed(Statement(kind, terminal, version, self.now_s, self.now_s + lasts_s, body), "anna", "bernd")

    async def hears(self, envelope: Envelope, *, retained: bool = False) -> Standing:
        """An order comes; the terminal's standing behind it."""
        self.orders.take(envelope.encode(), retained)
        running = asyncio.create_task(self.orders.run())
        await asyncio.sleep(0)
        while self.orders._waiting.qsize() or self.ledger.begun:
            await asyncio.sleep(0)
        running.cancel()
        return self.till.standing

    def offers(self, envelope: Envelope) -> int:
        """A USB policy is put in force; the version that is, behind it."""
        now = Now(self.now_s, steady_s=1.0)
        try:
            self.store.offer(envelope, now, 60.0)
            self.store.confirm(now)
        except AgentError:
            self._refused.append("policy refused")
        return self.store.in_force(now).version

    def takes(self, envelope: Envelope) -> str | None:
        """A profile is ordered; the one in force behind it."""
        try:
            self.profiles.take(envelope, self.now_s)
        except AgentError:
            self._refused.append("profile refused")
        return self.starts()

    def starts(self) -> str | None:
        """The profile that the agent starts with; None where it does not start, or has none."""
        try:
            return self.profiles.in_force()
        except AgentError:
            self._refused.append("profile refused")
            return None

    async def honest(self) -> bool:
        """What persons sign in its time and order is done."""
        done = [await self.hears(self.order(name)) for name in ("freeze", "thaw", "unlock")]
        policy = self.offers(self.statement("usb-policy", 1, "title = 'v1'\nrules = '''allow'''\n"))
        profile = self.takes(self.statement("profile", 1, "one", terminal=TERMINAL))
        return done == [Standing.FROZEN, Standing.LOCKED, Standing.OPEN] and (policy, profile) == (1, "one")

    def alerts(self) -> list[str]:
        """What head office is told on the lane for alerts, and whoever offered something is told at once."""
        told = [event for event in self.chain.events if KINDS[event.name].lane is Lane.ALERT]
        return [f"{event.name}: {event.fields.get('cause', '')}" for event in told] + self._refused


@asynccontextmanager
async def commanded(
    folder: Path,
    ordering: type[Ordering] = Ordering,
    open_ledger: OpenLedger = Ledger.open,
    store: type[Store] = Store,
    profiles: type[ProfileStore] = ProfileStore,
) -> AsyncIterator[Commanded]:
    """The shipped terminal, or one with a softer part."""
    target = Commanded(folder, ordering, open_ledger, store, profiles)
    with contextlib.closing(target.ledger):
        yield target
