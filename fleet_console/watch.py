# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console watch`: verifies and prints the fleet's reports as they come, each once. Gives no receipt.

It is a viewer: it stores nothing, and what it has seen it knows only while it runs. It acknowledges to the broker what
it has printed; a terminal keeps its reports all the same, until whoever commits them gives a receipt.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from fleet_console.feed import Feed, Joined, Parted
from fleet_console.heard import Gap, Heard, Verdict
from fleet_console.settings import BrokerAccess
from protocols.errors import DecodeError
from protocols.mqtt.session import Message
from protocols.telemetry.batch import CONTEXT, Line, lines, read_batch
from protocols.telemetry.envelope import Report
from protocols.telemetry.events import Lane, fit, words
from protocols.telemetry.keys import PublicKey, from_certificate
from protocols.telemetry.ranges import ranges_text, read_ranges
from protocols.telemetry.seal import Sealed
from protocols.telemetry.topics import EVERYTHING, ORDER, RECEIPT, read_report_topic
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

LONGEST_NAME = 64
GAP_S = 3.0  # how long a number may be missing before it is said: an urgent lane overtakes the others
_OUTCOME_STYLES = {"approved": "green", "declined": "yellow", "cancelled": "yellow", "failed": "red"}


class Keys(Protocol):
    """Whose signature counts."""

    def signed(self, terminal: str, sealed: Sealed) -> bool:
        """Whether this terminal signed it; :class:`DecodeError` where its key cannot be had."""


class Certificates:
    """The keys of the terminals, from a folder with each one's certificate, ``TG000001.pem``."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise Fault(f"{folder}: no such folder", "name the one with the terminals' certificates", Exit.USAGE)
        self._folder = folder
        self._known: dict[str, PublicKey] = {}

    def signed(self, terminal: str, sealed: Sealed) -> bool:
        """Whether this terminal signed it; :class:`DecodeError` where its certificate cannot be had."""
        known = self._known.get(terminal)
        if known is None or known.key_id != sealed.key_id:  # a new certificate may have come since
            path = self._folder / f"{terminal}.pem"
            try:
                known = self._known[terminal] = from_certificate(path.read_bytes(), "certificate")
            except OSError:
                raise DecodeError("batch", "the terminal's certificate is not known here") from None
        return known.signed(sealed, CONTEXT)


class Watch:
    """Turns messages into lines. Without ``keys`` no signature is verified, and each report says so."""

    def __init__(
        self,
        voice: Voice,
        keys: Keys | None = None,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._voice = voice
        self._keys = keys
        self._steady_s = steady_s
        self._heard = Heard()
        self._gaps: list[tuple[float, Gap]] = []
        self._loose: list[tuple[float, str, int]] = []
        self.shown = 0

    def show(self, message: Message) -> None:
        """Print one message: the reports of it that are new, or why it holds none."""
        if message.topic.rpartition("/")[2] in (ORDER, RECEIPT):
            return  # what head office itself says
        try:
            found = self._lines(message)
        except DecodeError as fault:
            self._say(
                {"event": "refused", "topic": fit(message.topic), "reason": str(fault)},
                self._voice.paint(f"refused a message on {fit(message.topic)}: {fault}", "red"),
            )
            return
        for line in found:
            self._show(line)
        self.settle()

    def settle(self) -> None:
        """Say the gaps, and the lives that continue nothing, that have stood for a while."""
        now = self._steady_s()
        due = [gap for since, gap in self._gaps if now - since >= GAP_S]
        self._gaps = [(since, gap) for since, gap in self._gaps if now - since < GAP_S]
        for gap in due:
            for first, last in self._heard.missing(gap):
                self._gap(Gap(gap.terminal, gap.boot, first, last))
        loose, self._loose = self._loose, []
        for since, terminal, boot in loose:
            if now - since < GAP_S:
                self._loose.append((since, terminal, boot))
            elif not self._heard.rooted(terminal, boot):
                self._unlinked(terminal, boot, 1)

    def _unlinked(self, terminal: str, boot: int, seq: int) -> None:
        text = f"{terminal}: report {seq} does not follow the one before it"
        self._say({"event": "unlinked", "terminal": terminal, "boot": boot, "seq": seq}, self._voice.paint(text, "red"))

    def _lines(self, message: Message) -> tuple[Line, ...]:
        terminal, lane = read_report_topic(message.topic)
        sealed = read_batch(message.payload)
        if self._keys is not None and not self._keys.signed(terminal, sealed):
            raise DecodeError("batch", "not signed by the terminal of its topic")
        found = lines(sealed)
        if (found[0].report.terminal, found[0].report.lane) != (terminal, lane):
            raise DecodeError("report", "terminal and lane of its topic expected")
        return found

    def _show(self, line: Line) -> None:
        report = line.report
        finding = self._heard.hear(report, line.octets)
        if finding.gap is not None:
            self._gaps.append((self._steady_s(), finding.gap))
        if finding.loose:
            self._loose.append((self._steady_s(), report.terminal, report.boot))
        if finding.verdict is Verdict.DUPLICATE:
            return
        if finding.verdict is Verdict.UNLINKED:
            self._unlinked(report.terminal, report.boot, report.seq)
        if report.event.name == "report.dropped":
            fields = report.event.fields
            ranges = read_ranges(str(fields["ranges"]))
            self._heard.dropped(report.terminal, report.boot - int(fields["epoch_back"]), ranges)
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
        numbers = f"report {gap.first}" if gap.first == gap.last else f"reports {ranges_text(((gap.first, gap.last),))}"
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
            "verified": self._keys is not None,
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
    if args.count is not None and args.count < 1:
        raise Fault("--count: 1 or more expected", "without it, it goes on until Ctrl-C", Exit.USAGE)
    if not 1 <= len(args.name) <= LONGEST_NAME or not args.name.isprintable():
        raise Fault(f"--name: 1 to {LONGEST_NAME} printable characters expected", "watch is the default", Exit.USAGE)
    access = BrokerAccess.of(args.broker, args.ca, args.certificate, args.key)
    voice = Voice("fleet-console", as_json=args.json)
    if args.terminals is None and not args.json:
        voice.tell("signatures are not verified; for that: --terminals DIR")
    watch = Watch(voice, Certificates(args.terminals) if args.terminals is not None else None)
    return asyncio.run(_watch(access, args.name, args.count, voice, watch))


async def _watch(access: BrokerAccess, name: str, count: int | None, voice: Voice, watch: Watch) -> int:
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
    if (pipe := voice.pipe) is not None:
        loop.add_reader(pipe, stop)
    feed = Feed(access, name, (EVERYTHING,), random.random)
    settling = asyncio.create_task(_settle(watch))
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
    finally:
        settling.cancel()
    return 0


async def _settle(watch: Watch) -> None:
    while True:
        await asyncio.sleep(GAP_S / 2)
        watch.settle()


def _time(at_ms: int) -> str:
    """The terminal's time in this machine's zone; a time beyond what it can show as the bare number."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (OverflowError, OSError, ValueError):
        return str(at_ms)
