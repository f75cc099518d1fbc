# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the steps of a payment need of whoever keeps its books: in this process, or at the other end of a pipe."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from protocols.acquirer.message import Draft
from protocols.currency import Currency
from protocols.identity.binding import Proof
from protocols.telemetry.events import Event, Value
from terminal_agent.emv.fallback import Fallback, Interface
from terminal_agent.host.advice import Advice, Offline
from terminal_agent.host.client import Reply
from terminal_agent.host.reversal import Reversal, ReversalReason

ProveBinding = Callable[[str], Awaitable[Proof | None]]
"""A proof of the terminal's binding for one message of a payment; None where the terminal carries none."""


async def no_binding(_: str) -> None:
    """Of a terminal that was bound to nobody."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each side may take, in seconds."""

    card_s: float = 30.0
    pin_s: float = 60.0
    answer_s: float = 60.0


class Notes(Protocol):
    """Where events go; see :class:`terminal_agent.flows.reporting.Recorder`."""

    def record(self, name: str, **fields: Value) -> Event:
        """Commit one event; raises :class:`~terminal_agent.errors.AgentError` where that fails."""
        ...

    def note(self, name: str, **fields: Value) -> None:
        """Record what happened by itself, now or later."""
        ...


class Accounts(Protocol):
    """Beginning and end of payments, and what is owed; see :class:`terminal_agent.flows.books.Books`."""

    owing: asyncio.Event

    def begin(self, amount: int, currency: Currency) -> str:
        """A payment begins; its identifier."""
        ...

    def conclude(self, payment: str, fields: Mapping[str, Value], offline: Offline | None = None) -> Event:
        """A payment ends with these fields of ``payment.finished``."""
        ...

    def owe(self, reference: int, reason: ReversalReason) -> None:
        """An exchange must be taken back."""
        ...

    def settled(self, reference: int, code: str) -> bool:
        """The acquirer answered a reversal; whether that settles it."""
        ...

    def advised(self, reference: int, code: str) -> bool:
        """The acquirer answered an advice; whether that settles it."""
        ...


class Ledger(Protocol):
    """What was sent and answered; see :class:`terminal_agent.host.journal.Journal`."""

    def next_stan(self) -> int:
        """The next system trace audit number."""
        ...

    def record(self, draft: Draft, payment: str) -> int:
        """On disk before it is sent; its number."""
        ...

    def answered(self, ref: int, reply: Reply) -> None:
        """An authentic answer came."""
        ...

    def withdrawn(self, ref: int) -> None:
        """Nothing of it left the terminal."""
        ...

    def reversals(self) -> tuple[Reversal, ...]:
        """What is owed back, oldest first."""
        ...

    def reversal_sending(self, ref: int) -> None:
        """Count an attempt, before it is sent."""
        ...

    def advices(self) -> tuple[Advice, ...]:
        """The advices that are owed, oldest first."""
        ...

    def advice_sending(self, ref: int) -> None:
        """Count an attempt, before it is sent."""
        ...


class Numbers(Protocol):
    """Watched unpredictable numbers; see :class:`terminal_agent.emv.unpredictable.UnpredictableNumbers`."""

    def next(self) -> bytes:
        """A number for one payment."""
        ...


class Fallbacks(Protocol):
    """The failures of this terminal's chips; see :class:`terminal_agent.emv.fallback.FallbackGuard`."""

    def presented(self, interface: Interface) -> Fallback:
        """A card is there."""
        ...

    def ended(self, interface: Interface, *, chip_failed: bool) -> bool:
        """What became of its chip; whether so many fail now that it must be told."""
        ...
