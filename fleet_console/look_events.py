# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console events`: reports as they were committed, or dead letters with their reasons. Changes nothing."""

import argparse
import asyncio
import contextlib
import signal
import time
from datetime import UTC, datetime

from fleet_console.arguments import common
from fleet_console.settings import load
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database, Row, Value
from protocols.telemetry.envelope import decode
from protocols.telemetry.events import Lane, words
from protocols.telemetry.topics import is_terminal_name
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console events --limit 20
  fleet-console events --terminal TG000001 --lane alert
  fleet-console events --follow --json
  fleet-console events --dead
"""
LARGEST_LIMIT = 100_000
POLL_S = 0.25
_REPORTS = "SELECT number, octets, heard_ms FROM reports"
_DEAD = "SELECT number, terminal, topic, reason, words, heard_ms FROM dead_letters"


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--terminal", metavar="NAME", help="of one terminal only")
    parser.add_argument("--lane", choices=[lane.value for lane in Lane], help="of one lane only")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="the latest N (50)")
    parser.add_argument("--dead", action="store_true", help="messages that were not taken, and why")
    parser.add_argument("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Print them in the order in which they were committed."""
    if not 1 <= args.limit <= LARGEST_LIMIT:
        raise Fault(f"--limit: 1 to {LARGEST_LIMIT} expected", "50 is the default", Exit.USAGE)
    if args.terminal is not None and not is_terminal_name(args.terminal):
        raise Fault("--terminal: a terminal's name expected", "such as TG000001", Exit.USAGE)
    if args.dead and args.lane:
        raise Fault("--dead and --lane: one of the two", "a dead letter may have no lane", Exit.USAGE)
    voice = Voice("fleet-console", as_json=args.json)
    return asyncio.run(_events(load(args.settings).store, args, voice))


async def _events(address: str, args: argparse.Namespace, voice: Voice) -> int:
    database = await open_store(address, must_exist=True)
    show = _show_dead if args.dead else _show_report
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if args.follow and (pipe := voice.pipe) is not None:
        asyncio.get_running_loop().add_reader(pipe, stop.set)
    last = 0
    try:
        found = (await _select(database, args, None))[::-1]
        while True:
            for row in found:
                last = row[0]
                show(row, voice)
            if not args.follow:
                return 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await stop.wait()
            if stop.is_set():
                return 0
            found = await _select(database, args, last)
    finally:
        await database.close()


async def _select(database: Database, args: argparse.Namespace, after: int | None) -> list[Row]:
    """The latest, newest first; with ``after`` the next behind that number."""
    wanted: list[tuple[str, Value]] = [("terminal =", args.terminal), ("lane =", args.lane), ("number >", after)]
    given = [(name, value) for name, value in wanted if value is not None]
    where = " AND ".join(f"{name} ${place}" for place, (name, _) in enumerate(given, 1))
    order = "DESC" if after is None else "ASC"
    statement = f"{_DEAD if args.dead else _REPORTS}{' WHERE ' + where if where else ''} ORDER BY number {order} LIMIT "
    return await database.read(f"{statement}${len(given) + 1}", *(value for _, value in given), args.limit)


def _show_report(row: Row, voice: Voice) -> None:
    number, octets, heard = row
    report = decode(bytes(octets))
    event = report.event
    document = {
        "event": "report", "number": number, "terminal": report.terminal, "boot": report.boot, "seq": report.seq,
        "lane": report.lane.value, "at_ms": event.at_ms, "heard_ms": heard, "name": event.name,
        "fields": dict(event.fields), "words": words(event),
    }  # fmt: skip
    text = words(event)
    text = voice.paint(text, "red") if report.lane is Lane.ALERT else text
    voice.answer(document, f"{_time(heard)} {report.terminal} {text}")


def _show_dead(row: Row, voice: Voice) -> None:
    number, terminal, topic, reason, why, heard = row
    document = {
        "event": "dead letter", "number": number, "terminal": terminal, "topic": topic, "reason": reason, "words": why,
        "heard_ms": heard,
    }  # fmt: skip
    voice.answer(document, f"{_time(heard)} {topic} {voice.paint(reason, 'yellow')}: {why}")


def _time(at_ms: int) -> str:
    stamp = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
    day = "" if time.strftime("%F") == stamp.strftime("%F") else f"{stamp:%F} "
    return f"{day}{stamp:%H:%M:%S}"
