# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One life of a terminal's own outbox and reporter, for whoever kills it: a few reports, and the receipts for all."""

import argparse
import asyncio
import contextlib
import random
import time
from pathlib import Path

from protocols.telemetry.events import make
from terminal_agent.clock import GuardedClock, SystemClock
from terminal_agent.report.mqtt import connect
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import ReportSettings

AGENT = "TG000004"
OUTBOX = "outbox.db"
_EVENTS = (
    ("agent.started", {"version": "1", "reader": "r", "pad": "p"}),
    ("device.lost", {"device": "reader", "reason": "unplugged"}),
    ("device.back", {"device": "reader"}),
    ("payment.step", {"payment": "p-1", "step": "online", "wire": "host", "ms": 9}),
)


def main(words: list[str]) -> int:
    """``FOLDER PORT SECONDS``; prints a line once every report has its receipt."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("within", type=float)
    args = parser.parse_args(words)
    return asyncio.run(_life(args.folder, args.port, args.within))


async def _life(folder: Path, port: int, within_s: float) -> int:
    now = time.time_ns() // 1_000_000
    outbox = Outbox.open(folder / OUTBOX, AGENT, opened_at_ms=now)
    files = (folder / name for name in ("ca.pem", f"{AGENT}.pem", f"{AGENT}.key"))
    settings = ReportSettings(
        f"127.0.0.1:{port}", *files, longest_wait_s=1.0, receipt_s=1.0, receipt_key=folder / "receipt.pub"
    )
    reporter = Reporter(settings, AGENT, outbox, GuardedClock(SystemClock(), None), connect, random.random)
    running = asyncio.create_task(reporter.run())
    for name, fields in _EVENTS:
        outbox.put(make(name, now, **fields))
        await asyncio.sleep(0.01)
    deadline = time.monotonic() + within_s
    while outbox.waiting and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    left = outbox.waiting
    outbox.close()
    print(f'{{"event":"done","waiting":{left}}}', flush=True)
    return int(bool(left))
