# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The local socket: who may connect, what a hostile or dead client can do (nothing), and events in order."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from pathlib import Path

import pytest

from terminal_agent.api import server as server_module
from terminal_agent.api.methods import Method, Methods
from terminal_agent.api.server import ApiServer, SocketInUse
from terminal_agent.errors import AgentError


async def _pong() -> object:
    return "pong"


async def _fail() -> object:
    raise AgentError("reader: unplugged", "plug it in")


TABLE = {
    "ping": Method("test", {}, _pong),
    "fail": Method("test", {}, _fail),
    "events.subscribe": Method("events", {}, _pong),
}


async def start(tmp_path: Path) -> ApiServer:
    api = ApiServer(tmp_path / "s" / "agent.sock", Methods(TABLE))
    await api.start()
    return api


async def end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def ask(path: Path, line: bytes) -> dict[str, object]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line + b"\n")
    reply: dict[str, object] = json.loads(await reader.readline())
    await end(writer)
    return reply


async def test_answers_and_refuses(tmp_path: Path) -> None:
    api = await start(tmp_path)
    assert (await ask(api.path, b'{"jsonrpc":"2.0","id":1,"method":"ping"}'))["result"] == "pong"
    error = (await ask(api.path, b'{"jsonrpc":"2.0","id":1,"method":"fail"}'))["error"]
    assert error == {"code": -32603, "message": "reader: unplugged", "data": {"hint": "plug it in"}}
    assert (await ask(api.path, b"garbage"))["id"] is None
    await api.stop()
    assert not api.path.exists()


async def test_file_is_for_its_owner_only(tmp_path: Path) -> None:
    api = await start(tmp_path)
    assert stat.S_IMODE(api.path.stat().st_mode) == 0o600
    await api.stop()


async def test_another_user_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = await start(tmp_path)
    monkeypatch.setattr(server_module.os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setattr(server_module.struct, "unpack", lambda *_: (1, os.getuid() + 2, 1))
    reader, writer = await asyncio.open_unix_connection(api.path)
    assert await reader.read() == b""
    await end(writer)
    await api.stop()


async def test_stale_socket_is_replaced_and_a_live_one_left_alone(tmp_path: Path) -> None:
    api = await start(tmp_path)
    with pytest.raises(SocketInUse):
        await ApiServer(api.path, Methods(TABLE)).start()
    await api.stop()

    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(api.path))
    dead.close()
    await api.start()
    assert (await ask(api.path, b'{"jsonrpc":"2.0","id":1,"method":"ping"}'))["result"] == "pong"
    await api.stop()
    api.path.write_text("a file")
    with pytest.raises(AgentError, match="no socket"):
        await api.start()


async def test_an_endless_line_ends_its_client_only(tmp_path: Path) -> None:
    api = await start(tmp_path)
    reader, writer = await asyncio.open_unix_connection(api.path)
    writer.write(b"x" * (server_module.LONGEST_LINE * 2))
    assert b"-32600" in await reader.readline()
    assert await reader.read() == b""
    await end(writer)
    assert (await ask(api.path, b'{"jsonrpc":"2.0","id":1,"method":"ping"}'))["result"] == "pong"
    await api.stop()


async def test_subscribers_get_events_in_order_and_a_deaf_one_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_UNREAD", 10_000)
    api = await start(tmp_path)
    reader, writer = await asyncio.open_unix_connection(api.path)
    deaf_reader, deaf_writer = await asyncio.open_unix_connection(api.path)
    for each, stream in ((writer, reader), (deaf_writer, deaf_reader)):
        each.write(b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}\n')
        await stream.readline()
    for number in range(300):
        api.publish({"n": number, "filler": "x" * 4000})
        assert json.loads(await reader.readline())["params"]["n"] == number
    rest = await deaf_reader.read()
    assert rest.count(b"\n") < 300
    for each in (writer, deaf_writer):
        await end(each)
    await api.stop()


async def test_more_clients_than_allowed_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CLIENTS", 2)
    api = await start(tmp_path)
    held = [await asyncio.open_unix_connection(api.path) for _ in range(2)]
    await asyncio.sleep(0)
    reader, writer = await asyncio.open_unix_connection(api.path)
    assert await reader.read() == b""
    for _, each in (*held, (reader, writer)):
        await end(each)
    await api.stop()
