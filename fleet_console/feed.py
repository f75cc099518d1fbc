# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages from the broker and to it, over as many connections as it takes. Knows no report.

The session is persistent and every message is acknowledged by hand: what the caller has not finished with comes again.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from fleet_console.settings import BrokerAccess
from fleet_console.wire_faults import words_of
from protocols.mqtt.session import (
    Acknowledged,
    ClientSession,
    Connected,
    Ended,
    Message,
    Notice,
    Settings,
    State,
    Subscribed,
)
from protocols.telemetry.batch import LARGEST_BATCH
from tillguard.exits import Exit
from tillguard.voice import Fault

SESSION_EXPIRY_S = 86_400  # how long the broker keeps messages for us while we are away
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0
CONNECT_S = 10.0
WINDOW = 1_000  # publishes of ours that may wait for the broker; it may take fewer
RECEIVE_MAXIMUM = 65_535  # mosquitto 2.0 keeps to no lower one: who wants fewer at once stops reading (see worker.py)
LARGEST = LARGEST_BATCH + 512  # a batch, its topic and properties
CHUNK = 1 << 20  # octets read at once: the more come together, the fewer commits and receipts they cost


@dataclass(frozen=True, slots=True)
class Joined:
    """Connected and subscribed. ``kept`` says that the broker still knew our session."""

    kept: bool


@dataclass(frozen=True, slots=True)
class Parted:
    """The connection is over; the next attempt comes in ``again_s`` seconds."""

    why: str
    again_s: float


class Feed:
    """What a broker sends for some topic filters. Ends only by being cancelled, or by a :class:`Fault` at the start."""

    def __init__(
        self,
        access: BrokerAccess,
        client_id: str,
        patterns: tuple[str, ...],
        randomness: Callable[[], float],
        acknowledged: Callable[[Acknowledged], None] = lambda _: None,
    ) -> None:
        """``acknowledged`` is told what the broker says to each :meth:`publish`."""
        self._access = access
        self._context = access.tls_context()
        self._patterns = patterns
        self._randomness = randomness
        self._acknowledged = acknowledged
        self._session = ClientSession(
            Settings(
                client_id,
                session_expiry_s=SESSION_EXPIRY_S,
                receive_maximum=RECEIVE_MAXIMUM,
                window=WINDOW,
                largest_packet=LARGEST,
            )
        )
        self._was_joined = False
        self._failures = 0
        self._writer: asyncio.StreamWriter | None = None

    def done_with(self, message: Message) -> None:
        """The message needs not come again; the acknowledgement leaves with the next turn of :meth:`messages`."""
        self._session.acknowledge(message)

    @property
    def free(self) -> int:
        """How many messages :meth:`publish` takes now."""
        return self._session.free if self._session.state is State.CONNECTED else 0

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> int | None:
        """Publish with QoS 1; the broker's :class:`Acknowledged` will name the returned number. See :attr:`free`."""
        return self._session.publish(topic, payload, expiry_s=expiry_s)

    def flush(self) -> None:
        """Send now what :meth:`done_with` and :meth:`publish` have left to be sent."""
        if self._writer is not None:
            self._writer.write(self._session.take_output())

    async def messages(self) -> AsyncGenerator[Message | Joined | Parted, None]:
        """Messages and what happens to the connection. The first connection must succeed, later ones are retried."""
        while True:
            try:
                async with contextlib.aclosing(self._over_one_connection()) as connection:
                    async for notice in connection:
                        yield notice
            except (OSError, _EndedError) as fault:
                why = words_of(fault, CONNECT_S)
                if not self._was_joined:
                    hint = "is the broker running there, and do the certificates fit?"
                    raise Fault(f"{self._access.host}:{self._access.port}: {why}", hint, Exit.UNREACHABLE) from None
                wait = self._randomness() * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures, 10))
                self._failures += 1
                yield Parted(why, wait)
                await asyncio.sleep(wait)

    async def _over_one_connection(self) -> AsyncGenerator[Message | Joined, None]:
        loop, session = asyncio.get_running_loop(), self._session
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                self._access.host, self._access.port, ssl=self._context, ssl_shutdown_timeout=1.0, limit=CHUNK
            )
        kept = False
        self._writer = writer
        try:
            session.connect(loop.time())
            while True:
                writer.write(session.take_output())
                await writer.drain()
                for notice in await self._next(reader):
                    match notice:
                        case Message():
                            yield notice
                        case Acknowledged():
                            self._acknowledged(notice)
                        case Connected(present):
                            kept = present
                            session.subscribe(self._patterns)
                        case Subscribed(refused=refused):
                            if any(refused):
                                raise _EndedError(f"the broker refused the subscription: {next(filter(None, refused))}")
                            self._was_joined, self._failures = True, 0
                            yield Joined(kept)
                        case Ended(why):
                            raise _EndedError(why)
        finally:
            self._writer = None
            session.close()
            with contextlib.suppress(OSError):
                writer.write(session.take_output())
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _next(self, reader: asyncio.StreamReader) -> list[Notice]:
        """What the next octets mean, or the next tick of the clock."""
        loop, session = asyncio.get_running_loop(), self._session
        deadline = session.deadline()
        try:
            async with asyncio.timeout_at(deadline):
                data = await reader.read(CHUNK)
        except TimeoutError:
            return session.tick(loop.time())
        return session.receive(data, loop.time()) if data else session.lost()


class _EndedError(Exception):
    """A connection is over, in words."""
