# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The reporter against both brokers: all of it, again after any loss, never done before head office's receipt."""

import asyncio
import contextlib
import dataclasses
import os
import random
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from device_profiles.serve.mosquitto import free_port
from protocols.telemetry.batch import lines, read_batch
from protocols.telemetry.events import make
from terminal_agent.clock import GuardedClock, SystemClock
from terminal_agent.report.mqtt import connect
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import ReportSettings
from tests.brokers import KINDS, Pki, broker
from tests.patience import PATIENCE_S, until
from tests.receipts import office, receipt_key

AT = 1_763_800_000_000
TERMINAL = "TG000001"


def settings(pki: Pki, address: str, name: str = TERMINAL, **more: Any) -> ReportSettings:
    more = {"longest_wait_s": 1.0, "answer_s": 60, "receipt_key": receipt_key(pki.folder)} | more
    return ReportSettings(address, pki.ca, pki.certificate(name), pki.key(name), **more)


@contextlib.asynccontextmanager
async def reporting(
    settings: ReportSettings, outbox: Outbox, clock: GuardedClock | None = None
) -> AsyncIterator[Reporter]:
    clock = clock or GuardedClock(SystemClock(), None)
    reporter = Reporter(settings, TERMINAL, outbox, clock, connect, random.Random(1).random)
    task = asyncio.create_task(reporter.run())
    try:
        yield reporter
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def head_office(pki: Pki, port: int) -> AsyncIterator[aiomqtt.Client]:
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.load_cert_chain(pki.certificate("head-office"), pki.key("head-office"))
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier="office", protocol=aiomqtt.ProtocolVersion.V5, tls_context=context
    ) as client:
        await client.subscribe("pos/v1/#", qos=1)
        yield client


async def heard(client: aiomqtt.Client, count: int) -> list[tuple[int, int]]:
    """The next reports by (boot, seq); wills are passed over."""
    found: list[tuple[int, int]] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            message = await anext(client.messages)
            assert isinstance(message.payload, bytes)
            reports = [line.report for line in lines(read_batch(message.payload))]
            found += [(report.boot, report.seq) for report in reports if report.seq]
    return found


async def said(reporter: Reporter, words: str, *, connected: bool) -> None:
    await until(lambda: words in reporter.status.words and reporter.status.connected is connected)


def put(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.put(make("device.back", AT, device="reader"))


@pytest.mark.parametrize("kind", KINDS)
async def test_reports_arrive_once_in_order_and_go_with_the_receipt(
    kind: str, pki: Pki, outbox: Outbox, tmp_path: Path
) -> None:
    async with broker(kind, pki, tmp_path) as running, office(pki, running.port) as here:
        put(outbox, 40)
        async with reporting(settings(pki, running.address), outbox) as reporter:
            assert await reporter.drained(PATIENCE_S)
            put(outbox, 1)
            assert await reporter.drained(PATIENCE_S)
            assert reporter.status.connected
            await until(lambda: outbox.waiting == 0)
        assert here.committed.order == [(TERMINAL, AT, seq) for seq in range(1, 42)]
        assert here.committed.batches == [32, 8, 1]
        assert here.committed.linked()


@pytest.mark.parametrize("kind", KINDS)
async def test_what_nobody_listens_to_waits(kind: str, pki: Pki, outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, 5)
    async with (
        broker(kind, pki, tmp_path) as running,
        reporting(settings(pki, running.address), outbox) as reporter,
    ):
        await said(reporter, "head office does not listen", connected=True)
        assert outbox.waiting == 5
        async with head_office(pki, running.port) as listener:
            assert await heard(listener, 5) == [(AT, seq) for seq in range(1, 6)]
            assert await reporter.drained(PATIENCE_S)
    assert outbox.waiting == 5  # the broker's word is no receipt


@pytest.mark.parametrize("kind", KINDS)
async def test_broker_that_comes_later_and_dies_between(kind: str, pki: Pki, outbox: Outbox, tmp_path: Path) -> None:
    """Outage first, then a life with reports, kill -9 (mosquitto) or an end without a word kept, and a second life."""
    port = free_port()
    put(outbox, 3)
    async with reporting(settings(pki, f"127.0.0.1:{port}"), outbox) as reporter:
        await said(reporter, "refused", connected=False)
        async with broker(kind, pki, tmp_path, port) as running:
            async with head_office(pki, port) as listener:
                assert await heard(listener, 3) == [(AT, 1), (AT, 2), (AT, 3)]
                assert await reporter.drained(PATIENCE_S)
            if running.pid is not None:
                os.kill(running.pid, signal.SIGKILL)
        await until(lambda: not reporter.status.connected)
        put(outbox, 2)
        async with broker(kind, pki, tmp_path, port), office(pki, port) as here:
            # Nothing had a receipt, so a broker without memory gets all again: they are known by their number.
            await until(lambda: outbox.waiting == 0)
            assert set(here.committed.rows) == {(TERMINAL, AT, seq) for seq in range(1, 6)}


@pytest.mark.parametrize("kind", KINDS)
async def test_denied_reports_stay(kind: str, pki: Pki, outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, 1)
    async with (
        broker(kind, pki, tmp_path) as running,
        head_office(pki, running.port) as listener,
        reporting(settings(pki, running.address, "TG000002"), outbox) as reporter,
    ):
        # The twin refuses the will, and with it the connection; mosquitto lets it in and refuses what it reports.
        denied = {"twin": "Not authorized", "mosquitto": "refuses reports (reason code 87)"}
        await said(reporter, denied[kind], connected=False)
        assert outbox.waiting == 1
        assert len(listener.messages) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["stranger", "expired", "broker"])
async def test_certificate_that_the_broker_does_not_take(
    kind: str, name: str, pki: Pki, outbox: Outbox, tmp_path: Path
) -> None:
    put(outbox, 1)
    async with (
        broker(kind, pki, tmp_path) as running,
        reporting(settings(pki, running.address, name), outbox) as reporter,
    ):
        before = time.monotonic()
        await until(lambda: reporter.status.words != "not connected yet")
        assert time.monotonic() - before < 30  # noticed at once, not by a timeout
        assert not reporter.status.connected
    assert outbox.waiting == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_broker_of_another_authority_is_refused(kind: str, pki: Pki, outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, 1)
    async with broker(kind, pki, tmp_path) as running:
        wrong = dataclasses.replace(settings(pki, running.address), ca=pki.folder / "other-ca.pem")
        async with reporting(wrong, outbox) as reporter:
            await said(reporter, "CERTIFICATE_VERIFY_FAILED", connected=False)
    assert outbox.waiting == 1


class Wrong(SystemClock):
    """The machine's clock, set wrong; the steady one runs on."""

    def __init__(self, at_ms: int) -> None:
        self._off_ms = at_ms - super().now_ms()

    def now_ms(self) -> int:
        return super().now_ms() + self._off_ms


YEAR = 365 * 86_400_000


async def test_boot_in_1970_or_in_ten_years_is_put_right_by_receipts(pki: Pki, outbox: Outbox, tmp_path: Path) -> None:
    """Nothing but the broker is reached, no time service: certificates are judged by the time that was last trusted."""
    now = SystemClock().now_ms()
    async with broker("mosquitto", pki, tmp_path) as running, office(pki, running.port):
        for wall in (0, now + 10 * YEAR):
            clock = GuardedClock(Wrong(wall), now - 60_000)
            put(outbox, 1)
            async with reporting(settings(pki, running.address), outbox, clock):
                await until(lambda: outbox.waiting == 0)
            assert abs(clock.now_ms() - SystemClock().now_ms()) < 60_000


@pytest.mark.parametrize(("off", "words"), [(-10 * YEAR, "is not valid yet"), (10 * YEAR, "has expired")])
async def test_what_a_wrong_clock_needs_of_a_person_is_said(
    off: int, words: str, pki: Pki, outbox: Outbox, tmp_path: Path
) -> None:
    """A first boot: no time was ever trusted, and the certificates do not fit the one that there is."""
    wall = SystemClock().now_ms() + off
    async with broker("mosquitto", pki, tmp_path) as running:
        clock = GuardedClock(Wrong(wall), None, built_ms=wall)
        async with reporting(settings(pki, running.address), outbox, clock) as reporter:
            await said(reporter, words, connected=False)
            assert "set the clock" in reporter.status.words


async def test_broker_of_another_name_is_refused(pki: Pki, outbox: Outbox, tmp_path: Path) -> None:
    async with broker("twin", pki, tmp_path) as running:
        other = settings(pki, f"127.0.0.2:{running.port}")
        relay = await asyncio.start_server(_relay_to(running.port), "127.0.0.2", running.port)
        async with relay, reporting(other, outbox) as reporter:
            await said(reporter, "CERTIFICATE_VERIFY_FAILED", connected=False)


def _relay_to(port: int) -> Any:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    return relay


async def test_missing_files_are_said_and_tried_again(pki: Pki, outbox: Outbox) -> None:
    wrong = dataclasses.replace(settings(pki, "127.0.0.1:1"), key=pki.folder / "none.key")
    async with reporting(wrong, outbox) as reporter:
        await said(reporter, "report certificates: No such file", connected=False)


@pytest.mark.parametrize("silence", ["tcp", "tls"])
async def test_stops_at_once_when_the_broker_says_nothing(silence: str, pki: Pki, outbox: Outbox) -> None:
    """A handshake, or a CONNECT, that nobody answers must not hold up the agent's end."""
    context = None
    if silence == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.certificate("broker"), pki.key("broker"))
    arrived = asyncio.Event()
    kept: list[asyncio.StreamWriter] = []

    def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.append(writer)
        arrived.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with reporting(settings(pki, address), outbox):
            async with asyncio.timeout(PATIENCE_S):
                await arrived.wait()
            before = time.monotonic()
        assert time.monotonic() - before < 30  # and waited for no answer
        for writer in kept:
            writer.transport.abort()


async def test_broker_that_acknowledges_nothing_is_left(pki: Pki, outbox: Outbox) -> None:
    """CONNACK, then silence: the report stays, the connection is given up after the profile's answer time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate("broker"), pki.key("broker"))
    kept: list[asyncio.StreamWriter] = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.append(writer)
        await reader.readexactly(2)
        writer.write(b"\x20\x03\x00\x00\x00")
        while octets := await reader.read(4096):
            if octets[0] == 0x82:  # SUBSCRIBE to two topics, in a packet of its own
                writer.write(b"\x90\x05" + octets[2:4] + b"\x00\x01\x01")

    put(outbox, 1)
    server = await asyncio.start_server(deaf, "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        quick = dataclasses.replace(settings(pki, address), answer_s=1.0)
        async with reporting(quick, outbox) as reporter:
            await said(reporter, "acknowledged nothing within 1 s", connected=False)
        for writer in kept:
            writer.transport.abort()
    assert outbox.waiting == 1


async def test_exchange_takes_no_40_ms(pki: Pki, outbox: Outbox, tmp_path: Path) -> None:
    """Without TCP_NODELAY on both ends each of these would take 40 ms and more: scripts/bench report shows it."""
    async with (
        broker("mosquitto", pki, tmp_path) as running,
        head_office(pki, running.port),
        reporting(settings(pki, running.address), outbox) as reporter,
    ):
        put(outbox, 1)
        assert await reporter.drained(PATIENCE_S)
        took = []
        for _ in range(25):
            before = time.monotonic()
            put(outbox, 1)
            assert await reporter.drained(PATIENCE_S)
            took.append(time.monotonic() - before)
        assert min(took) < 0.04, "a busy machine may delay any of them, but not all"


async def test_back_off_is_a_random_part_of_a_growing_time(pki: Pki, outbox: Outbox) -> None:
    """Full jitter: what is drawn is multiplied with 0.25, 0.5, 1, … and never with more than the profile's longest."""
    waits: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            enough.set()
            await asyncio.Event().wait()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        reporter = Reporter(
            settings(pki, address),
            TERMINAL,
            outbox,
            GuardedClock(SystemClock(), None),
            connect,
            lambda: 0.5,
            sleep=sleep,
        )
        task = asyncio.create_task(reporter.run())
        async with asyncio.timeout(PATIENCE_S):
            await enough.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert waits == [0.125, 0.25, 0.5, 0.5, 0.5]
