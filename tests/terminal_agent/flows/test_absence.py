# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The table of duties after 1, 7 and 60 days without head office, and with an expired certificate, line by line."""

import asyncio
import contextlib
import random
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.ed25519 import verify
from protocols.signed import Statement
from protocols.telemetry.events import Lane, make
from protocols.telemetry.orders import LONGEST_ORDER_S
from terminal_agent.clock import GuardedClock, SystemClock
from terminal_agent.orders.duties import ALWAYS, DUTIES, Absence
from terminal_agent.orders.standing import Standing
from terminal_agent.report.mqtt import connect
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from terminal_agent.report.settings import LaneBounds, ReportSettings
from terminal_agent.usb.policy import Now
from terminal_agent.usb.store import Store
from tests.brokers import broker, make_pki
from tests.patience import until
from tests.protocols.persons import sealed, trust
from tests.receipts import office, receipt_key
from tests.terminal_agent.flows.test_ordering import NOW, Terminal, signed

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/reporting.md"
DAYS = {Absence.DAY: 1, Absence.WEEK: 7, Absence.MONTHS: 60}
DAY_S = 86_400
AT = 1_763_800_000_000


def duty(name: str) -> frozenset[Absence]:
    """In which absences a duty is done."""
    (found,) = [one for one in DUTIES if one.name == name]
    return found.done


def test_each_line_names_a_test_that_there_is() -> None:
    for one in DUTIES:
        path, _, name = one.shown_by.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(), one.name


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text("utf-8")
    for one in DUTIES:
        marks = " | ".join("yes" if absence in one.done else "no" for absence in Absence)
        assert f"| {one.name} | {marks} | {one.why} |" in page


def filled(folder: Path, count: int, name: str, lanes: LaneBounds) -> tuple[Outbox, int]:
    """An outbox after so many reports, and how many of them are still there."""
    outbox = Outbox.open(folder / "outbox.db", "TG000001", opened_at_ms=AT, bounds=lanes)
    outbox._database.execute("PRAGMA synchronous = OFF")
    for number in range(count):
        if name == "device.lost":
            outbox.put(make(name, AT + number, device="reader", reason="gone"))
        else:
            outbox.put(make(name, AT + number, payment="p1", step="gpo", wire="reader", ms=number))
    lane = Lane.ALERT if name == "device.lost" else Lane.BULK
    return outbox, len(outbox.unsent(lane, 10_000_000, (-1, 0)))


@pytest.mark.parametrize(("absence", "days"), DAYS.items())
def test_bulk_is_kept_as_long_as_said(absence: Absence, days: int, tmp_path: Path) -> None:
    """A hundredth of a report every ten seconds, in a hundredth of the room."""
    share = 100
    lanes = replace(LaneBounds(), bulk_kib=LaneBounds().bulk_kib // share)
    count = days * DAY_S // 10 // share
    outbox, here = filled(tmp_path, count, "payment.step", lanes)
    assert (here == count) is (absence in duty("keep bulk reports for head office"))
    assert here >= 7 * DAY_S // 10 // share or here == count
    outbox.close()


@pytest.mark.parametrize(("absence", "days"), DAYS.items())
def test_alerts_are_kept(absence: Absence, days: int, tmp_path: Path) -> None:
    """One alert every quarter of an hour."""
    assert absence in duty("keep every alert for head office")
    count = days * 96
    outbox, here = filled(tmp_path, count, "device.lost", LaneBounds())
    assert here == count
    outbox.close()


@pytest.mark.parametrize("days", DAYS.values())
async def test_a_locked_terminal_stays_locked(days: int, tmp_path: Path) -> None:
    assert duty("stay locked or frozen when it was") == ALWAYS
    terminal = Terminal(tmp_path)
    await terminal.gets(signed("lock", 1))
    terminal.die()
    terminal.clock.ms += days * DAY_S * 1000
    terminal.start()
    assert terminal.till.standing is Standing.LOCKED


@pytest.mark.parametrize(("absence", "days"), DAYS.items())
async def test_an_order_of_before_holds_until_its_end(absence: Absence, days: int, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    envelope = signed("lock", 1, until_s=NOW - 60 + LONGEST_ORDER_S)
    terminal.clock.ms += days * DAY_S * 1000
    await terminal.gets(envelope)
    carried_out = terminal.till.standing is Standing.LOCKED
    assert carried_out is (absence in duty("carry out an order that was signed before"))
    assert carried_out or terminal.told("order.alert")[0]["cause"] == "over"


@pytest.mark.parametrize(("absence", "days"), DAYS.items())
def test_the_policy_stays_and_exceptions_end(absence: Absence, days: int, tmp_path: Path) -> None:
    store = Store(tmp_path / "usb", "TG000001", trust("anna", "bernd", "clara"), verify, "boot-1")
    now = Now(NOW, steady_s=1.0)
    policy = Statement("usb-policy", "TG000001", 1, NOW - 60, NOW + DAY_S // 2, "title = 'v1'\nrules = '''allow'''\n")
    store.offer(sealed(policy, "anna", "bernd"), now, 60)
    store.confirm(now)
    body = "reason = 'ticket'\nrules = '''allow'''\n"
    store.grant("visit", sealed(Statement("usb-exception", "*", 1, NOW, NOW + 71 * 3_600, body), "anna", "clara"), now)
    later = store.in_force(replace(now, utc_s=NOW + days * DAY_S, steady_s=1.0 + days * DAY_S))
    assert (later.version, later.stale) == (1, True)
    assert absence in duty("keep the confirmed policy of the USB ports in force")
    holds = "visit" in {one.name for one in later.policy.granted}
    assert holds is (absence in duty("let an exception of the USB ports hold"))


@pytest.mark.parametrize("absence", Absence)
async def test_it_reports_again_unless_its_certificate_expired(absence: Absence, tmp_path: Path) -> None:
    """However long it was, what matters is whether a broker lets it in: days change nothing but the certificate."""
    pki = make_pki(tmp_path)
    name = "expired" if absence is Absence.EXPIRED else "TG000001"
    settings = ReportSettings(
        "127.0.0.1:1", pki.ca, pki.certificate(name), pki.key(name), receipt_key=receipt_key(tmp_path),
        longest_wait_s=1.0,
    )  # fmt: skip
    outbox = Outbox.open(tmp_path / "outbox.db", "TG000001", opened_at_ms=AT)
    outbox.put(make("device.back", AT, device="reader"))
    async with broker("mosquitto", pki, tmp_path) as running, office(pki, running.port):
        clock = GuardedClock(SystemClock(), SystemClock().now_ms() - DAYS.get(absence, 1) * DAY_S * 1000)
        reporter = Reporter(
            replace(settings, broker=running.address), "TG000001", outbox, clock, connect, random.Random(1).random
        )
        task = asyncio.create_task(reporter.run())
        await until(lambda: not outbox.waiting or "expired" in reporter.status.words.lower())
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert (outbox.waiting == 0) is (absence in duty("report once there is a line again"))
    if outbox.waiting:
        assert "expired" in reporter.status.words.lower()
    outbox.close()


@pytest.mark.parametrize("days", DAYS.values())
def test_the_time_never_falls_behind(days: int) -> None:
    class Machine:
        def __init__(self) -> None:
            self.wall, self.steady = AT, 0.0

        def now_ms(self) -> int:
            return self.wall

        def steady_ms(self) -> float:
            return self.steady

    machine = Machine()
    clock = GuardedClock(machine, AT - 1_000, built_ms=AT - 10**10)
    machine.steady += days * DAY_S * 1000
    machine.wall = 0  # while it was cut off, somebody set it to 1970
    assert clock.now_ms() >= AT - 1_000 + days * DAY_S * 1000
    assert clock.look() < 0
    assert duty("know the time") == ALWAYS
