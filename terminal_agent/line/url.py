# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Opens the line that a profile names: a path, a USB identity, or a port that another host offers.

``usb:VVVV:PPPP`` and ``usb:VVVV:PPPP:SERIAL`` find a port by what is plugged in, never by its number. A ``socket://``
carries the same octets as the port behind it and no line settings: speed and parity are the far end's affair; over
``rfc2217://`` they are set. Neither is private or authentic: use them on the machine itself or through a tunnel.
"""

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

from device_profiles.model import LineSettings
from protocols.errors import DecodeError
from protocols.serial import rfc2217
from terminal_agent.line.discovery import found
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
    """Open a path, ``usb:…``, ``socket://…`` or ``rfc2217://…``; subclasses of :class:`LineError` say why it failed."""
    if spec.startswith("usb:"):
        return open_tty(found(spec), settings)
    if "://" not in spec:
        return open_tty(spec, settings)
    parts = urlsplit(spec)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("socket", "rfc2217") or not parts.hostname or not port or parts.path not in ("", "/"):
        raise LineError(
            f"{spec}: not a line that the agent knows",
            "use a path, usb:VVVV:PPPP, socket://host:port or rfc2217://host:port",
        )
    line = await _connected(spec, parts.hostname, port)
    return await _negotiated(line, settings) if parts.scheme == "rfc2217" else line


async def _negotiated(line: SocketLine, settings: LineSettings) -> "Rfc2217Line":
    """The line once the server has set its port; it is closed where that cannot be had."""
    wanted = rfc2217.settings(settings.baud, settings.data_bits, settings.parity.value, settings.stop_bits)
    port = Rfc2217Line(line, wanted)
    try:
        async with asyncio.timeout(CONNECT_S):
            await port.settle()
    except TimeoutError:
        await line.close()
        raise LineError(f"{line.name}: the server does not set its port", "is it an RFC 2217 server?") from None
    except LineGone as fault:
        await line.close()
        raise LineError(fault.what, "is it an RFC 2217 server?") from None
    except BaseException:
        await line.close()
        raise
    return port


class Rfc2217Line:
    """A port behind Telnet as a line."""

    def __init__(self, line: SocketLine, wanted: dict[rfc2217.Setting, int]) -> None:
        """Take over a connection on which nothing was said yet."""
        self._line = line
        self._client = rfc2217.Rfc2217Client(wanted)
        self._early = b""

    @property
    def name(self) -> str:
        """The address as given."""
        return self._line.name

    @property
    def ended(self) -> bool:
        """See :class:`terminal_agent.line.port.Line`."""
        return self._line.ended

    async def settle(self) -> None:
        """Set the port; :class:`LineError` where the server sets it to something else."""
        self._line.write(self._client.hello())
        while not self._client.settled:
            self._early += await self._heard()
            if self._client.refused:
                raise LineError(f"{self.name}: {self._client.refused}", "correct [line] in the device's profile")

    async def read(self) -> bytes:
        """See :class:`terminal_agent.line.port.Line`."""
        octets, self._early = self._early, b""
        while not octets:
            octets = await self._heard()
        return octets

    def write(self, octets: bytes) -> None:
        """See :class:`terminal_agent.line.port.Line`."""
        self._line.write(rfc2217.escaped(octets))

    async def close(self) -> None:
        """See :class:`terminal_agent.line.port.Line`."""
        await self._line.close()

    async def _heard(self) -> bytes:
        try:
            octets, answer = self._client.feed(await self._line.read())
        except DecodeError as fault:
            await self._line.close()
            raise LineGone(f"{self.name}: {fault}", "is it an RFC 2217 server?") from None
        if answer:
            self._line.write(answer)
        return octets


async def _connected(spec: str, host: str, port: int) -> SocketLine:
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port, limit=HELD_OCTETS)
    except (OSError, TimeoutError):
        raise LineAbsent(f"{spec}: nobody answers there", "start the device's server, or check the address") from None
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return SocketLine(spec, reader, writer)
