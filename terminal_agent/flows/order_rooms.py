# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What each room does about an order, and its own last look at it. Believes no order: that was done before.

A room for which this terminal has nothing is not here; its orders are refused as not available.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from protocols.errors import DecodeError
from protocols.signed import Envelope, read
from protocols.telemetry.events import fit
from protocols.telemetry.orders import Order
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.orders.ledger import Ledger
from terminal_agent.orders.profile_store import ProfileStore
from terminal_agent.orders.standing import Standing, bar, step
from terminal_agent.report.outbox import Outbox
from tillguard.voice import Fault

if TYPE_CHECKING:
    from terminal_agent.flows.keys import KeyOffice

LONGEST_RESEND = 100_000


class TillRoom:
    """Lock, unlock, freeze, thaw: the terminal's standing, on disk before it is told."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def standing(self) -> Standing:
        """What the terminal may do; frozen where that cannot be read."""
        try:
            return self._ledger.standing
        except AgentError:
            return Standing.FROZEN

    def bar(self) -> str | None:
        """Why no payment may begin; None where one may."""
        return bar(self.standing)

    async def __call__(self, order: Order) -> str:
        """Change the standing as the table says."""
        after = step(self._ledger.standing, order.kind.name)
        self._ledger.stand(after)
        return f"{after}: {order.arguments['reason']}"


class AgentRoom:
    """Ping and diagnostics. ``parts``: what there is to tell of each part, in words without card data."""

    def __init__(self, recorder: Recorder, parts: Callable[[], Mapping[str, str]]) -> None:
        self._recorder = recorder
        self._parts = parts

    async def __call__(self, order: Order) -> str:
        """Answer; for diagnostics, one event for each part before it."""
        if order.kind.name == "ping":
            return "here"
        parts = self._parts()
        for part, words in parts.items():
            self._recorder.record("diagnostics", order=order.id, part=part, words=fit(words) or "nothing")
        return f"{len(parts)} parts told"


class Asked(Protocol):
    """Whoever sends reports."""

    def ask(self, boot: int, first: int, last: int) -> None:
        """Send these once more."""


class ReportRoom:
    """Resend. ``reporter`` is made later than the rooms are."""

    def __init__(self, outbox: Outbox, reporter: Callable[[], Asked]) -> None:
        self._outbox = outbox
        self._reporter = reporter

    async def __call__(self, order: Order) -> str:
        """Send again what is still here of a life's reports."""
        boot, first, last = (int(order.arguments[name]) for name in ("boot", "first", "last"))
        if not 1 <= first <= last < first + LONGEST_RESEND:
            raise AgentError(f"resend: 1 to {LONGEST_RESEND} reports expected", "first may not be beyond last")
        if (boot, last) > (self._outbox.boot, self._outbox.seq) and boot >= self._outbox.boot:
            raise AgentError("resend: such reports were never made", "see the boot and the numbers of its reports")
        self._reporter().ask(boot, first, last)
        return "reports sent once more, as far as they are here"


class ProfileRoom:
    """A profile for the next start."""

    def __init__(self, store: ProfileStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def __call__(self, order: Order) -> str:
        """Take it, if it is one that this terminal can run with."""
        try:
            version = self._store.take(envelope_of(order), self._clock.now_ms() // 1000)
        except Fault as fault:
            raise AgentError(fault.what, fault.hint) from None
        return f"profile version {version}, in force from the next start"


class VaultRoom:
    """A new key for one of the vault's slots. The vault judges it; no order stands for its custodians."""

    def __init__(self, keys: "KeyOffice") -> None:
        self._keys = keys

    async def __call__(self, order: Order) -> str:
        """Load it; where it waits behind another one, let it serve."""
        slot = str(order.arguments["slot"])
        loaded = await self._keys.load(slot, str(order.arguments["block"]), b"", b"")
        check_value = loaded.split()[1]
        if " waits" in loaded:
            try:
                await self._keys.rotate(slot, b"")
            except AgentError as fault:
                raise AgentError(f"key {check_value} waits in slot {slot}: {fault.what}", "see keys list") from None
        return f"key {check_value} serves in slot {slot}"


def envelope_of(order: Order) -> Envelope:
    """The statement that an order carries; its own signatures are judged by whoever keeps it."""
    try:
        return read(str(order.arguments["statement"]).encode("ascii"))
    except DecodeError as fault:
        raise AgentError(f"{order.kind.name}: {fault}", "a signed statement expected") from None
