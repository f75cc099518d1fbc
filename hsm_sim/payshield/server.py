# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands over TCP and TLS: connections, fairness, back-pressure. Knows octets and sessions, no command.

One event loop serves all hosts. A host that sends many commands at once is answered in turns of :data:`TURN` commands,
with the others in between; while it does not read its answers, nothing more is read from it. All connections read into
one buffer, since the loop hands over what it read before it reads again: an idle host costs no buffer of its own, and
the loop need not make one of a quarter megabyte for every read, which would cost more than a PIN translation.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import thread_time
from typing import cast

from hsm_sim.faults import Sending
from hsm_sim.payshield.session import Session

TURN = 64
"""Commands answered before others get their turn: about 1 ms."""
BACKLOG = 512
READ_OCTETS = 1 << 16
HELD_BACK_S = 0.1
"""So long an answer waits for the next one to change places with."""


class Connection(asyncio.BufferedProtocol):
    """One host."""

    __slots__ = ("_blocked", "_busy", "_ending", "_hosts", "_inbox", "_paused", "_seen", "_session", "_transport")

    _transport: asyncio.Transport

    def __init__(self, session: Session, hosts: "Hosts") -> None:
        self._session = session
        self._hosts = hosts
        self._inbox = hosts.inbox
        self._blocked = False  # the host does not read its answers
        self._busy = False  # a turn is due anyway, or an answer waits on purpose
        self._ending = False  # the host will send no more
        self._paused = False  # nothing is read from the host
        self._seen = 0  # octets of an unfinished frame at the last look

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, or refuse one host too many."""
        self._transport = cast(asyncio.Transport, transport)
        self._session.peer = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._hosts.admit(self):
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer of all connections."""
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what has become whole, unless a turn for it is due anyway."""
        session = self._session
        session.feed(bytes(self._inbox[:nbytes]))
        if self._blocked or self._busy:
            return
        if session.faulty:
            self._faulty_turn()
            return
        answers, more = session.answer(TURN)
        if answers:
            self._transport.write(answers)  # may call pause_writing before it returns
        if more or self._paused or session.ended:
            self._settle(more)

    def eof_received(self) -> bool:
        """The host will send no more: what is whole is still answered, then the connection closes.

        Not so over TLS, where no connection can be half closed: it closes at once.
        """
        self._ending = True
        if not (self._blocked or self._busy):
            self._transport.close()
        return self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """The host does not read its answers: take no more from it."""
        self._blocked = True
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        self._blocked = False
        if not self._busy:
            self._settle(more=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the host."""
        self._hosts.forget(self)

    def stop(self) -> None:
        """Close without waiting for the host."""
        self._transport.abort()

    def stalled(self) -> bool:
        """Whether the same unfinished frame was there at the last look, no octet longer."""
        waiting = 0 if self._busy or self._blocked else self._session.waiting
        seen, self._seen = self._seen, waiting
        return waiting != 0 and waiting == seen

    def _turn(self) -> None:
        """As when octets arrive, for what is there already."""
        if self._session.faulty:
            self._faulty_turn()
            return
        answers, more = self._session.answer(TURN)
        if answers:
            self._transport.write(answers)
        self._settle(more)

    def _settle(self, more: bool) -> None:
        """What is next: nothing while the host does not read, the end, another turn, or reading on."""
        if self._session.ended:
            self._transport.close()
        elif self._blocked:
            return
        elif more:
            self._pause()
            if self._session.work is not None:
                self._after(self._session.work)
            else:
                self._later(self._turn)
        elif self._ending:
            self._transport.close()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _later(self, step: Callable[[], None], wait_s: float = 0.0) -> None:
        """Take ``step`` in a while and nothing else before it."""
        self._busy = True

        def due() -> None:
            self._busy = False
            if not self._transport.is_closing():
                step()

        loop = asyncio.get_running_loop()
        if wait_s:
            loop.call_later(wait_s, due)
        else:
            loop.call_soon(due)

    def _after(self, work: Callable[[], None]) -> None:
        """Take the next turn once another thread has done this work; the others are answered meanwhile."""
        self._session.work = None
        self._busy = True

        def due(done: asyncio.Future[None]) -> None:
            self._busy = False
            if not done.cancelled() and not self._transport.is_closing():
                self._turn()

        asyncio.get_running_loop().run_in_executor(self._hosts.workers, work).add_done_callback(due)

    # With faults on purpose

    def _faulty_turn(self) -> None:
        if self._transport.is_closing():
            return
        wait_s = self._hosts.busy_until - asyncio.get_running_loop().time()
        if wait_s > 0:
            self._pause()
            self._later(self._turn, wait_s)
            return
        sendings, more = self._session.sendings(1)
        self._send(sendings, more)

    def _send(self, sendings: list[Sending], more: bool) -> None:
        for place, sending in enumerate(sendings):
            self._hosts.keep_busy(sending.busy_s)
            if sending.wait_s:
                rest = [Sending(sending.octets, close=sending.close), *sendings[place + 1 :]]
                self._pause()
                self._later(partial(self._send, rest, more), sending.wait_s)
                return
            if sending.octets:
                self._transport.write(sending.octets)
            if sending.close:
                self._transport.close()
                return
        if self._session.holding and not more:
            self._later(self._let_go, HELD_BACK_S)
            return
        self._settle(more)

    def _let_go(self) -> None:
        """Send what was held back, unless the next answer has come."""
        sendings, more = self._session.sendings(1)
        if not sendings:
            sendings = [Sending(self._session.release())]
        self._send(sendings, more)


class Hosts:
    """The connections there are, and what they share."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: set[Connection] = set()
        self._since = thread_time()
        self.inbox = memoryview(bytearray(READ_OCTETS))
        self.workers = ThreadPoolExecutor(1, "hsm-sim lengthy work")
        """One thread for what takes long: the other core, if there is one, stays with the hosts."""
        self.refused = 0
        """Connections closed as they came, being too many."""
        self.accepted = 0
        self.stalled = 0
        """Connections closed with a frame that did not grow."""
        self.busy_until = 0.0
        """The loop's time until which nobody is answered, on purpose."""

    @property
    def busy_s(self) -> float:
        """Processor time of this thread since there are hosts: nearly all of it goes into answering them."""
        return thread_time() - self._since

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections))

    def admit(self, connection: Connection) -> bool:
        """Count a connection; False if there are too many."""
        if len(self._connections) >= self._most:
            self.refused += 1
            return False
        self.accepted += 1
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def keep_busy(self, seconds: float) -> None:
        """Answer nobody for a while."""
        if seconds:
            self.busy_until = max(self.busy_until, asyncio.get_running_loop().time() + seconds)

    def end_stalled(self) -> int:
        """Close every connection whose frame has not grown since the last call; gives how many."""
        stalled = [connection for connection in self._connections if connection.stalled()]
        for connection in stalled:
            connection.stop()
        self.stalled += len(stalled)
        return len(stalled)

    def stop(self) -> None:
        """Close all; work that was not begun is not begun any more."""
        self.workers.shutdown(wait=False, cancel_futures=True)
        for connection in tuple(self._connections):
            connection.stop()


class HostServer:
    """The listening ends: one or more, for the same hosts."""

    def __init__(self, session: Callable[[], Session], hosts: Hosts, *, unfinished_s: float = 0.0) -> None:
        """``session`` makes one connection's state; a frame begun may stand still for ``unfinished_s`` (0: ever)."""
        self._session = session
        self._hosts = hosts
        self._unfinished_s = unfinished_s
        self._servers: list[asyncio.Server] = []
        self._look: asyncio.TimerHandle | None = None

    async def start(self, address: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Listen; gives the address and the port that it became. :class:`OSError` where it cannot."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(self._session(), self._hosts), address, port, backlog=BACKLOG, ssl=tls
        )
        self._servers.append(server)
        if self._look is None and self._unfinished_s:
            self._look = loop.call_later(self._unfinished_s, self._end_stalled)
        name = server.sockets[0].getsockname()
        return name[0], name[1]

    def _end_stalled(self) -> None:
        self._hosts.end_stalled()
        self._look = asyncio.get_running_loop().call_later(self._unfinished_s, self._end_stalled)

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._look is not None:
            self._look.cancel()
        for server in self._servers:
            server.close()
        self._hosts.stop()
        for server in self._servers:
            await server.wait_closed()
