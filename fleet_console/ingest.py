# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console ingest`: takes the fleet's reports into the store, each once, and answers with signed receipts.

The composition root: settings, store, workers, metrics and signals meet here and nowhere else.
"""

import argparse
import asyncio
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from fleet_console import metrics
from fleet_console.arguments import common
from fleet_console.audit_command import once, signing_key_of
from fleet_console.cordon import Cordon
from fleet_console.findings import Say
from fleet_console.jury import Jury
from fleet_console.settings import IngestSettings, OfficeSettings, load, needed
from fleet_console.store.choose import open_store
from fleet_console.worker import Tools, Worker
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console ingest --settings office.toml
  fleet-console ingest --json
"""
HOUR_S = 3_600.0
SWITCH_S = 0.0005  # a thread that comes back from a signature or a commit waits no longer for the interpreter
GARBAGE = 100_000  # new objects before garbage is looked for: a chunk of reports is not
PATIENCE_S = 2.0  # so long a standby leaves a free group to the worker whose it is


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Ingest until SIGTERM or SIGINT."""
    settings = load(args.settings)
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # what is loaded stays
    gc.set_threshold(GARBAGE, 20, 20)
    try:
        import uvloop
    except ModuleNotFoundError:  # the extra `fast`: half the event loop's cost, and nothing else
        return asyncio.run(_ingest(args.settings, settings, args.json))
    return uvloop.run(_ingest(args.settings, settings, args.json))


async def _ingest(path: Path, settings: OfficeSettings, as_json: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    voice = Voice("fleet-console", as_json=as_json)
    wanted = needed(settings.ingest, "ingest", path)
    broker = needed(settings.broker, "broker", path)
    counts = metrics.Counts()
    jury = Jury(wanted.threads or len(os.sched_getaffinity(0)))
    cordon = Cordon.of(settings, _speaker(voice), counts)
    async with AsyncExitStack() as open_things:
        open_things.callback(jury.close)
        tools = Tools(
            open_store=lambda: open_store(settings.store),
            access=broker.access,
            judging=jury.judge,
            signer=signing_key_of(wanted.receipt_key),
            clock_ms=lambda: time.time_ns() // 1_000_000,
            randomness=random.random,
            counts=counts,
            say=_speaker(voice),
            contain=cordon.bar if wanted.isolate_clones else None,
        )
        address = await _metrics(counts, wanted.metrics_port, open_things)
        beside: list[Coroutine[Any, Any, None]] = [cordon.run()]
        if 0 in wanted.group and (settings.audit.key or settings.audit.tsa):
            beside.append(_hourly(settings, tools.say))
        workers = [Worker(one, wanted.groups, tools) for one in wanted.group]
        others = [one for one in range(wanted.groups) if one not in wanted.group]
        spares = [Worker(one, wanted.groups, tools, PATIENCE_S) for one in others if wanted.standby]
        beside += [spare.run() for spare in spares]
        return await _until_stopped(workers, beside, stop, lambda: _ready(voice, settings, wanted, address))


async def _until_stopped(
    workers: Sequence[Worker],
    beside: Sequence[Coroutine[Any, Any, None]],
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> int:
    running = [asyncio.create_task(one) for one in (*(worker.run() for worker in workers), *beside)]
    stopped = asyncio.create_task(_awaited(stop))
    begun = asyncio.create_task(_all_ready(workers))
    try:
        await asyncio.wait({begun, stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            ready()
            await asyncio.wait({stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
        for one in running:
            if one.done():
                one.result()  # raises what ended it
        return 0
    finally:
        for pending in (begun, stopped, *running):
            pending.cancel()
        await asyncio.gather(begun, stopped, *running, return_exceptions=True)


async def _awaited(stop: asyncio.Event) -> None:
    await stop.wait()


async def _all_ready(workers: Sequence[Worker]) -> None:
    for worker in workers:
        await worker.ready.wait()


async def _hourly(settings: OfficeSettings, say: Say) -> None:
    """Countersign the audit chain's head; what fails is said and tried again an hour later."""
    while True:
        try:
            database = await open_store(settings.store)
            try:
                kinds = await once(database, settings.audit)
            finally:
                await database.close()
            say("countersigned", {"by": kinds}, f"audit head countersigned by {', '.join(kinds)}")
        except Fault as fault:
            say("not countersigned", {"reason": fault.what}, f"audit head not countersigned: {fault.what}")
        await asyncio.sleep(HOUR_S)


async def _metrics(counts: metrics.Counts, port: int | None, open_things: AsyncExitStack) -> str | None:
    if port is None:
        return None
    try:
        server = await metrics.serve(counts, port)
    except OSError as fault:
        words = (fault.strerror or "cannot be listened on").lower()
        raise Fault(f"metrics-port {port}: {words}", "0 takes a free one", Exit.USAGE) from None
    open_things.callback(server.close)
    return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _speaker(voice: Voice) -> Say:
    def say(event: str, document: Mapping[str, object], words: str) -> None:
        if voice.as_json:
            voice.data({"event": event, **document})
        else:
            voice.tell(words)

    return say


def _ready(voice: Voice, settings: OfficeSettings, wanted: IngestSettings, address: str | None) -> None:
    document = {"event": "ready", "groups": wanted.groups, "group": list(wanted.group), "metrics": address}
    voice.answer(document, f"ready, {len(wanted.group)} of {wanted.groups} shard groups")
