# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The unit's end of the console: a Unix socket in the state folder, one person's orders at a time. Knows no order.

One JSON document per line. The console sends ``{"words": […]}``; the unit answers ``{"done": …, "text": …}``,
``{"error": …, "hint": …}``, or ``{"ask": …}`` where a person must bring a secret, which comes back as ``{"secret": …}``
in hexadecimal, or null where the person gives up. The socket lies in a folder of its owner's with mode 0600, and only
the user who runs the unit, or root, is heard; the unit stops for nobody else.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hsm_sim.audit import AuditError
from hsm_sim.console import socket_in
from hsm_sim.console_actions import perform
from hsm_sim.console_talk import Ask, Declined, Talk
from hsm_sim.simulator import Simulator
from protocols.secret import Secret
from tillguard.voice import Fault

LONGEST_LINE = 65536
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: unix(7), SO_PEERCRED


class ConsoleServer:
    """Hears orders and carries them out, one console after another on each connection."""

    def __init__(self, simulator: Simulator, stop: Callable[[str, str], None], tell: Callable[[str], None]) -> None:
        """``stop`` is told when the unit must stop, ``tell`` what its owner should hear."""
        self._simulator = simulator
        self._stop = stop
        self._tell = tell
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, folder: Path) -> Path:
        """Listen in ``folder``; :class:`Fault` where that cannot be."""
        path = socket_in(folder)
        before = os.umask(0o177)
        try:
            path.unlink(missing_ok=True)  # the vault's or audit's lock says that no other unit has this folder
            self._server = await asyncio.start_unix_server(self._serve, path, limit=LONGEST_LINE)
        except OSError as fault:
            hint = "remove what is there, or choose another folder with --state"
            raise Fault(f"{path}: {os.strerror(fault.errno or 0)}", hint) from None
        finally:
            os.umask(before)
        self._path = path
        return path

    async def stop(self) -> None:
        """Stop listening and close every console."""
        if self._server is None or self._path is None:
            return
        self._server.close()
        for writer in tuple(self._open):
            writer.close()
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if _is_owner(writer.get_extra_info("socket")):
                while await self._order(reader, writer):
                    pass
        except (OSError, ValueError, EOFError):
            pass  # gone, or no console
        finally:
            self._open.discard(writer)
            writer.close()

    async def _order(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        heard = await _document(reader)
        if heard is None:
            return False
        words = heard.get("words")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("no order")
        talk = perform(self._simulator, words)
        try:
            document = await self._talk(talk, reader, writer)
        except Declined as declined:
            document = {"error": declined.what, "hint": declined.hint}
        except AuditError as fault:
            document = {"error": str(fault), "hint": f"the unit stops; {fault.hint}"}
            if fault.damaged:
                self._stop(str(fault), fault.hint)
        except (OSError, EOFError):
            raise
        except Exception as bug:  # the last line: a fault of ours must not end the unit, nor quote what it worked on
            self._tell(f"bug at the console: {type(bug).__name__}")
            document = {
                "error": f"bug: {type(bug).__name__}",
                "hint": "this is a fault of the program; please report it",
            }
        finally:
            talk.close()
        await _tell(writer, document)
        return True

    async def _talk(self, talk: Talk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        try:
            asked: Ask = next(talk)
            while True:
                await _tell(writer, {"ask": asked.words})
                asked = talk.send(await _secret(reader))
        except StopIteration as ended:
            return {"done": dict(ended.value.document), "text": ended.value.text}


async def _secret(reader: asyncio.StreamReader) -> Secret:
    heard = await _document(reader)
    if heard is None or "secret" not in heard:
        raise EOFError
    if not isinstance(heard["secret"], str):
        raise Declined("given up", "nothing was changed")
    return Secret(bytearray(heard["secret"].encode("ascii", "replace")))


async def _document(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    line = await reader.readline()
    if not line:
        return None
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("no document")
    return document


async def _tell(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(json.dumps(document, ensure_ascii=False).encode() + b"\n")
    await writer.drain()


def _is_owner(connected: socket.socket) -> bool:
    peer = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(peer)
    return user in (os.geteuid(), 0)
