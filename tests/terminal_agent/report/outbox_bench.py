# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Events, receipts and looks into an outbox, for its tests. Holds no test."""

from protocols.telemetry.envelope import Report, decode, report_hash
from protocols.telemetry.events import Event, Lane, make
from protocols.telemetry.receipt import Receipt
from terminal_agent.report.outbox import Outbox, Row
from terminal_agent.report.settings import LaneBounds

AT = 1_763_800_000_000
TERMINAL = "TG000001"
SMALL = LaneBounds(64, 64, 64, 64)


def event(number: int = 0) -> Event:
    return make("device.back", AT + number, device=f"reader-{number}")


def step(number: int) -> Event:
    return make("payment.step", AT + number, payment="p", step="gpo", wire="reader", ms=number)


def alert(number: int) -> Event:
    return make("device.lost", AT + number, device="reader", reason="gone")


def kept(outbox: Outbox) -> list[Row]:
    """Everything without a receipt, in the order of its making."""
    rows = (outbox.unsent(lane, 1_000_000, (-1, 0)) for lane in Lane)
    return sorted((row for some in rows for row in some), key=lambda row: row.place)


def reports(outbox: Outbox) -> list[Report]:
    return [decode(row.octets) for row in kept(outbox)]


def places(rows: list[Row]) -> list[tuple[int, int]]:
    return [row.place for row in rows]


def receipt(upto: int, serial: int = 1, *, boot: int = AT, also: tuple[tuple[int, int], ...] = ()) -> Receipt:
    return Receipt(TERMINAL, boot, upto, AT, serial, also)


def assert_linked(outbox: Outbox, prev: str | None = None) -> None:
    for row in kept(outbox):
        report = decode(row.octets)
        assert prev is None or report.prev == prev
        prev = report_hash(row.octets)


def put_many(outbox: Outbox) -> None:
    for number in range(2, 1_000):
        outbox.put(event(number))
