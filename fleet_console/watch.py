# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console watch`: prints the fleet's reports as they come, each once, and acknowledges what it has printed.

It is a viewer: it stores nothing, and what it has seen it knows only while it runs.
"""

import argparse
import asyncio
import contextlib
import random
import signal
from datetime import UTC, datetime

from fleet_console.feed import Feed, Joined, Parted
from fleet_console.settings import BrokerAccess
from fleet_console.story import Gap, Stories, Verdict
from protocols.errors import DecodeError
from protocols.mqtt.session import Message
from protocols.telemetry.envelope import Report, decode
from protocols.telemetry.events import Lane, fit, words
from protocols.telemetry.topics import EVERYTHING, read_report_topic
from tillguard.voice import Voice

_OUTCOME_STYLES = {"approved": "green", "declined": "yellow", "cancelled": "yellow", "failed": "red"}


class Watch:
    """Turns messages into lines."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._stories = Stories()
        self.shown = 0

    def show(self, message: Message) -> None:
        """Print one message: a report that is new, or why it is none."""
        try:
            terminal, lane = read_report_topic(message.topic)
            report = decode(message.payload)
            if report.terminal != terminal or report.lane != lane:
                raise DecodeError("report", "terminal and lane of its topic expected")
        except DecodeError as fault:
            self._say(
                {"event": "refused", "topic": fit(message.topic), "reason": str(fault)},
                self._voice.paint(f"refused a message on {fit(message.topic)}: {fault}", "red"),
            )
            return
        finding = self._stories.hear(report, message.payload)
        if finding.gap is not None:
            self._gap(finding.gap)
        if finding.verdict is Verdict.DUPLICATE:
            return
        if finding.verdict is Verdict.UNLINKED:
            where = {"terminal": report.terminal, "boot": report.boot, "seq": report.seq}
            text = f"{report.terminal}: report {report.seq} does not follow the one before it"
            self._say({"event": "unlinked", **where}, self._voice.paint(text, "red"))
        self._report(report)
        self.shown += 1

    def connection(self, change: Joined | Parted) -> None:
        """Say what happens to the connection."""
        if isinstance(change, Joined):
            session = "kept" if change.kept else "new"
            self._say({"event": "connected", "session": session}, f"connected, session {session}", talk=True)
        else:
            again = round(change.again_s, 3)
            text = f"disconnected: {change.why}; again in {again:g} s"
            self._say({"event": "disconnected", "reason": change.why, "again_s": again}, text, talk=True)

    def _gap(self, gap: Gap) -> None:
        numbers = f"report {gap.first}" if gap.first == gap.last else f"reports {gap.first} to {gap.last}"
        document = {"event": "gap", "terminal": gap.terminal, "boot": gap.boot, "first": gap.first, "last": gap.last}
        self._say(document, self._voice.paint(f"{gap.terminal}: {numbers} missing so far", "yellow"))

    def _report(self, report: Report) -> None:
        event = report.event
        document = {
            "event": "report",
            "terminal": report.terminal,
            "boot": report.boot,
            "seq": report.seq,
            "lane": report.lane.value,
            "at_ms": event.at_ms,
            "name": event.name,
            "fields": dict(event.fields),
            "words": words(event),
        }
        style = "red" if report.lane is Lane.ALERT else _OUTCOME_STYLES.get(str(event.fields.get("outcome")), "")
        text = self._voice.paint(words(event), *([style] if style else []))
        self._say(document, f"{self._voice.paint(_time(event.at_ms), 'dim')} {report.terminal} {text}")

    def _say(self, document: dict[str, object], text: str, *, talk: bool = False) -> None:
        if talk and not self._voice.as_json:
            self._voice.tell(text)
        else:
            self._voice.answer(document, text)


def run(args: argparse.Namespace) -> int:
    """Watch until SIGTERM or SIGINT, or until ``--count`` reports were shown."""
    access = BrokerAccess.of(args.broker, args.ca, args.certificate, args.key)
    return asyncio.run(_watch(access, args.name, args.count, Voice("fleet-console", as_json=args.json)))


async def _watch(access: BrokerAccess, name: str, count: int | None, voice: Voice) -> int:
    task = asyncio.current_task()
    assert task is not None
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    feed = Feed(access, name, (EVERYTHING,), random.random)
    watch = Watch(voice)
    ready = False
    try:
        async with contextlib.aclosing(feed.messages()) as messages:
            async for item in messages:
                if isinstance(item, Message):
                    watch.show(item)
                    feed.done_with(item)
                    if count is not None and watch.shown >= count:
                        break
                elif isinstance(item, Joined) and not ready:
                    ready = True
                    address = f"{access.host}:{access.port}"
                    session = "kept" if item.kept else "new"
                    voice.answer(
                        {"event": "ready", "broker": address, "session": session}, f"ready {address}, session {session}"
                    )
                else:
                    watch.connection(item)
    except asyncio.CancelledError:
        if not stopped:
            raise
    return 0


def _time(at_ms: int) -> str:
    """The terminal's time in this machine's zone; a time beyond what it can show as the bare number."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (OverflowError, OSError, ValueError):
        return str(at_ms)
