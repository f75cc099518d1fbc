# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's rows of the area fleet: an order's way, checking a report, an agent that idles. Needs mosquitto.

An order is durable three times on its way: its number before it is done, its result in the audit log, and in the
outbox. So its floor is a bare message there and back over the same broker, and three syncs of the same disk. Each floor
is measured between the orders, in the same seconds: a disk that others write to takes ten times as long.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import aiomqtt
from jsonschema import Draft202012Validator

from protocols.ed25519 import verify
from protocols.telemetry.envelope import Report, decode, encode, genesis
from protocols.telemetry.events import make
from protocols.telemetry.orders import Room
from protocols.telemetry.schema import report_schema
from protocols.telemetry.topics import order_topic
from terminal_agent.audit import AuditLog
from terminal_agent.clock import GuardedClock, SystemClock
from terminal_agent.flows.order_rooms import AgentRoom
from terminal_agent.flows.ordering import Ordering
from terminal_agent.flows.reporting import Recorder
from terminal_agent.orders.ledger import Ledger
from terminal_agent.report.mqtt import connect, tls_context
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import ReportSettings
from tests.bench.row import Row, cpu_us
from tests.brokers import Pki, broker, make_pki
from tests.flows.shop import Shop
from tests.flows.test_orders_over_mqtt import trust_file
from tests.protocols.persons import sealed, trust
from tests.protocols.telemetry.test_events import AT, SOUND
from tests.protocols.telemetry.test_orders import TERMINAL, order_statement
from tests.receipts import receipt_key

ORDERS = 300
IDLE_S = 20.0


def terminal_rows() -> list[Row]:
    """An order there and back, a report checked, an agent at rest."""
    with tempfile.TemporaryDirectory(prefix="tillguard-bench-") as folder:
        (shop := Path(folder) / "shop").mkdir()
        return [*asyncio.run(_orders(Path(folder))), *_checks(), *asyncio.run(_idle(Shop(shop)))]


async def _orders(folder: Path) -> list[Row]:
    pki = make_pki(folder)
    log = AuditLog.open(folder, TERMINAL)
    outbox = Outbox.open(folder / "outbox.db", TERMINAL, opened_at_ms=AT)
    ledger = Ledger.open(folder / "orders.db", TERMINAL)
    clock = GuardedClock(SystemClock(), None)
    recorder = Recorder(log, outbox, clock, lambda _: None)
    rooms = {Room.AGENT: AgentRoom(recorder, dict)}
    orders = Ordering(TERMINAL, ledger, trust("anna", needed=1, kinds=("order",)), verify, recorder, clock, rooms)
    taken: list[tuple[float, float]] = []

    def take(octets: bytes, retained: bool) -> None:
        started = time.perf_counter()
        before = time.thread_time()
        orders.take(octets, retained)
        taken.append((time.perf_counter() - started, time.thread_time() - before))

    async with broker("mosquitto", pki, folder) as running:
        settings = ReportSettings(running.address, pki.ca, pki.certificate(TERMINAL), pki.key(TERMINAL))
        reporter = Reporter(settings, TERMINAL, outbox, clock, connect, lambda: 0.5)
        reporter.on_order = take
        tasks = [asyncio.create_task(work) for work in (reporter.run(), orders.run())]
        whole, echo, floor = await _there_and_back(pki, running.port, reporter, folder)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    for part in (ledger, outbox, log):
        part.close()
    return [
        Row(
            "order taken: verified, durable, p50", _ms(wall for wall, _ in taken), "ms", "write + fdatasync", floor, 1.0
        ),
        Row("order taken, processor time, p50", _ms(cpu for _, cpu in taken), "ms"),
        Row("order to its signed result, p50", whole, "ms", "bare message + 3 syncs", echo + 3 * floor),
    ]


def _ms(samples: Iterable[float]) -> float:
    return statistics.median(samples) * 1e3


def _sync_s(plain: BinaryIO) -> float:
    """What makes 400 octets durable here, now."""
    started = time.perf_counter()
    plain.write(b"x" * 400)
    os.fdatasync(plain.fileno())
    return time.perf_counter() - started


async def _there_and_back(pki: Pki, port: int, reporter: Reporter, folder: Path) -> tuple[float, float, float]:
    """Medians in ms: from publishing an order to having its result's batch; such a message to oneself; a sync."""
    office = ReportSettings(f"127.0.0.1:{port}", pki.ca, pki.certificate("head-office"), pki.key("head-office"))
    samples, bare, syncs = [], [], []
    plain = (folder / "plain").open("ab", buffering=0)
    async with aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, tls_context=tls_context(office),
        socket_options=((6, 1, 1),),
    ) as client:  # fmt: skip
        while not reporter.status.connected:
            await asyncio.sleep(0.01)
        await client.subscribe("pos/v1/+/+/ack", qos=1)
        now = SystemClock().now_ms() // 1000
        for number in range(1, ORDERS + 1):
            made = order_statement(TERMINAL, number, now - 60, now + 3_600, f"o-{number}", "ping")
            payload = sealed(made, "anna").encode()
            started = time.perf_counter()
            await client.publish(order_topic(TERMINAL), payload, qos=1)
            await anext(client.messages)
            samples.append(time.perf_counter() - started)
            syncs.append(_sync_s(plain))
        await client.unsubscribe("pos/v1/+/+/ack")
        await client.subscribe(order_topic("TG000009"), qos=1)
        for _ in range(ORDERS):
            started = time.perf_counter()
            await client.publish(order_topic("TG000009"), payload, qos=1)
            await anext(client.messages)
            bare.append(time.perf_counter() - started)
    plain.close()
    return _ms(samples), _ms(bare), _ms(syncs)


def _checks() -> list[Row]:
    event = make("payment.finished", AT, **SOUND["payment.finished"])
    octets = encode(Report(TERMINAL, 5, 1, genesis(TERMINAL), event))
    validator = Draft202012Validator(report_schema())
    ours = cpu_us(lambda: decode(octets))
    theirs = cpu_us(lambda: validator.validate(json.loads(octets)))
    return [
        Row(
            "reports checked against their schema",
            1e6 / ours,
            "/s",
            "jsonschema",
            1e6 / theirs,
            100 * 1e6 / theirs,
            smaller_is_better=False,
        )
    ]


async def _idle(shop: Shop) -> list[Row]:
    """A whole agent with its devices, connected and signed on, that obeys orders and has none; a process of its own."""
    async with shop.open(), broker("mosquitto", shop.pki, shop.folder) as running:
        shop.values["broker"] = running.address
        trust_file(shop.folder)
        receipt_key(shop.folder)
        shop.more = 'receipt-key = "receipts.pem"\n[orders]\ntrust = "trust.toml"\n'
        path = shop.write_profile()
        command = (str(Path(sys.executable).with_name("terminal-agent")), "run", "--profile", str(path), "--json")
        agent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert agent.stdout is not None
        async with asyncio.timeout(30):
            while b'"ready"' not in await agent.stdout.readline():
                pass
        await asyncio.sleep(5)
        before, at = _cpu_s(agent.pid), time.monotonic()
        await asyncio.sleep(IDLE_S)
        share = (_cpu_s(agent.pid) - before) / (time.monotonic() - at) * 100
        memory = _memory_mb(agent.pid)
        agent.terminate()
        await agent.communicate()
    return [
        Row("agent at rest, memory", memory, "MB", target=45),
        Row("agent at rest, processor time", share, "%", target=0.5),
    ]


def _cpu_s(pid: int) -> float:
    """Processor time of a process so far (proc(5), schedstat): exact, where utime counts ticks of 10 ms."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _memory_mb(pid: int) -> float:
    """Its resident memory, libraries that others have too included (proc(5), status: VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) / 1024
