# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A fleet around one broker: head office, a terminal, and a second terminal that has been taken over. Attacks nothing.

The attacker holds a valid certificate of the fleet: that is what is left to him once TLS does its part.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from mqtt5 import Will

from device_profiles.serve import mosquitto
from device_profiles.serve.mosquitto_log import Watchman
from device_profiles.serve.mqtt import BrokerServer
from device_profiles.serve.mutual_tls import server_context
from device_profiles.twins.broker_access import Trespass
from protocols.telemetry.events import Lane
from protocols.telemetry.topics import EVERYTHING, HEAD_OFFICE, order_topic, report_topic
from tests.attacks.mqtt_party import Party, party
from tests.attacks.soft.broker import open_broker
from tests.brokers import TERMINALS, Pki, make_pki

VICTIM, ROGUE = TERMINALS


class Fleet:
    """A :class:`tests.attacks.harness.Target`: a broker and whoever is connected to it."""

    def __init__(self, port: int, pki: Pki, denied: list[Trespass], parties: AsyncExitStack) -> None:
        self._port = port
        self._pki = pki
        self._denied = denied
        self._parties = parties

    async def connect(self, name: str, *, will: Will | None = None, client_id: str | None = None) -> Party:
        """Somebody joins, and stays until the end."""
        return await self._parties.enter_async_context(
            party(self._port, self._pki, name, will=will, client_id=client_id)
        )

    async def listening(self, name: str) -> Party:
        """Head office or a terminal joins and subscribes to what is its own."""
        joined = await self.connect(name)
        await joined.subscribe(EVERYTHING if name == HEAD_OFFICE else order_topic(name))
        return joined

    async def honest(self) -> bool:
        """Each terminal reports, head office hears both, and each gets its order."""
        async with AsyncExitStack() as here:
            head, *terminals = [
                await here.enter_async_context(party(self._port, self._pki, name, client_id=f"{name}-honest"))
                for name in (HEAD_OFFICE, *TERMINALS)
            ]
            await head.subscribe(EVERYTHING)
            for name, terminal in zip(TERMINALS, terminals, strict=True):
                await terminal.subscribe(order_topic(name))
                await terminal.publish(report_topic(name, Lane.HEALTH), b"well")
                await head.publish(order_topic(name), b"report")
                if not await head.hears(report_topic(name, Lane.HEALTH), b"well"):
                    return False
                if not await terminal.hears(order_topic(name), b"report"):
                    return False
        return True

    def alerts(self) -> list[str]:
        """What whoever runs the broker is told."""
        return [f"denied: {one.deed}" for one in self._denied if one.name == ROGUE]


Broker = Callable[[Path, Pki, list[Trespass]], AbstractAsyncContextManager[int]]


@asynccontextmanager
async def _mosquitto(folder: Path, pki: Pki, denied: list[Trespass]) -> AsyncIterator[int]:
    port = mosquitto.free_port()
    files = (pki.ca, pki.certificate("broker"), pki.key("broker"))
    settings = mosquitto.configuration(folder, port, *files, verbose=True)
    child = await mosquitto.Mosquitto.start(mosquitto.must_find(), settings, _into(denied))
    try:
        await child.ready(port)
        yield port
    finally:
        await child.stop()


@asynccontextmanager
async def _twin(folder: Path, pki: Pki, denied: list[Trespass]) -> AsyncIterator[int]:
    context = server_context(pki.ca, pki.certificate("broker"), pki.key("broker"))
    server = BrokerServer(context, alarm=denied.append)
    try:
        yield await server.start(0)
    finally:
        await server.close()


@asynccontextmanager
async def _open(folder: Path, pki: Pki, denied: list[Trespass]) -> AsyncIterator[int]:
    async with open_broker(folder, pki, _into(denied)) as port:
        yield port


def _into(denied: list[Trespass]) -> Callable[[str], None]:
    watchman = Watchman()

    def said(line: str) -> None:
        if (trespass := watchman.read(line)) is not None:
            denied.append(trespass)

    return said


@asynccontextmanager
async def fleet(broker: Broker, folder: Path) -> AsyncIterator[Fleet]:
    """A fleet around a broker of the kind."""
    pki = make_pki(folder)
    denied: list[Trespass] = []
    async with broker(folder, pki, denied) as port, AsyncExitStack() as parties:
        yield Fleet(port, pki, denied, parties)


soft_fleet = partial(fleet, _open)
HARDENED = {"mosquitto": partial(fleet, _mosquitto), "broker twin": partial(fleet, _twin)}
"""Both brokers that are shipped."""
