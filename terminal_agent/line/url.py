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
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from device_profiles.model import LineSettings
from protocols.errors import DecodeError
from protocols.serial import rfc2217
from terminal_agent.line.dial import dialled
from terminal_agent.line.discovery import found
from terminal_agent.line.port import Line, LineAbsent, LineError, LineGone
from terminal_agent.line.tty import HELD_OCTETS, READ_OCTETS, TtyLine, claim_tty

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


class Kind(StrEnum):
    """What a descriptor is, and so what drives it."""

    TTY = "tty"
    EXCLUSIVE_TTY = "exclusive-tty"
    SOCKET = "socket"
    RFC2217 = "rfc2217"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A line that is open and that nobody drives yet: it may be handed to another process."""

    descriptor: int
    name: str
    kind: Kind


async def open_line(spec: str, settings: LineSettings) -> Line:
    """Open a path, ``usb:…``, ``socket://…`` or ``rfc2217://…``; subclasses of :class:`LineError` say why it failed."""
    return await adopt(await claim(spec, settings), settings)


async def claim(spec: str, settings: LineSettings) -> Claimed:
    """Open and lock it, and no more; errors as of :func:`open_line`. Whoever gets it closes or adopts it."""
    if spec.startswith("usb:") or "://" not in spec:
        path = found(spec) if spec.startswith("usb:") else spec
        descriptor, exclusive = claim_tty(path, settings)
        return Claimed(descriptor, path, Kind.EXCLUSIVE_TTY if exclusive else Kind.TTY)
    scheme, host, port = _address(spec)
    return Claimed(await _connected(spec, host, port), spec, scheme)


def _address(spec: str) -> tuple[Kind, str, int]:
    """What ``socket://host:port`` says."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(spec)
        host, port = parts.hostname, parts.port
        if host and port and parts.scheme in (Kind.SOCKET, Kind.RFC2217) and parts.path in ("", "/"):
            host.encode("idna")  # a label that is empty or too long names no host
            return Kind(parts.scheme), host, port
    raise LineError(
        f"{spec}: not a line that the agent knows",
        "use a path, usb:VVVV:PPPP, socket://host:port or rfc2217://host:port",
    )


async def adopt(claimed: Claimed, settings: LineSettings) -> Line:
    """Drive a line that was claimed, here or in another process; a port behind Telnet is set first."""
    if claimed.kind in (Kind.TTY, Kind.EXCLUSIVE_TTY):
        return TtyLine(claimed.name, claimed.descriptor, exclusive=claimed.kind is Kind.EXCLUSIVE_TTY)
    connection = socket.socket(fileno=claimed.descriptor)
    line = SocketLine(claimed.name, *await asyncio.open_connection(sock=connection, limit=HELD_OCTETS))
    return await _negotiated(line, settings) if claimed.kind is Kind.RFC2217 else line


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
            if len(self._early) > HELD_OCTETS:
                raise LineError(
                    f"{self.name}: the server sends on and on, and sets no port", "is it an RFC 2217 server?"
                )
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


async def _connected(spec: str, host: str, port: int) -> int:
    try:
        async with asyncio.timeout(CONNECT_S):
            return (await dialled(host, port)).detach()
    except (OSError, TimeoutError):
        raise LineAbsent(f"{spec}: nobody answers there", "start the device's server, or check the address") from None
