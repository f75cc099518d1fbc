# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who may speak at the broker: terminals admitted, isolated, released, by mosquitto's dynamic security. Keeps no state.

A terminal is a client of that plugin with one role of its own, which holds its topics. To isolate it means to take the
role away, which ends its connection and leaves its certificate good for a connection in which it can say and hear
nothing (mosquitto-dynamic-security(5), 2.0). To disable the client would not do: a client that comes by certificate is
never asked for a password, and so never refused. That the ingest takes nothing of it any more is decided in the store,
not here: see register.py.
"""

import itertools
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from fleet_console.broker_access import role_of, terminal_acls
from fleet_console.line import ANSWER_S, Line, line
from fleet_console.settings import BrokerAccess
from fleet_console.wire_faults import words_of
from tillguard.exits import Exit
from tillguard.voice import Fault

CONTROL = "$CONTROL/dynamic-security/v1"
ANSWERS = f"{CONTROL}/response"
AT_ONCE = 50  # commands in one message: some 30 KiB
Command = Mapping[str, object]
_THERE = ("already exists", "Client is already in")
_PLUGIN = "does it run with fleet-console broker config's plugin?"
_GONE = ("not found", "does not exist")


class Control:
    """Head office's hand on the broker. Connects for each act, or once for all of them as a context manager."""

    def __init__(self, access: BrokerAccess) -> None:
        self._access = access
        self._open = AsyncExitStack()
        self._talk: Line | None = None

    async def __aenter__(self) -> Self:
        """Connect; raises :class:`Fault` where the broker cannot be reached or does not take head office."""
        async with AsyncExitStack() as opening:
            self._talk = await opening.enter_async_context(self._line())
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave."""
        self._talk = None
        await self._open.aclose()

    async def admit(self, terminals: Iterable[str]) -> None:
        """Let these speak in their own trees; those that may already are left as they are."""
        commands: list[Command] = []
        for name in terminals:
            commands.append({"command": "createRole", "rolename": role_of(name), "acls": terminal_acls(name)})
            commands.append({"command": "createClient", "username": name, "roles": [{"rolename": role_of(name)}]})
        await self._run(commands, _THERE)

    async def isolate(self, terminal: str) -> None:
        """Take its role away and end its connection. Whom the broker does not know can say nothing anyway."""
        await self._run(
            [
                {"command": "modifyClient", "username": terminal, "roles": []},
                {"command": "disableClient", "username": terminal},
            ],
            _GONE,
        )

    async def release(self, terminal: str) -> None:
        """Give it its role again."""
        await self._run(
            [
                {"command": "modifyClient", "username": terminal, "roles": [{"rolename": role_of(terminal)}]},
                {"command": "enableClient", "username": terminal},
            ],
            (),
        )

    async def mute(self) -> frozenset[str]:
        """Clients that the broker knows, and that lack their role or are disabled."""
        found: set[str] = set()
        for start in itertools.count(0, AT_ONCE):
            listing = {"command": "listClients", "verbose": True, "count": AT_ONCE, "offset": start}
            clients = [_client(one) for answer in await self._run([listing], ()) for one in _listed(answer)]
            found |= {name for name, speaks in clients if not speaks}
            if len(clients) < AT_ONCE:
                break
        return frozenset(found)

    async def _run(self, commands: Sequence[Command], harmless: tuple[str, ...]) -> list[Command]:
        """The answers; :class:`Fault` where the broker refuses one for another reason than the harmless ones."""
        if self._talk is None:
            async with self._line() as talk:
                return await self._tell(talk, commands, harmless)
        return await self._tell(self._talk, commands, harmless)

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Line]:
        async with reached(self._access, "control") as talk:
            await talk.subscribe([ANSWERS])
            yield talk

    async def _tell(self, talk: Line, commands: Sequence[Command], harmless: tuple[str, ...]) -> list[Command]:
        where = f"{self._access.host}:{self._access.port}"
        found: list[Command] = []
        for start in range(0, len(commands), AT_ONCE):
            talk.messages.clear()
            part = json.dumps({"commands": commands[start : start + AT_ONCE]}).encode("utf-8")
            refused = await talk.publish(CONTROL, part)
            answer = None if refused else await talk.hears(lambda one: one.topic == ANSWERS)
            if answer is None:
                raise Fault(f"{where}: the broker takes no orders: {refused or 'no answer'}", _PLUGIN, Exit.REFUSED)
            found += _answers(answer.payload, harmless, where)
        return found


@asynccontextmanager
async def reached(access: BrokerAccess, purpose: str) -> AsyncIterator[Line]:
    """A line of head office's to the broker; :class:`Fault` where it cannot be reached or does not take head office."""
    where = f"{access.host}:{access.port}"
    client_id = f"{purpose}-{os.uname().nodename}-{os.getpid()}"  # two at once must not end each other's line
    try:
        async with line(access, client_id) as talk:
            if not await talk.open():
                raise Fault(f"{where}: {talk.ended}", "head office's certificate, at its own port?", Exit.REFUSED)
            yield talk
    except (OSError, TimeoutError) as fault:
        raise Fault(f"{where}: {words_of(fault, ANSWER_S)}", "is the broker running there?", Exit.UNREACHABLE) from None


def _answers(octets: bytes, harmless: tuple[str, ...], where: str) -> list[Command]:
    try:
        found = json.loads(octets)["responses"]
    except (ValueError, LookupError, TypeError, RecursionError):
        found = None
    if type(found) is not list or any(type(one) is not dict for one in found):
        raise Fault(f"{where}: the broker's answer to an order is not understood", _PLUGIN, Exit.REFUSED)
    for one in found:
        error = str(one.get("error", ""))
        if error and not any(words in error for words in harmless):
            raise Fault(f"{where}: {one.get('command')}: {error.lower()}", "fleet-console broker sync", Exit.REFUSED)
    return found


def _listed(answer: Command) -> list[Command]:
    """The clients of an answer to ``listClients``."""
    data = answer.get("data")
    clients = data.get("clients") if isinstance(data, dict) else None
    return [one for one in clients if isinstance(one, dict)] if isinstance(clients, list) else []


def _client(one: Command) -> tuple[str, bool]:
    """A client's name, and whether it may say anything."""
    return str(one.get("username", "")), bool(one.get("roles")) and not one.get("disabled")
