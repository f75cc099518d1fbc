# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An acquirer on loopback that says what a test wants, and the exchange that it is asked. Knows no bank's mind."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from protocols.acquirer.dialects import ASCII_1987, Dialect
from protocols.acquirer.frame import Framer, frame
from protocols.acquirer.message import encode
from terminal_agent.host.tcp import AcquirerLink, Endpoint
from tests.terminal_agent.host.test_client import AT, REQUEST, answer_to, client

ASKED = client().authorise(REQUEST, 7, AT)
QUESTION = ASKED.without_mac()
ANSWER = encode(answer_to(ASKED), ASCII_1987)
OTHER = encode(answer_to(ASKED, stan=6), ASCII_1987)
FOREVER = asyncio.Event

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def bank(serve: Serve, security: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback; each connection is given to ``serve`` and closed after it."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=security)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)


async def heard(reader: asyncio.StreamReader, dialect: Dialect = ASCII_1987) -> bytes:
    framer = Framer(dialect)
    while True:
        data = await reader.read(4096)
        if not data:
            raise ConnectionResetError
        for one in framer.feed(data):
            return one.message


def saying(*pieces: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await heard(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()

    return serve


def link_to(port: int, **settings: object) -> AcquirerLink:
    return AcquirerLink(Endpoint("127.0.0.1", port, **settings))  # type: ignore[arg-type]


WHOLE = frame(ANSWER, ASCII_1987)
