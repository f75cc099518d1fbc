# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One short conversation with the broker: connect, ask, publish, listen, leave. Retries nothing, as feed.py does."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fleet_console.settings import BrokerAccess
from fleet_console.wire_faults import words_of
from protocols.mqtt.session import (
    Acknowledged,
    ClientSession,
    Connected,
    Ended,
    Message,
    Notice,
    RetainHandling,
    Settings,
    State,
    Subscribed,
    Will,
)
from tillguard.exits import Exit
from tillguard.voice import Fault

ANSWER_S = 10.0
CHUNK = 65_536
_OVER = "the connection ended"


class Line:
    """A connection that stands, until it is closed or the broker ends it: then ``ended`` says why."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: ClientSession) -> None:
        """Use :func:`line`."""
        self._reader, self._writer, self._session = reader, writer, session
        self._came = asyncio.Condition()
        self._answers: list[Notice] = []
        self.messages: list[Message] = []
        self.ended: str | None = None
        self._listening = asyncio.create_task(self._listen())

    async def open(self) -> bool:
        """CONNECT; whether the broker took it."""
        self._session.connect(asyncio.get_running_loop().time())
        self._flush()
        return isinstance(await self._answer(lambda one: isinstance(one, Connected)), Connected)

    async def subscribe(self, patterns: Sequence[str], *, retained: bool = False) -> tuple[str | None, ...]:
        """For each filter None where it was granted, else why not; ``retained`` asks for what the broker keeps."""
        if self._session.state is not State.CONNECTED:
            return tuple(_OVER for _ in patterns)
        handling = RetainHandling.SEND_ALWAYS if retained else RetainHandling.SEND_NEVER
        number = self._session.subscribe(patterns, retained=handling)
        self._flush()
        found = await self._answer(lambda one: isinstance(one, Subscribed) and one.packet_id == number)
        return found.refused if isinstance(found, Subscribed) else tuple(_OVER for _ in patterns)

    async def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> str | None:
        """QoS 1; None where the broker took it, else why not. ``expiry_s``: so long the broker keeps it."""
        if self._session.state is not State.CONNECTED:
            return _OVER
        number = self._session.publish(topic, payload, expiry_s=expiry_s)
        self._flush()
        found = await self._answer(lambda one: isinstance(one, Acknowledged) and one.packet_id == number)
        return found.refused if isinstance(found, Acknowledged) else _OVER

    async def hears(self, wanted: Callable[[Message], bool], timeout: float = ANSWER_S) -> Message | None:
        """The first message that is wanted; None where none comes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._came:
                await self._came.wait_for(lambda: self.ended is not None or any(map(wanted, self.messages)))
        return next(filter(wanted, self.messages), None)

    async def goes(self, timeout: float = ANSWER_S) -> bool:
        """Whether the broker ends the connection in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._came:
                await self._came.wait_for(lambda: self.ended is not None)
        return self.ended is not None

    def write(self, octets: bytes) -> None:
        """A packet that the session would not send; its answer is not waited for."""
        self._writer.write(octets)

    def cut(self) -> None:
        """Drop the connection without a word: a will is due."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Leave."""
        self._session.close()
        self._flush()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            await self._writer.wait_closed()

    def _flush(self) -> None:
        self._writer.write(self._session.take_output())

    async def _answer(self, wanted: Callable[[Notice], bool]) -> Notice | None:
        try:
            async with asyncio.timeout(ANSWER_S), self._came:
                await self._came.wait_for(lambda: self.ended is not None or any(map(wanted, self._answers)))
        except TimeoutError:
            raise Fault(f"the broker does not answer within {ANSWER_S:g} s", "is it busy?", Exit.UNREACHABLE) from None
        return next(filter(wanted, self._answers), None)

    async def _listen(self) -> None:
        why = "the connection was lost"
        try:
            while self.ended is None and (data := await self._reader.read(CHUNK)):
                for notice in self._session.receive(data, asyncio.get_running_loop().time()):
                    if isinstance(notice, Message):
                        self._session.acknowledge(notice)
                        self.messages.append(notice)
                    elif isinstance(notice, Ended):
                        why = notice.why
                        self._writer.transport.abort()
                    else:
                        self._answers.append(notice)
                self._flush()
                async with self._came:
                    self._came.notify_all()
        except OSError as fault:
            why = words_of(fault, ANSWER_S)
        self.ended = why
        async with self._came:
            self._came.notify_all()


@asynccontextmanager
async def line(access: BrokerAccess, client_id: str, will: Will | None = None) -> AsyncIterator[Line]:
    """A connection whose TLS handshake is done on our side; raises OSError where the broker cannot be reached.

    TLS 1.3 tells a client that its certificate is refused only behind the handshake: see :meth:`Line.open`.
    """
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection(
            access.host, access.port, ssl=access.tls_context(), ssl_shutdown_timeout=1.0
        )
    made = Line(reader, writer, ClientSession(Settings(client_id, will=will)))
    try:
        yield made
    finally:
        await made.close()
