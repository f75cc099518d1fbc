# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The agent's line against pyserial's RFC 2217 server: the port is set as the profile says, every octet passes."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import serial
import serial.rfc2217

from device_profiles.model import LineSettings, Parity
from terminal_agent.line.port import LineAbsent, LineError, LineGone
from terminal_agent.line.url import open_line
from tests.patience import PATIENCE_S

SETTINGS = LineSettings(19200, 7, Parity.EVEN, 2)


class Server:
    """One port that says everything back, offered by pyserial's own server code, for one client."""

    def __init__(self) -> None:
        self.port = serial.serial_for_url("loop://", timeout=0.02)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.spec = f"rfc2217://127.0.0.1:{self._socket.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        self.port.close()

    def _serve(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        client.settimeout(0.01)
        with client:
            wire = Wire(client)
            manager = serial.rfc2217.PortManager(self.port, wire)
            while not self._stop.is_set():
                try:
                    octets = client.recv(1024)
                except TimeoutError:
                    octets = None
                except OSError:
                    return
                if octets == b"":
                    return
                if octets:
                    self.port.write(b"".join(manager.filter(octets)))
                if self.port.in_waiting:
                    client.sendall(b"".join(manager.escape(self.port.read(self.port.in_waiting))))


class Wire:
    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def write(self, octets: bytes) -> None:
        self._client.sendall(octets)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


async def test_the_port_is_set_and_every_octet_passes(server: Server) -> None:
    line = await open_line(server.spec, SETTINGS)
    assert (server.port.baudrate, server.port.bytesize, server.port.parity, server.port.stopbits) == (19200, 7, "E", 2)
    assert line.name == server.spec
    said = bytes(range(256)) * 8 + b"\xff" * 40
    line.write(said)
    heard = b""
    async with asyncio.timeout(PATIENCE_S):
        while len(heard) < len(said):
            heard += await line.read()
    assert heard == said
    assert not line.ended
    await line.close()


async def test_a_server_that_goes_is_noticed(server: Server) -> None:
    line = await open_line(server.spec, SETTINGS)
    await asyncio.to_thread(server.close)
    with pytest.raises(LineGone):
        await asyncio.wait_for(line.read(), PATIENCE_S)
    await line.close()


async def peer(answers: bytes) -> LineError:
    """What opening says to a server that says this to everybody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        with pytest.raises(LineError) as caught:
            await open_line(f"rfc2217://127.0.0.1:{listening.sockets[0].getsockname()[1]}", SETTINGS)
    return caught.value


async def test_a_server_of_another_kind_is_told() -> None:
    assert "does not speak RFC 2217" in (await peer(b"\xff\xfe\x2c")).what
    assert "binary" in (await peer(b"\xff\xfc\x00")).what
    assert "baud to 9600, 19200 was asked for" in (await peer(b"\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0")).what
    assert "subnegotiation" in (await peer(b"\xff\xfa" + b"x" * 100)).what
    assert "sends on and on" in (await peer(b"x" * 200_000)).what


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LineAbsent):
        await open_line(f"rfc2217://127.0.0.1:{port}", SETTINGS)
