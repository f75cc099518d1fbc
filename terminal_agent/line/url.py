# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Opens the line that a profile names: a path, or a serial device that another host offers at ``socket://host:port``.

A socket carries the same octets as the port behind it and no line settings: speed and parity are the far end's affair.
It is neither private nor authentic; use it on the machine itself or through a tunnel.
"""

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

from device_profiles.model import LineSettings
from terminal_agent.line.port import Line, LineAbsent, LineError, LineGone
from terminal_agent.line.tty import HELD_OCTETS, READ_OCTETS, open_tty

CONNECT_S = 5.0


class SocketLine:
    """A connected stream socket as a line."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over a connection."""
        self._name = name
        self._reader = reader
        self._writer = writer

    @property
    def name(self) -> str:
        """The address as given."""
        return self._name

    @property
    def ended(self) -> bool:
        """See :class:`terminal_agent.line.port.Line`."""
        return self._writer.transport.is_closing() or self._reader.at_eof()

    async def read(self) -> bytes:
        """See :class:`terminal_agent.line.port.Line`."""
        try:
            octets = await self._reader.read(READ_OCTETS)
        except OSError:
            octets = b""
        if not octets:
            raise LineGone(f"{self._name}: hung up", "check the device at the far end")
        return octets

    def write(self, octets: bytes) -> None:
        """See :class:`terminal_agent.line.port.Line`."""
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > HELD_OCTETS:
            raise LineGone(f"{self._name}: hung up or takes no more octets", "check the device at the far end")
        self._writer.write(octets)

    async def close(self) -> None:
        """See :class:`terminal_agent.line.port.Line`."""
        if not self._writer.transport.is_closing():
            self._writer.close()
            self._reader.feed_eof()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def open_line(spec: str, settings: LineSettings) -> Line:
    """Open ``/dev/…`` or ``socket://host:port``; the subclasses of :class:`LineError` say why it failed."""
    if "://" not in spec:
        return open_tty(spec, settings)
    parts = urlsplit(spec)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "socket" or not parts.hostname or not port or parts.path not in ("", "/"):
        raise LineError(f"{spec}: not a line that the agent knows", "use a path or socket://host:port")
    return await _connected(spec, parts.hostname, port)


async def _connected(spec: str, host: str, port: int) -> SocketLine:
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port, limit=HELD_OCTETS)
    except (OSError, TimeoutError):
        raise LineAbsent(f"{spec}: nobody answers there", "start the device's server, or check the address") from None
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return SocketLine(spec, reader, writer)
