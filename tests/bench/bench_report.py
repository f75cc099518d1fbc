# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Reporting: what an event costs from the agent to the broker's acknowledgement. Needs mosquitto installed."""

import asyncio
import contextlib
import hashlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiomqtt

from protocols.audit_chain import genesis, link, verify
from protocols.telemetry.envelope import Report, decode, encode
from protocols.telemetry.envelope import genesis as first_prev
from protocols.telemetry.events import make
from terminal_agent.clock import GuardedClock, SystemClock
from terminal_agent.report.mqtt import connect, tls_context
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import ReportSettings
from tests.bench.row import Row, cpu_us
from tests.brokers import Pki, broker, make_pki

AT = 1_763_800_000_000
TOPIC = "pos/v1/s20/TG000001/health"
ORDER = "pos/v1/s20/TG000001/order"
Options = tuple[tuple[int, int, int], ...]
NODELAY: Options = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
RECORDS = 20_000
EXCHANGES = 300
EVENT = make(
    "payment.finished",
    AT,
    payment="p-1",
    outcome="approved",
    response_code="00",
    amount=4200,
    currency="EUR",
    masked_pan="400000******0016",
    ksn="FFFF9876543210E00001",
    ms=812,
)


def rows() -> list[Row]:
    """All rows of the area, each with its peer or floor from this run."""
    with tempfile.TemporaryDirectory(prefix="tillguard-bench-") as folder:
        return [*_codecs(), *_disk(Path(folder)), *asyncio.run(_wire(Path(folder))), *_process()]


def _codecs() -> list[Row]:
    report = Report("TG000001", 5, 1, first_prev("TG000001"), EVENT)
    octets = encode(report)
    head, lines = genesis("bench"), []
    started = time.process_time()
    for _ in range(RECORDS):
        record = link(head, AT, EVENT.name, EVENT.fields)
        head = record.head
        lines.append(record.line)
    linked = (time.process_time() - started) / RECORDS * 1e6
    whole = cpu_us(lambda: verify("bench", lines, head), rounds=3)
    floor = cpu_us(lambda: [hashlib.sha256(line).digest() for line in lines], rounds=3)
    return [
        Row("report, event to octets", cpu_us(lambda: encode(report)), "µs"),
        Row("report, octets to event, checked", cpu_us(lambda: decode(octets)), "µs"),
        Row("audit record, linked", linked, "µs"),
        Row(
            "audit chain, verified",
            RECORDS / whole * 1e6,
            "records/s",
            "SHA-256 alone",
            RECORDS / floor * 1e6,
            500_000,
            smaller_is_better=False,
        ),
    ]


def _disk(folder: Path) -> list[Row]:
    outbox = Outbox.open(folder / "disk.db", "TG000001", opened_at_ms=AT)
    with (folder / "plain").open("ab", buffering=0) as plain:

        def write() -> None:
            plain.write(b"x" * 400)
            os.fdatasync(plain.fileno())

        row = Row(
            "outbox, event durable on disk",
            _median_ms(lambda: outbox.put(EVENT)),
            "ms",
            "write + fdatasync",
            _median_ms(write),
        )
    outbox.close()
    return [row]


def _median_ms(work: Callable[[], object]) -> float:
    samples = []
    for _ in range(EXCHANGES):
        started = time.perf_counter()
        work()
        samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e3


async def _wire(folder: Path) -> list[Row]:
    pki = make_pki(folder)
    async with broker("mosquitto", pki, folder) as running:
        terminal, office = (_settings(pki, running.address, name) for name in ("TG000001", "head-office"))
        async with _client(office, NODELAY) as listener:
            await listener.subscribe("pos/v1/#", qos=0)
            alone = await _publish(terminal, NODELAY)
            ours = await _reporter(terminal, folder)
        quick, slow = await _echo(office, NODELAY, EXCHANGES), await _echo(office, (), 25)
    return [
        Row("publish to acknowledged, aiomqtt with TCP_NODELAY", alone, "ms", target=1.0),
        Row("the same while messages arrive too (echo)", quick, "ms", "without TCP_NODELAY", slow, 1.0),
        Row("event put to acknowledged, outbox and reporter", ours, "ms", "aiomqtt publish alone", alone),
    ]


def _settings(pki: Pki, address: str, name: str) -> ReportSettings:
    return ReportSettings(address, pki.ca, pki.certificate(name), pki.key(name))


def _client(settings: ReportSettings, options: Options) -> aiomqtt.Client:
    host, port = settings.address
    context = tls_context(settings)
    version = aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client(host, port, protocol=version, tls_context=context, socket_options=options)


async def _publish(settings: ReportSettings, options: Options) -> float:
    """Median of one awaited publish of QoS 1, as anybody would write it; in ms."""
    samples = []
    async with _client(settings, options) as client:
        for _ in range(EXCHANGES):
            started = time.perf_counter()
            await client.publish(TOPIC, b"x" * 350, qos=1)
            samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e3


async def _echo(settings: ReportSettings, options: Options, count: int) -> float:
    """Median of a publish that is acknowledged and comes back to its sender, who acknowledges it; in ms."""
    samples = []
    async with _client(settings, options) as client:
        await client.subscribe(ORDER, qos=1)
        for _ in range(count):
            started = time.perf_counter()
            await client.publish(ORDER, b"x" * 350, qos=1)
            await anext(client.messages)
            samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e3


async def _reporter(settings: ReportSettings, folder: Path) -> float:
    """Median from put() to the acknowledgement, disk included; in ms."""
    outbox = Outbox.open(folder / "wire.db", "TG000001", opened_at_ms=AT)
    reporter = Reporter(settings, "TG000001", outbox, GuardedClock(SystemClock(), None), connect, lambda: 0.5)
    running = asyncio.create_task(reporter.run())
    samples = []
    outbox.put(EVENT)
    await reporter.drained(10)
    for _ in range(EXCHANGES):
        started = time.perf_counter()
        outbox.put(EVENT)
        await reporter.drained(10)
        samples.append(time.perf_counter() - started)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    outbox.close()
    return statistics.median(samples) * 1e3


_IMPORTS = """
import asyncio, ssl, sqlite3, time
def rss(): return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024
before, started = rss(), time.perf_counter()
import terminal_agent.report.mqtt
print((time.perf_counter() - started) * 1e3, rss() - before)
"""


def _process() -> list[Row]:
    samples = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True)
        samples.append([float(number) for number in done.stdout.split()])
    return [
        Row("report room, import over asyncio, ssl and sqlite3", statistics.median(time for time, _ in samples), "ms"),
        Row("report room, memory over asyncio, ssl and sqlite3", statistics.median(size for _, size in samples), "MB"),
    ]
