# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands over TCP: connections, fairness, back-pressure. Knows octets and sessions, no command.

One event loop serves all hosts. A host that sends many commands at once is answered in turns of :data:`TURN` commands,
with the others in between; while it does not read its answers, nothing more is read from it.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from hsm_sim.payshield.session import Session

TURN = 64
"""Commands answered before others get their turn: about 2 ms."""
BACKLOG = 512


class Connection(asyncio.Protocol):
    """One host."""

    __slots__ = ("_blocked", "_ending", "_hosts", "_more", "_paused", "_session", "_transport")

    _transport: asyncio.Transport

    def __init__(self, session: Session, hosts: "Hosts") -> None:
        self._session = session
        self._hosts = hosts
        self._blocked = False  # the host does not read its answers
        self._more = False  # whole commands may be waiting for the next turn
        self._ending = False  # the host will send no more
        self._paused = False  # nothing is read from the host

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, or refuse one host too many."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._hosts.admit(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer what has become whole, unless a turn for it is due anyway."""
        self._session.feed(data)
        if not (self._blocked or self._more):
            self._turn()

    def eof_received(self) -> bool:
        """The host will send no more: what is whole is still answered, then the connection closes."""
        self._ending = True
        if not (self._blocked or self._more):
            self._transport.close()
        return True

    def pause_writing(self) -> None:
        """The host does not read its answers: take no more from it."""
        self._blocked = True
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        self._blocked = False
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the host."""
        self._hosts.forget(self)

    def stop(self) -> None:
        """Close without waiting for the host."""
        self._transport.abort()

    def _turn(self) -> None:
        if self._transport.is_closing():
            return
        answers, self._more = self._session.answer(TURN)
        if answers:
            self._transport.write(answers)  # may call pause_writing before it returns
        if self._session.ended:
            self._transport.close()
        else:
            self._settle()

    def _settle(self) -> None:
        """What is next: nothing while the host does not read, another turn, the end, or reading on."""
        if self._blocked:
            return
        if self._more:
            self._pause()
            asyncio.get_running_loop().call_soon(self._turn)
        elif self._ending:
            self._transport.close()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()


class Hosts:
    """The connections there are, and their bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: set[Connection] = set()

    def admit(self, connection: Connection) -> bool:
        """Count a connection; False if there are too many."""
        if len(self._connections) >= self._most:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def stop(self) -> None:
        """Close all."""
        for connection in tuple(self._connections):
            connection.stop()


class HostServer:
    """The listening end."""

    def __init__(self, session: Callable[[], Session], connections: int) -> None:
        """``session`` makes the state of one connection."""
        self._session = session
        self._hosts = Hosts(connections)
        self._server: asyncio.Server | None = None

    async def start(self, address: str, port: int) -> tuple[str, int]:
        """Listen; gives the address and the port that it became. :class:`OSError` where it cannot."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(self._session(), self._hosts), address, port, backlog=BACKLOG
        )
        self._server = server
        name = server.sockets[0].getsockname()
        return name[0], name[1]

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is None:
            return
        self._server.close()
        self._hosts.stop()
        await self._server.wait_closed()
