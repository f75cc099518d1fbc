# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A fleet's connections: one mutual TLS line for each terminal, in one process. Moves octets and time; tells no story.

With uvloop a connection costs some 50 KiB; CPython's own TLS transport holds a buffer of 256 KiB for each.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from device_profiles.serve.fleet_spool import FleetSpool
from device_profiles.twins.fleet_terminal import FleetTerminal
from protocols.mqtt.session import (
    Acknowledged,
    ClientSession,
    Connected,
    Ended,
    Message,
    Notice,
    QoS,
    Settings,
    State,
    Subscribed,
    Will,
)
from protocols.telemetry.events import Lane
from protocols.telemetry.topics import receipt_topic, report_topic

CONNECTING_AT_ONCE = 64  # TLS handshakes under way: more make the broker's queue of connections overflow
WINDOW = 8
CONNECT_S = 60.0
OVERDUE_S = 5.0  # so long without a receipt, and what waits is sent again
LARGEST_WAIT_S = 8.0
_TICK_S = 0.25


@dataclass(slots=True)
class Tally:
    """What has happened to the whole fleet."""

    told: int = 0
    receipted: int = 0
    published: int = 0
    refused: int = 0
    connections: int = 0
    lost: int = 0


class Way(ssl.SSLContext):
    """How the terminals reach the broker: one TLS 1.3 context, which puts on each terminal's certificate in turn.

    A TLS connection takes over what its context holds in the moment in which it is made. A context of its own for each
    would cost 40 KiB more. The loop passes the name through: it stands where the server's name would.
    """

    host: str
    port: int
    pki: Path

    @classmethod
    def to(cls, host: str, port: int, pki: Path) -> "Way":
        """The way to a broker; ``pki`` holds ``ca.pem`` and each terminal's certificate and key."""
        way = cls(ssl.PROTOCOL_TLS_CLIENT)
        way.minimum_version = ssl.TLSVersion.TLSv1_3
        way.load_verify_locations(pki / "ca.pem")
        way.host, way.port, way.pki = host, port, pki
        return way

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """A connection of the terminal ``server_hostname``."""
        name = str(server_hostname)
        self.load_cert_chain(self.pki / f"{name}.pem", self.pki / f"{name}.key")
        return super().wrap_bio(incoming, outgoing, server_side, self.host, session)


class Connection(asyncio.Protocol):
    """One connection of one terminal."""

    __slots__ = ("_owner", "_transport", "gone", "session")

    def __init__(self, owner: "Member") -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self.session = owner.session
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS stands: CONNECT."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.session.connect(asyncio.get_running_loop().time())
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Octets from the broker."""
        self.take(self.session.receive(data, asyncio.get_running_loop().time()))

    def connection_lost(self, _: Exception | None) -> None:
        """The line is gone."""
        self.session.lost()
        if not self.gone.done():
            self.gone.set_result(None)

    def take(self, notices: list[Notice]) -> None:
        """What the session has to say."""
        for notice in notices:
            if isinstance(notice, Ended):
                self.cut()
            else:
                self._owner.notice(notice)
        self._owner.publish()
        self.flush()

    def flush(self) -> None:
        """Send what the session has left to be sent."""
        if self._transport is not None and (octets := self.session.take_output()):
            self._transport.write(octets)

    def cut(self) -> None:
        """Drop the line without a word."""
        if self._transport is not None:
            self._transport.abort()


class Member:
    """A terminal and its line, over as many connections as it takes."""

    __slots__ = (
        "_chance",
        "_heard_s",
        "_joined",
        "_overdue_s",
        "_spool",
        "_tally",
        "_told",
        "_way",
        "connection",
        "heard",
        "session",
        "terminal",
    )

    def __init__(
        self,
        terminal: FleetTerminal,
        way: Way,
        spool: FleetSpool | None,
        tally: Tally,
        chance: Callable[[], float],
        at_ms: int,
        told: Callable[[], None],
        overdue_s: float = OVERDUE_S,
    ) -> None:
        self.terminal, self._way, self._spool, self._tally = terminal, way, spool, tally
        self._chance, self._told, self._overdue_s = chance, told, overdue_s
        will = Will(report_topic(terminal.name, Lane.HEALTH), payload=terminal.will(at_ms), qos=QoS.AT_LEAST_ONCE)
        self.session = ClientSession(
            Settings(terminal.name, keep_alive_s=60, session_expiry_s=3_600, window=WINDOW, will=will,
                     largest_packet=66_048)
        )  # fmt: skip
        self.connection: Connection | None = None
        self._joined = False
        self._heard_s = 0.0
        self.heard = False
        """Whether the broker has taken anything of it."""

    async def run(self, gate: asyncio.Semaphore) -> None:
        """Connect, and again, with full jitter between the attempts. Ends by being cancelled."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            try:
                async with gate:
                    async with asyncio.timeout(CONNECT_S):
                        _, made = await loop.create_connection(
                            lambda: Connection(self), self._way.host, self._way.port, ssl=self._way,
                            server_hostname=self.terminal.name,
                        )  # fmt: skip
                self.connection, failures = made, 0
                self._tally.connections += 1
                self._heard_s = loop.time()
                await made.gone
                self._tally.lost += 1
            except (OSError, TimeoutError):
                failures += 1
            self.connection, self._joined = None, False
            await asyncio.sleep(self._chance() * min(LARGEST_WAIT_S, 0.5 * 2 ** min(failures, 5)))

    @property
    def joined(self) -> bool:
        """Whether the broker has taken its subscription."""
        return self._joined

    def notice(self, notice: Notice) -> None:
        """Connected, subscribed, acknowledged, or told something."""
        loop = asyncio.get_running_loop()
        match notice:
            case Connected():
                self.session.subscribe((receipt_topic(self.terminal.name),))
                self.terminal.again()
            case Subscribed():
                self._joined = True
            case Acknowledged(refused=refused):
                self._tally.refused += refused is not None
                self.heard = self.heard or refused is None
            case Message():
                self._heard_s = loop.time()
                self.session.acknowledge(notice)
                gone = self.terminal.receipted(notice.payload)
                self._tally.receipted += len(gone)
                if self._spool is not None:
                    self._spool.trim(self.terminal.name, gone)
                self._told()

    def publish(self) -> None:
        """As much as the session takes; what is spooled is on disk before it is sent."""
        if not self._joined or self.session.state is not State.CONNECTED:
            return
        while self.session.free and (found := self.terminal.batch()) is not None:
            lane, payload = found
            self.session.publish(report_topic(self.terminal.name, lane), payload)
            self._tally.published += 1

    def push(self) -> None:
        """There is something new to send."""
        if self.connection is not None:
            self.publish()
            self.connection.flush()

    def tick(self, now: float) -> None:
        """Time passes: keep alive, and what is overdue."""
        if self.connection is None:
            return
        if self.terminal.waiting and now - self._heard_s > self._overdue_s:
            self._heard_s = now
            self.terminal.again()
            self.push()
        self.connection.take(self.session.tick(now))


class Fleet:
    """All members."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self._tasks: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    def start(self) -> None:
        """Begin to connect."""
        self._tasks = [asyncio.create_task(member.run(self._gate)) for member in self.members]
        self._tasks.append(asyncio.create_task(self._tick()))

    def join(self, member: Member) -> None:
        """One more."""
        self.members.append(member)
        self._tasks.append(asyncio.create_task(member.run(self._gate)))

    @property
    def connected(self) -> int:
        """How many are connected and hear head office."""
        return sum(member.joined for member in self.members)

    def drop(self) -> None:
        """Cut every line at once: the storm is what follows."""
        for member in self.members:
            if member.connection is not None:
                member.connection.cut()

    async def stop(self) -> None:
        """Leave in good order."""
        for task in self._tasks:
            task.cancel()
        for member in self.members:
            if member.connection is not None:
                member.session.close()
                member.connection.flush()
                member.connection.cut()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK_S)
            for member in self.members:
                member.tick(loop.time())
