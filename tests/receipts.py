# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office in a test: verifies batches, keeps them in memory, gives receipts. Holds no test."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt

from protocols.signed import Envelope
from protocols.telemetry import batch, receipt
from protocols.telemetry.envelope import Report, report_hash
from protocols.telemetry.events import Lane
from protocols.telemetry.keys import from_certificate
from protocols.telemetry.ranges import ranges_of, read_ranges
from protocols.telemetry.receipt import Receipt
from protocols.telemetry.topics import order_topic, read_report_topic, receipt_topic
from terminal_agent.clock import SystemClock
from tests.brokers import Pki
from tests.protocols.telemetry.report_keys import public_pem, signer

OFFICE = "head office"


def receipt_key(folder: Path) -> Path:
    """The file that a terminal's profile names."""
    path = folder / "receipts.pem"
    path.write_bytes(public_pem(OFFICE, ed25519=True))
    return path


@dataclass
class Committed:
    """What head office has of the terminals, by (terminal, boot, seq)."""

    rows: dict[tuple[str, int, int], Report] = field(default_factory=dict)
    order: list[tuple[str, int, int]] = field(default_factory=list)
    """Every report as it came, twice where it came twice."""
    hashes: dict[tuple[str, int, int], str] = field(default_factory=dict)
    dropped: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    wills: list[Report] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    at_ms: Callable[[], int] = SystemClock().now_ms
    """Head office's clock."""
    _serial: int = 0

    def commit(self, found: tuple[batch.Line, ...]) -> None:
        """Keep a batch."""
        self.batches.append(len(found))
        for line in found:
            report = line.report
            if report.seq == 0:
                self.wills.append(report)
                continue
            key = (report.terminal, report.boot, report.seq)
            self.order.append(key)
            assert self.rows.setdefault(key, report) == report, "two reports under one number"
            self.hashes[key] = report_hash(line.octets)
            if report.event.name == "report.dropped":
                fields = report.event.fields
                gone = self.dropped.setdefault((report.terminal, report.boot - int(fields["epoch_back"])), set())
                for first, last in read_ranges(str(fields["ranges"])):
                    gone.update(range(first, last + 1))

    def receipt(self, terminal: str, boot: int) -> Receipt:
        """What there is of one life."""
        self._serial += 1
        here = {seq for name, life, seq in self.rows if (name, life) == (terminal, boot)}
        here |= self.dropped.get((terminal, boot), set())
        ranges = ranges_of(here)
        upto = ranges[0][1] if ranges and ranges[0][0] == 1 else 0
        also = tuple(one for one in ranges if one[0] > upto)[: receipt.MOST_RANGES]
        missing = ranges_of(set(range(upto + 1, max(here, default=0))) - here)[: receipt.MOST_RANGES]
        return Receipt(terminal, boot, upto, self.at_ms(), self._serial, also, missing)

    def linked(self) -> bool:
        """Whether every report links to the one with the number before it."""
        return all(
            self.hashes.get((terminal, boot, seq - 1), report.prev) == report.prev
            for (terminal, boot, seq), report in self.rows.items()
        )


@dataclass
class Office:
    """Connected head office. ``commits`` False: it hears and forgets; ``gives`` False: it gives no receipts."""

    client: aiomqtt.Client
    pki: Pki
    committed: Committed
    commits: Callable[[Report], bool] = lambda _: True
    gives: bool = True

    async def serve(self) -> None:
        """Runs until it is cancelled."""
        async for message in self.client.messages:
            topic = str(message.topic)
            if topic.endswith(("/order", "/receipt")):
                continue
            assert isinstance(message.payload, bytes)
            terminal, lane = read_report_topic(topic)
            sealed = batch.read_batch(message.payload)
            key = from_certificate(self.pki.certificate(terminal).read_bytes(), terminal)
            assert key.signed(sealed, batch.CONTEXT), "a batch that its terminal did not sign"
            found = batch.lines(sealed)
            assert {(line.report.terminal, line.report.lane) for line in found} == {(terminal, lane)}
            assert lane is not Lane.ALERT or len(found) == 1
            taken = tuple(line for line in found if self.commits(line.report))
            self.committed.commit(taken)
            if self.gives and found[0].report.seq:
                await self.give(self.committed.receipt(terminal, found[0].report.boot))

    async def give(self, found: Receipt, *, by: str = OFFICE, retain: bool = False, to: str = "") -> None:
        """Publish a receipt."""
        octets = receipt.encode_receipt(found, signer(by, ed25519=True))
        await self.client.publish(receipt_topic(to or found.terminal), octets, qos=1, retain=retain)

    async def order(self, terminal: str, envelope: Envelope, *, retain: bool = False) -> None:
        """Publish what persons signed."""
        await self.client.publish(order_topic(terminal), envelope.encode(), qos=1, retain=retain)


@contextlib.asynccontextmanager
async def office(pki: Pki, port: int, committed: Committed | None = None) -> AsyncIterator[Office]:
    """Head office joins, hears every terminal and gives receipts."""
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.load_cert_chain(pki.certificate("head-office"), pki.key("head-office"))
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier="office", protocol=aiomqtt.ProtocolVersion.V5, tls_context=context,
        clean_session=None, clean_start=False,
    ) as client:  # fmt: skip
        here = Office(client, pki, committed or Committed())
        await client.subscribe("pos/v1/#", qos=1)
        serving = asyncio.create_task(here.serve())
        try:
            yield here
        finally:
            while not serving.done():  # aiomqtt loses a cancellation that meets a message
                serving.cancel()
                await asyncio.wait({serving}, timeout=0.1)
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                serving.result()
