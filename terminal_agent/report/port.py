# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the reporter needs of a connection to a broker, whoever makes it. Connects to nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from terminal_agent.report.settings import ReportSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker. ``retained``: it was kept by the broker for whoever comes, or was asked to be."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Dialling:
    """What a connection is made with: the will, the topics to listen to, and who takes what comes.

    ``judged_ms``: the time by which certificates are judged. ``take`` returns before the message is acknowledged to the
    broker, and must not raise.
    """

    settings: ReportSettings
    terminal: str
    will_topic: str
    will: bytes
    listen: tuple[str, ...]
    judged_ms: int
    take: Callable[[Incoming], None]


class Link(Protocol):
    """A connection that the broker has accepted."""

    session_present: bool
    """Whether the broker still knows what was said over the connection before."""
    receive_maximum: int
    """How many messages may be on their way at once."""

    def post(self, topic: str, payload: bytes) -> "asyncio.Future[int]":
        """Publish, to be acknowledged; the future is the reason code (MQTT 5.0, 2.4)."""

    async def unless_gone(self, work: Awaitable[T]) -> T:
        """The result of ``work``; raises :class:`ReportError` where the connection ends before it."""


Connect = Callable[[Dialling], AbstractAsyncContextManager[Link]]
"""Makes a connection and ends it in good order; raises :class:`ReportError` for whatever prevents it."""
