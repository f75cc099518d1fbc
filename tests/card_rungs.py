# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The same card on four rungs, for one set of tests. Tests nothing itself.

In process: the card behind the reader's port. Twin: our own service behind libpcsclite. vpcd: the real pcscd with
virtual readers. ccid: the real pcscd with Debian's driver for serial CCID readers, whose T=1 engine, and whose reader's
keypad, stand between us and the card.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from device_profiles import catalog
from device_profiles.serve.card_choice import chosen
from device_profiles.twins.card import CardTorn
from scripts.lib.stations import Station, command
from terminal_agent.card.chaining import Chaining
from terminal_agent.card.pcsc import open_reader
from terminal_agent.card.port import CardLost, CardPresence, CardReader
from tests.patience import PATIENCE_S
from tests.private_pcscd import READER, PrivatePcscd, until_missed
from tests.twin_pcscd import TwinPcscd

RUNGS = (
    "in-process", "twin-t1", "twin-t0", "vpcd-t1", "vpcd-t0",
    "GemPCTwin-t1", "GemPCPinPad-t0", "GemPCPinPad-t1", "GemCorePOSPro-t0", "GemCorePOSPro-t1",
)  # fmt: skip
KEYPADS = ("twin-t1", "twin-t0", "GemPCPinPad-t0", "GemPCPinPad-t1")
CARD = "test-visa-contact"


@dataclasses.dataclass
class Rung:
    """A reader, and the person who has the card."""

    reader: CardReader
    remove: Callable[[], None]
    insert: Callable[[], None]


class InProcess:
    """The card behind the port."""

    def __init__(self, fault: str) -> None:
        self._card = chosen(CARD, fault)
        self._in = True

    def put(self, inside: bool) -> None:
        self._in = inside

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        if not self._in:
            return None
        self._card.power_off()
        self._card.power_on()
        return CardPresence("contact", "contact card, in this process")

    async def transmit(self, command: bytes) -> bytes:
        if not self._in:
            raise CardLost("the card was taken out")
        try:
            return self._card.apdu(command)
        except CardTorn:
            self._in = False
            raise CardLost("the card left") from None

    async def release(self) -> None:
        self._card.power_off()

    async def close(self) -> None:
        self._card.power_off()


@contextlib.asynccontextmanager
async def on(rung: str, folder: Path, fault: str = "none", **settings: Any) -> AsyncIterator[Rung]:
    """The card on that rung, in its reader, with layers as in a payment. ``settings`` of the reader's profile."""
    kind, _, transmission = rung.partition("-")
    if rung == "in-process":
        inside = InProcess(fault)
        yield Rung(Chaining(inside), lambda: inside.put(False), lambda: inside.put(True))
        return
    opener = {"twin": _twin, "vpcd": _vpcd}.get(kind, _ccid)
    async with opener(kind, transmission, fault, folder) as (line, remove, insert):
        generic = catalog.reader("pcsc")
        reader = await open_reader(
            dataclasses.replace(generic, pcsc=dataclasses.replace(generic.pcsc, **settings)), line
        )
        try:
            yield Rung(Chaining(reader), remove, insert)
        finally:
            await reader.close()


Desk = tuple[str, Callable[[], None], Callable[[], None]]


@contextlib.asynccontextmanager
async def _twin(kind: str, transmission: str, fault: str, folder: Path) -> AsyncIterator[Desk]:
    with TwinPcscd("--keypad", READER) as service:
        card = service.card("--transmission", transmission, "--fault", fault)
        yield "pcsc:", card.remove, card.insert


@contextlib.asynccontextmanager
async def _vpcd(kind: str, transmission: str, fault: str, folder: Path) -> AsyncIterator[Desk]:
    with PrivatePcscd() as service:
        card = service.card("--transmission", transmission, "--fault", fault)

        def remove() -> None:
            card.remove()
            until_missed(service.client)

        yield f"pcsc:{READER} * 00", remove, card.insert


@contextlib.asynccontextmanager
async def _ccid(kind: str, transmission: str, fault: str, folder: Path) -> AsyncIterator[Desk]:
    link = folder / "line"
    words = f"{CARD};transmission={transmission};fault={fault}"
    argv = [command("device-twin"), "ccid", "--kind", kind, "--card", words, "--link", str(link), "--json"]
    reader = Station("ccid", argv, lambda name, line: None, obeys=True)
    try:
        reader.wait_ready()

        def order(what: str, event: str) -> None:
            reader.order(what)
            said: dict[str, Any] | None = reader.next_line(PATIENCE_S)
            assert said is not None
            assert said["event"] == event, said

        with PrivatePcscd(serial=(f"{READER}={link}:{kind}",)) as service:

            def remove() -> None:
                order("remove 0", "card.removed")
                until_missed(service.client)

            yield f"pcsc:{READER} ?? 00", remove, lambda: order("insert 0", "card.inserted")
    finally:
        reader.stop()


async def person(work: Callable[[], None]) -> None:
    """Let the person act while the loop runs on."""
    await asyncio.to_thread(work)
