# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Readers: exchanges and recovery over libpcsclite, on our own service and on the real one. Prints nothing itself.

The peer of an exchange is pyscard's SCardTransmit itself, in the same run. Events and waiting are ``bench_cards``'.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from typing import TypeVar

from device_profiles import catalog
from device_profiles.model import Sharing
from terminal_agent.card.chaining import Chaining, whole
from terminal_agent.card.pcsc import open_reader
from terminal_agent.card.pcsc_hold import Hold
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.port import CardReader
from terminal_agent.card.scard import Context
from tests.bench.card_events import until
from tests.bench.row import Row
from tests.private_pcscd import PrivatePcscd
from tests.twin_pcscd import READER, TwinPcscd

T = TypeVar("T")
COMMAND = bytes.fromhex("00FF000000")  # an instruction that no card has: two octets come back
NAME = f"{READER} 00 00"
EXCHANGES, ROUNDS, RESTARTS = 200, 15, 30


def rows() -> list[Row]:
    """The rows of this area."""
    with TwinPcscd() as twin:
        twin.card()
        layer, bare = _layer()
        together, apart, hop = asyncio.run(_hops())
        recovered = asyncio.run(_restarts(twin))
    with PrivatePcscd() as real:
        real.card()
        their_recovered = asyncio.run(_restarts(real, 10))
    return [
        Row("APDU through the reader layer, in its thread", layer, "µs", "SCardTransmit alone", bare),
        Row("what the reader layer adds to an APDU", layer - bare, "µs", target=25.0),
        Row("APDU in a conversation, two threads", together, "µs", "a hop for each APDU", apart),
        Row("a conversation's one hop", hop, "µs", target=150.0),
        Row("service started to its state told, largest", recovered, "ms", "real pcscd", their_recovered, 1000.0),
    ]


async def _opened() -> CardReader:
    profile = catalog.reader("pcsc")
    return await open_reader(replace(profile, pcsc=replace(profile.pcsc, share=Sharing.SHARED)), f"pcsc:{NAME}")


def _turns(count: int) -> Generator[bytes, bytes, None]:
    for _ in range(count):
        yield COMMAND


def _layer() -> tuple[float, float]:
    """µs of an APDU through chaining and the worker's side, and of SCardTransmit alone, in turn in one thread.

    The least of the rounds: what other processes do can only make a round slower.
    """
    hold = Hold(catalog.reader("pcsc").pcsc, Context, time.monotonic)
    hold.take(NAME)
    card = hold._card
    if card is None:
        raise RuntimeError("the measured card is not there")
    handle, pci, scard, octets = card._handle, card._pci, card._scard, list(COMMAND)
    ours, bare = [], []
    for _ in range(ROUNDS):
        hold.begin()
        began = time.perf_counter()
        hold.converse(whole(_turns(EXCHANGES)), lambda direction, octets: None)
        ours.append((time.perf_counter() - began) / EXCHANGES * 1e6)
        began = time.perf_counter()
        for _ in range(EXCHANGES):
            scard.SCardTransmit(handle, pci, octets)
        bare.append((time.perf_counter() - began) / EXCHANGES * 1e6)
    hold.drop()
    return min(ours), min(bare)


async def _hops() -> tuple[float, float, float]:
    """µs of an APDU in a conversation and with a hop of its own, and of a conversation of none."""
    reader = await _opened()
    layered = Chaining(reader)
    samples: list[list[float]] = [[], [], []]
    try:
        if await reader.wait_for_card(5) is None:
            raise RuntimeError("the measured card is not there")
        for _ in range(ROUNDS):
            samples[0].append(await _timed(lambda: layered.converse(_turns(EXCHANGES))) / EXCHANGES)
            samples[1].append(await _timed(lambda: _one_by_one(layered, EXCHANGES)) / EXCHANGES)
            samples[2].append(await _timed(lambda: layered.converse(_turns(0))))
    finally:
        await reader.close()
    together, apart, none = (min(one) for one in samples)
    return together, apart, none


async def _one_by_one(reader: CardReader, count: int) -> None:
    for _ in range(count):
        await reader.transmit(COMMAND)


async def _timed(work: Callable[[], Awaitable[T]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1e6


async def _restarts(service: TwinPcscd | PrivatePcscd, count: int = RESTARTS) -> float:
    """The largest time in ms from the service's return until its readers were told."""
    ours = PcscService()
    view = ours.view()
    taken = []
    try:
        await until(view, lambda table: NAME in table.slots)
        for _ in range(count):
            await asyncio.to_thread(service.kill)
            async with asyncio.timeout(5):
                while view.look().fault is None:
                    await view.changed()
            await asyncio.to_thread(service.start)
            began = time.perf_counter()
            await until(view, lambda table: NAME in table.slots)
            taken.append((time.perf_counter() - began) * 1e3)
    finally:
        await ours.give_back(view)
    return max(taken)
