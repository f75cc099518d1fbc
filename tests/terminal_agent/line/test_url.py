# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a line at an address behaves as a port does, and what names no line is refused in words."""

import asyncio

import pytest

from device_profiles.model import LineSettings
from terminal_agent.line.port import LineAbsent, LineError, LineGone
from terminal_agent.line.tty import TtyLine
from terminal_agent.line.url import open_line
from tests.patience import PATIENCE_S

SETTINGS = LineSettings(9600)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(100):
        if octets == b"bye":
            break
        writer.write(octets)
    writer.close()


async def test_octets_pass_and_a_hang_up_is_noticed() -> None:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        spec = f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        line = await open_line(spec, SETTINGS)
        assert line.name == spec
        line.write(bytes(range(256)))
        heard = b""
        while len(heard) < 256:
            heard += await line.read()
        assert heard == bytes(range(256))
        line.write(b"bye")
        with pytest.raises(LineGone):
            await line.read()
        await line.close()
        with pytest.raises(LineGone):
            line.write(b"x")


async def test_a_hang_up_is_noticed_while_nobody_reads_or_writes() -> None:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        line = await open_line(f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}", SETTINGS)
        assert not line.ended
        line.write(b"bye")
        async with asyncio.timeout(PATIENCE_S):
            while not line.ended:
                await asyncio.sleep(0)
        await line.close()


async def test_closing_ends_a_read() -> None:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        line = await open_line(f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}", SETTINGS)
        reading = asyncio.create_task(line.read())
        await asyncio.sleep(0)
        await line.close()
        await line.close()
        with pytest.raises(LineGone):
            await reading


async def test_nobody_there() -> None:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    with pytest.raises(LineAbsent, match="nobody answers"):
        await open_line(f"socket://127.0.0.1:{port}", SETTINGS)


@pytest.mark.parametrize(
    "spec",
    [
        *("http://host:1", "socket://", "socket://host", "socket://host:99999", "socket://h:1/x"),
        *("socket://[::1", "socket://[::1]", "socket://a..b:80", f"socket://{'a' * 64}.net:80", "rfc2217://.:80"),
    ],
)
async def test_what_names_no_line(spec: str) -> None:
    with pytest.raises(LineError, match="not a line"):
        await open_line(spec, SETTINGS)


async def test_a_path_is_a_port() -> None:
    import os

    ours, theirs = os.openpty()
    try:
        line = await open_line(os.ttyname(theirs), SETTINGS)
        assert isinstance(line, TtyLine)
        await line.close()
    finally:
        os.close(theirs)
        os.close(ours)
