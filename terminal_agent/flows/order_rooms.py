# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What each room does about an order, and its own last look at it. Believes no order: that was done before.

A room for which this terminal has nothing is not here; its orders are refused as not available.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from protocols.errors import DecodeError
from protocols.signed import Believed, Envelope, read
from protocols.telemetry.events import fit
from protocols.telemetry.orders import Order
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.orders.ledger import Ledger
from terminal_agent.orders.profile_store import ProfileStore
from terminal_agent.orders.standing import Standing, bar, step
from terminal_agent.report.outbox import Outbox
from terminal_agent.usb.policy import Granted, Now
from tillguard.voice import Fault

TRIAL_S = 60.0  # of a policy that an order brings: it is confirmed at once, so the trial's length decides nothing
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


class Policies(Protocol):
    """The folder that keeps USB policies; :class:`terminal_agent.usb.store.Store`."""

    def offer(self, envelope: Envelope, now: Now, trial_s: float) -> object:
        """Put a policy on trial."""

    def confirm(self, now: Now) -> Believed:
        """Keep the policy that is on trial."""

    def grant(self, name: str, envelope: Envelope, now: Now) -> Granted:
        """Keep an exception."""


class UsbRoom:
    """Policies and exceptions of the USB ports: their own signatures, floor and ends are judged by their store."""

    def __init__(self, policies: Policies, clock: Clock) -> None:
        self._policies = policies
        self._clock = clock

    async def __call__(self, order: Order) -> str:
        """Put it in force."""
        now = Now(self._clock.now_ms() // 1000, steady_s=self._clock.steady_ms() / 1000)
        envelope = _envelope(order)
        if order.kind.name == "exception":
            granted = self._policies.grant(str(order.arguments["name"]), envelope, now)
            return f"exception {granted.name} holds for {granted.ends_s - now.utc_s} s"
        self._policies.offer(envelope, now, TRIAL_S)
        return f"policy version {self._policies.confirm(now).statement.version} in force"


class ProfileRoom:
    """A profile for the next start."""

    def __init__(self, store: ProfileStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def __call__(self, order: Order) -> str:
        """Take it, if it is one that this terminal can run with."""
        try:
            version = self._store.take(_envelope(order), self._clock.now_ms() // 1000)
        except Fault as fault:
            raise AgentError(fault.what, fault.hint) from None
        return f"profile version {version}, in force from the next start"


def _envelope(order: Order) -> Envelope:
    try:
        return read(str(order.arguments["statement"]).encode("ascii"))
    except DecodeError as fault:
        raise AgentError(f"{order.kind.name}: {fault}", "a signed statement expected") from None
