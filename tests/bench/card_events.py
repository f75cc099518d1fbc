# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How soon a card's coming and going is told, what waiting for it costs, how many readers there may be. Prints nothing.

An event is timed from the order to the person at the desk until our reader layer has told its loop, both processes and
the pipe between them included.
"""

import asyncio
import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from device_profiles import catalog
from scripts.lib.stations import command
from terminal_agent.card.pcsc import open_reader
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.pcsc_watch import Table, View
from tests.bench.row import Row
from tests.private_pcscd import PrivatePcscd
from tests.twin_pcscd import READER, TwinPcscd

NAME = f"{READER} 00 00"
EVENTS, REAL_EVENTS = 200, 12
WAITING_S = 10.0


def rows() -> list[Row]:
    """The rows that ``bench_cards`` adds to its own."""
    with TwinPcscd() as twin:
        card = twin.card()
        come, go = asyncio.run(events(card.insert, card.remove, EVENTS))
        idle = waiting()
    with PrivatePcscd() as real:
        theirs = real.card()
        their_come, their_go = asyncio.run(events(theirs.insert, theirs.remove, REAL_EVENTS))
    readers = float(sixty_four())
    return [
        Row("card inserted to event, our service, p95", come, "ms", "real pcscd (polls)", their_come, 5.0),
        Row("card removed to event, our service, p95", go, "ms", "real pcscd (polls)", their_go, 5.0),
        Row("virtual readers with cards in one run", readers, "readers", target=64, smaller_is_better=False),
        Row("waiting for a card", idle, "% CPU", target=0.2),
    ]


async def events(insert: Callable[[], None], remove: Callable[[], None], count: int) -> tuple[float, float]:
    """95th percentile in ms from the order until the event was told, in and out."""
    service = PcscService()
    view = service.view()
    taken: dict[bool, list[float]] = {True: [], False: []}
    try:
        await asyncio.to_thread(remove)
        await until(view, lambda table: not table.slots[NAME].present)
        for _ in range(count):
            for present in (True, False):
                began = time.perf_counter()
                acting = asyncio.create_task(asyncio.to_thread(insert if present else remove))
                await until(view, lambda table, wanted=present: table.slots[NAME].present is wanted)  # type: ignore[misc]
                taken[present].append((time.perf_counter() - began) * 1e3)
                await acting
        await asyncio.to_thread(insert)
    finally:
        await service.give_back(view)
    return tuple(statistics.quantiles(one, n=20)[-1] for one in (taken[True], taken[False]))  # type: ignore[return-value]


async def until(view: View, wanted: Callable[[Table], bool]) -> Table:
    async with asyncio.timeout(10):
        while True:
            await view.changed()
            table = view.look()
            with contextlib.suppress(KeyError):
                if table.fault is None and wanted(table):
                    return table


def waiting() -> float:
    """Per cent of one processor that a program takes which waits for cards, after its start."""
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r}); " + (
        "import asyncio; from tests.bench.card_events import _idle; print(asyncio.run(_idle()))"
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


def sixty_four() -> int:
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
