# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The broker twin on a TLS socket: moves octets and time. Decides nothing about MQTT."""

import asyncio
import ssl
from collections.abc import Callable

from device_profiles.twins.broker import Broker, Limits, Link, Trace
from device_profiles.twins.broker_access import Trespass

TICK_S = 0.25
HANDSHAKE_S = 10.0
CLOSE_S = 1.0


class BrokerServer:
    """Listens on loopback until closed."""

    def __init__(
        self,
        context: ssl.SSLContext,
        trace: Trace | None = None,
        limits: Limits | None = None,
        alarm: Callable[[Trespass], None] | None = None,
    ) -> None:
        self._context = context
        self._limits = limits or Limits()
        self._broker = Broker(self._limits, trace, alarm)
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._transports: dict[Link, asyncio.Transport] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; port 0 takes a free one. Returns the port; raises OSError where it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self),
            "127.0.0.1",
            port,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_S,
            ssl_shutdown_timeout=CLOSE_S,
            reuse_address=True,
        )
        self._ticking = asyncio.create_task(self._tick())
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Tell the clients, close every connection, stop listening."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._server is not None:
            self._server.close()
        self._broker.stop()
        self.flush()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._empty.wait()
        except TimeoutError:
            for transport in list(self._transports.values()):
                transport.abort()
        if self._server is not None:
            await self._server.wait_closed()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._broker.tick(_now())
            self.flush()

    def opened(self, transport: asyncio.Transport) -> Link:
        """A handshake is done: the certificate names the client."""
        link = self._broker.open(_common_name(transport), _now())
        self._transports[link] = transport
        self._empty.clear()
        return link

    def received(self, link: Link, data: bytes) -> None:
        """Octets from a client."""
        self._broker.receive(link, data, _now())
        self.flush()

    def lost(self, link: Link) -> None:
        """A connection is gone."""
        self._transports.pop(link, None)
        self._broker.lost(link, _now())
        self.flush()
        if not self._transports:
            self._empty.set()

    def flush(self) -> None:
        """Move what the broker has to say to the sockets."""
        while self._broker.touched:
            link = self._broker.touched.pop()
            transport = self._transports.get(link)
            if transport is None:
                continue
            if link.output:
                transport.write(bytes(link.output))
                link.output.clear()
            if transport.get_write_buffer_size() > self._limits.unsent_octets:
                transport.abort()  # a reader this slow holds the broker's memory
            elif link.closing:
                transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, server: BrokerServer) -> None:
        self._server = server
        self._link: Link | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._link = self._server.opened(transport)

    def data_received(self, data: bytes) -> None:
        if self._link is not None:
            self._server.received(self._link, data)

    def connection_lost(self, fault: Exception | None) -> None:
        if self._link is not None:
            self._server.lost(self._link)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _common_name(transport: asyncio.BaseTransport) -> str:
    certificate = transport.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 else ""
