# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Readers: events, exchanges, recovery and waiting over libpcsclite, on our own service and on the real one.

An event is timed from the order to the person at the desk until our reader layer has told its loop, both processes and
the pipe between them included. The peer of an exchange is pyscard's SCardTransmit itself, in the same run.
"""

import asyncio
import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from device_profiles import catalog
from device_profiles.model import Sharing
from scripts.lib.stations import command
from terminal_agent.card.chaining import Chaining, whole
from terminal_agent.card.pcsc import open_reader
from terminal_agent.card.pcsc_hold import Hold
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.pcsc_watch import Table, View
from terminal_agent.card.port import CardReader
from terminal_agent.card.scard import Context
from tests.bench.row import Row
from tests.private_pcscd import PrivatePcscd
from tests.twin_pcscd import READER, TwinPcscd

T = TypeVar("T")
COMMAND = bytes.fromhex("00FF000000")  # an instruction that no card has: two octets come back
NAME = f"{READER} 00 00"
EVENTS, REAL_EVENTS, EXCHANGES, ROUNDS, RESTARTS = 200, 12, 200, 15, 30
WAITING_S = 10.0


def rows() -> list[Row]:
    """The rows of this area."""
    with TwinPcscd() as twin:
        card = twin.card()
        layer, bare = _layer()
        together, apart, hop = asyncio.run(_hops())
        come, go = asyncio.run(_events(card.insert, card.remove, EVENTS))
        waiting = _waiting()
        recovered = asyncio.run(_restarts(twin))
    with PrivatePcscd() as real:
        theirs = real.card()
        their_come, their_go = asyncio.run(_events(theirs.insert, theirs.remove, REAL_EVENTS))
        their_recovered = asyncio.run(_restarts(real, 10))
    return [
        Row("card inserted to event, our service, p95", come, "ms", "real pcscd (polls)", their_come, 5.0),
        Row("card removed to event, our service, p95", go, "ms", "real pcscd (polls)", their_go, 5.0),
        Row("APDU through the reader layer, in its thread", layer, "µs", "SCardTransmit alone", bare),
        Row("what the reader layer adds to an APDU", layer - bare, "µs", target=25.0),
        Row("APDU in a conversation, two threads", together, "µs", "a hop for each APDU", apart),
        Row("a conversation's one hop", hop, "µs", target=150.0),
        Row("service started to its state told, largest", recovered, "ms", "real pcscd", their_recovered, 1000.0),
        Row("waiting for a card", waiting, "% CPU", target=0.2),
        Row(
            "virtual readers with cards in one run", float(_sixty_four()), "readers", target=64, smaller_is_better=False
        ),
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


async def _events(insert: Callable[[], None], remove: Callable[[], None], count: int) -> tuple[float, float]:
    """95th percentile in ms from the order until the event was told, in and out."""
    service = PcscService()
    view = service.view()
    taken: dict[bool, list[float]] = {True: [], False: []}
    try:
        await asyncio.to_thread(remove)
        await _until(view, lambda table: not table.slots[NAME].present)
        for _ in range(count):
            for present in (True, False):
                began = time.perf_counter()
                acting = asyncio.create_task(asyncio.to_thread(insert if present else remove))
                await _until(view, lambda table, wanted=present: table.slots[NAME].present is wanted)  # type: ignore[misc]
                taken[present].append((time.perf_counter() - began) * 1e3)
                await acting
        await asyncio.to_thread(insert)
    finally:
        await service.give_back(view)
    return tuple(statistics.quantiles(one, n=20)[-1] for one in (taken[True], taken[False]))  # type: ignore[return-value]


async def _until(view: View, wanted: Callable[[Table], bool]) -> Table:
    async with asyncio.timeout(10):
        while True:
            await view.changed()
            table = view.look()
            with contextlib.suppress(KeyError):
                if table.fault is None and wanted(table):
                    return table


async def _restarts(service: TwinPcscd | PrivatePcscd, count: int = RESTARTS) -> float:
    """The largest time in ms from the service's return until its readers were told."""
    ours = PcscService()
    view = ours.view()
    taken = []
    try:
        await _until(view, lambda table: NAME in table.slots)
        for _ in range(count):
            await asyncio.to_thread(service.kill)
            async with asyncio.timeout(5):
                while view.look().fault is None:
                    await view.changed()
            await asyncio.to_thread(service.start)
            began = time.perf_counter()
            await _until(view, lambda table: NAME in table.slots)
            taken.append((time.perf_counter() - began) * 1e3)
    finally:
        await ours.give_back(view)
    return max(taken)


def _waiting() -> float:
    """Per cent of one processor that a program takes which waits for cards, after its start."""
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r}); " + (
        "import asyncio; from tests.bench.bench_readers import _idle; print(asyncio.run(_idle()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return float(done.stdout)


async def _idle() -> float:
    reader = await open_reader(catalog.reader("pcsc"), f"pcsc:{NAME}")
    try:
        waiting = asyncio.create_task(reader.wait_for_card(600))
        await asyncio.sleep(1)
        before = resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.sleep(WAITING_S)
        after = resource.getrusage(resource.RUSAGE_SELF)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    finally:
        await reader.close()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used / WAITING_S * 100


def _sixty_four() -> int:
    """Readers of four services that a program of ours found a card in."""
    found = 0
    with tempfile.TemporaryDirectory(prefix="tg-") as folder, contextlib.ExitStack() as stack:
        services = []
        for number in range(4):
            words = [word for place in range(16) for word in ("--reader", f"R{place}=test-visa-contact")]
            services.append(stack.enter_context(TwinPcscd(*words, folder=Path(folder) / str(number))))
        for twin in services:
            listed = twin.client(command("terminal-agent"), "reader", "list", "--json").stdout
            found += listed.count("ATR 3BE000008131FE45EB")
    return found
