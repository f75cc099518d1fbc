# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The agent's Unix socket: who may connect, lines in and out, event subscriptions. Knows one method by name.

Only the agent's own user and root may connect (SO_PEERCRED, unix(7)); the file mode says the same. A client that does
not read its events is cut off, so that it cannot hold the agent's memory.
"""

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Mapping
from pathlib import Path

from terminal_agent.api.methods import Methods
from terminal_agent.api.rpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    LONGEST_LINE,
    Request,
    RpcError,
    answer,
    notification,
    read_request,
    refusal,
)
from terminal_agent.errors import AgentError

MOST_CLIENTS = 32
MOST_UNREAD = 1 << 20  # octets of events that a client may leave unread before it is cut off
SUBSCRIBE = "events.subscribe"


class SocketInUse(AgentError):
    """Another agent answers on the socket."""


class ApiServer:
    """Serves the methods on a Unix socket and forwards events to subscribers."""

    def __init__(self, path: Path, methods: Methods) -> None:
        self.path = path
        self._methods = methods
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._subscribers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Bind the socket; a stale file of a dead agent is replaced, a live one is left alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._clear_stale()
        old = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._accept, self.path, limit=LONGEST_LINE)
        except OSError as fault:
            raise AgentError(f"cannot listen on {self.path}: {fault.strerror}", "choose another socket path") from None
        finally:
            os.umask(old)

    async def stop(self) -> None:
        """Close the socket and every client, and remove the file."""
        if self._server is not None:
            self._server.close()
        for client, writer in list(self._clients.items()):
            client.cancel()
            writer.transport.abort()  # a client that reads nothing would hold a graceful close for ever
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

    def publish(self, event: Mapping[str, object]) -> None:
        """Hand one event to every subscriber; never waits."""
        line = notification("event", event)
        for writer in list(self._subscribers):
            if writer.transport.get_write_buffer_size() > MOST_UNREAD:
                self._subscribers.discard(writer)
                writer.transport.abort()
            else:
                writer.write(line)

    async def _clear_stale(self) -> None:
        try:
            kind = self.path.stat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise AgentError(f"{self.path} exists and is no socket", "choose another socket path")
        try:
            _, writer = await asyncio.open_unix_connection(self.path)
        except ConnectionRefusedError:  # a file that a dead agent left
            self.path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except OSError as fault:
            raise SocketInUse(f"{self.path}: {fault.strerror}", "stop what holds it, or choose another path") from None
        await _close(writer)
        raise SocketInUse(f"another agent answers on {self.path}", "stop it, or choose another socket path")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= MOST_CLIENTS or not _may_connect(writer):
            await _close(writer)
            return
        self._clients[task] = writer
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client went away, or the agent stops: both end this client and nothing else
        finally:
            self._clients.pop(task, None)
            self._subscribers.discard(writer)
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # StreamReader.readline: the line is longer than the limit
                writer.write(refusal(None, RpcError(INVALID_REQUEST, f"a line of more than {LONGEST_LINE} octets")))
                await writer.drain()
                return
            if not line:
                return
            reply = await self._answer(line, writer)
            if reply:
                writer.write(reply)
                await writer.drain()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> bytes | None:
        request = Request(None, "", {})
        try:
            request = read_request(line)
            if request.method == SUBSCRIBE:
                self._subscribers.add(writer)
            result = await self._methods.call(request)
        except RpcError as error:
            return refusal(request.id, error)
        except AgentError as error:
            return refusal(request.id, RpcError(INTERNAL_ERROR, error.what, error.hint))
        return answer(request.id, result) if request.id is not None else None


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def _may_connect(writer: asyncio.StreamWriter) -> bool:
    peer: socket.socket = writer.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return uid in (0, os.geteuid())
