# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: what put() returned is there after any end of the process; numbers and links never repeat or break."""

import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.telemetry.envelope import genesis, report_hash
from protocols.telemetry.events import Event, Lane
from protocols.telemetry.ranges import read_ranges
from terminal_agent.report.outbox import CARRIED, Outbox
from terminal_agent.report.settings import OutboxError, OutboxFull
from tests.terminal_agent.report.outbox_bench import (
    AT,
    SMALL,
    TERMINAL,
    alert,
    assert_linked,
    event,
    kept,
    places,
    put_many,
    receipt,
    reports,
    step,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    yield box
    box.close()


def test_reports_are_numbered_linked_and_in_their_lane(outbox: Outbox) -> None:
    assert [outbox.put(event(number)) for number in range(3)] == [1, 2, 3]
    assert places(outbox.unsent(Lane.HEALTH, 9)) == [(AT, 1), (AT, 2), (AT, 3)]
    assert [report.event for report in reports(outbox)] == [event(number) for number in range(3)]
    outbox.put(alert(4))
    outbox.put(step(5))
    assert_linked(outbox, genesis(TERMINAL))
    assert outbox.began_prev == genesis(TERMINAL)
    assert places(outbox.unsent(Lane.ALERT, 9)) == [(AT, 4)]
    assert places(outbox.unsent(Lane.BULK, 9)) == [(AT, 5)]
    assert (outbox.waiting, dict(outbox.unreceipted)) == (
        5, {Lane.ALERT: 1, Lane.ACK: 0, Lane.HEALTH: 3, Lane.BULK: 1}
    )  # fmt: skip
    assert places(outbox.unsent(Lane.HEALTH, 2)) == [(AT, 1), (AT, 2)]
    assert places(outbox.unsent(Lane.HEALTH, 9, (AT, 2))) == [(AT, 3)]


def test_what_a_broker_took_is_not_unsent_and_still_kept(outbox: Outbox) -> None:
    for number in range(5):
        outbox.put(event(number))
    outbox.sent(Lane.HEALTH, (AT, 3))
    outbox.sent(Lane.HEALTH, (AT, 1))
    assert places(outbox.unsent(Lane.HEALTH, 9)) == [(AT, 4), (AT, 5)]
    assert outbox.waiting == 5


def test_a_receipt_trims_what_it_names_and_nothing_else(outbox: Outbox) -> None:
    for number in range(9):
        outbox.put(event(number))
    outbox.put(alert(9))
    assert outbox.receipted(receipt(3, also=((5, 6), (10, 10)))) == 6
    assert places(kept(outbox)) == [(AT, number) for number in (4, 7, 8, 9)]
    assert outbox.waiting == 4
    assert outbox.unreceipted[Lane.ALERT] == 0
    assert outbox.receipted(receipt(8, serial=2, boot=AT - 1)) == 0  # of another life
    assert outbox.waiting == 4


def test_an_old_receipt_says_nothing_over_restarts_too(path: Path) -> None:
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    for number in range(3):
        outbox.put(event(number))
    assert outbox.receipted(receipt(1, serial=7)) == 1
    assert outbox.receipted(receipt(3, serial=7)) is None
    outbox.close()
    again = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    assert again.receipted(receipt(3, serial=6)) is None
    assert again.receipted(receipt(3, serial=8)) == 2
    assert again.waiting == 0
    again.close()


def test_next_boot_is_later_goes_on_with_the_link_and_keeps_what_waits(path: Path) -> None:
    first = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    first.put(event(1))
    first.put(event(2))
    first.sent(Lane.HEALTH, (AT, 1))
    first.close()
    second = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    assert (second.boot, second.seq) == (AT + 1, 0)
    assert second.began_prev == report_hash(kept(second)[-1].octets)
    second.put(event(3))
    assert places(second.unsent(Lane.HEALTH, 9)) == [(AT, 2), (AT + 1, 1)]
    assert places(kept(second)) == [(AT, 1), (AT, 2), (AT + 1, 1)]
    assert_linked(second, genesis(TERMINAL))
    second.close()


def test_epoch_grows_over_a_clock_set_back_and_over_a_lost_file(path: Path) -> None:
    first = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    first.close()
    back = Outbox.open(path, TERMINAL, opened_at_ms=0)
    assert back.boot == AT + 1
    back.close()
    path.unlink()
    anew = Outbox.open(path, TERMINAL, opened_at_ms=AT + 5)
    assert anew.boot == AT + 5
    anew.close()


def test_rewind_offers_everything_without_a_receipt(outbox: Outbox) -> None:
    for number in range(40):
        outbox.put(event(number))
        outbox.put(step(number))
    outbox.receipted(receipt(20))
    outbox.sent(Lane.HEALTH, (AT, 79))
    outbox.sent(Lane.BULK, (AT, 40))
    assert outbox.rewind() == 30 + 10
    assert places(outbox.unsent(Lane.HEALTH, 1)) == [(AT, 21)]
    assert places(outbox.unsent(Lane.BULK, 1)) == [(AT, 22)]


def test_held_gives_reports_of_any_lane_by_number(outbox: Outbox) -> None:
    outbox.put(event(1))
    outbox.put(alert(2))
    outbox.put(step(3))
    assert [(row.place, row.lane) for row in outbox.held(AT, 2, 9, 9)] == [((AT, 2), Lane.ALERT), ((AT, 3), Lane.BULK)]
    assert places(outbox.held(AT, 1, 9, 2)) == [(AT, 1), (AT, 2)]
    assert outbox.held(AT + 1, 1, 9, 9) == []


def test_marks_of_what_was_sent_are_carried_by_later_writes(path: Path) -> None:
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    for number in range(CARRIED + 1):
        outbox.put(event(number))
    for row in outbox.unsent(Lane.HEALTH, CARRIED):
        outbox.sent(Lane.HEALTH, row.place)
    outbox._database.close()  # as a kill would: nothing more is written
    again = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    assert places(again.unsent(Lane.HEALTH, 9)) == [(AT, CARRIED + 1)]
    again.put(event(0))
    again.sent(Lane.HEALTH, (again.boot, 1))
    again.put(event(1))
    again._database.close()
    third = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    assert places(third.unsent(Lane.HEALTH, 9)) == [(AT + 1, 2)]
    third.close()


@pytest.mark.parametrize("lane", [Lane.BULK, Lane.HEALTH])
def test_a_full_lane_drops_its_own_oldest_and_says_which(lane: Lane, path: Path) -> None:
    make_one, other = (step, event) if lane is Lane.BULK else (event, step)
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT, bounds=SMALL)
    for number in range(100):
        outbox.put(other(number))
    for number in range(1_000):
        outbox.put(make_one(number))
    here = reports(outbox)
    told = [report.event.fields for report in here if report.event.name == "report.dropped"]
    assert {fields["lane"] for fields in told} == {lane.value}
    gone = {
        number
        for fields in told
        for first, last in read_ranges(str(fields["ranges"]))
        for number in range(first, last + 1)
    }
    assert len(gone) == sum(int(fields["count"]) for fields in told)
    assert gone == set(range(1, outbox.seq + 1)) - {report.seq for report in here}
    assert sum(len(row.octets) for row in kept(outbox) if row.lane is lane) <= 64 * 1024
    assert sum(report.event.name == other(0).name for report in here) == 100
    assert here[-1].event == make_one(999)
    outbox.close()


def test_what_an_earlier_life_lost_is_told_with_its_epoch(path: Path) -> None:
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT, bounds=SMALL)
    for number in range(100):
        outbox.put(step(number))
    outbox.close()
    later = Outbox.open(path, TERMINAL, opened_at_ms=AT + 5_000, bounds=SMALL)
    for number in range(400):
        later.put(step(number))
    backs = {report.event.fields["epoch_back"] for report in reports(later) if report.event.name == "report.dropped"}
    assert backs == {5_000, 0}
    later.close()


def test_alerts_are_never_dropped_what_does_not_fit_is_refused(path: Path) -> None:
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT, bounds=SMALL)
    assert not outbox.full

    def flood() -> None:
        for number in range(10_000):
            outbox.put(alert(number))

    with pytest.raises(OutboxFull, match="full of alerts") as caught:
        flood()
    count = outbox.seq
    assert "what follows waits in the audit log" in caught.value.hint
    assert outbox.full
    assert [report.event for report in reports(outbox)] == [alert(number) for number in range(count)]
    outbox.put(event(1))  # another lane has its own room
    outbox.receipted(receipt(count))
    assert not outbox.full
    outbox.put(alert(1))
    outbox.close()


def test_what_is_asked_for_and_gone_is_told_once(outbox: Outbox) -> None:
    for number in range(6):
        outbox.put(event(number))
    outbox.receipted(receipt(3))
    outbox.disown(AT, 2, 5, AT)
    outbox.disown(AT, 2, 5, AT)
    outbox.disown(AT, 2, 5_000, AT)  # never were
    outbox.disown(AT + 1, 1, 1, AT)
    outbox.disown(AT - 7, 1, 2, AT)
    told = [report.event.fields for report in reports(outbox) if report.event.name == "report.dropped"]
    assert told == [
        {"count": 2, "epoch_back": 0, "ranges": "2..3"},
        {"count": 2, "epoch_back": 7, "ranges": "1..2"},
    ]


def test_numbers_that_no_life_had_are_not_told(outbox: Outbox) -> None:
    """A receipt by whoever took head office over, or an order with a typing error, may name any number."""
    outbox.put(event(1))
    for boot, first, last in (
        (0, 1, 2),
        (1, 1, 1 << 62),
        (AT - 1, 10**12, 10**12 + 1),
        (AT - 1, (1 << 63) - 2, 1 << 63),
    ):
        outbox.disown(boot, first, last, AT)
    assert outbox.waiting == 1


def test_disk_full_is_said_nothing_is_half_written_and_space_cures_it(outbox: Outbox) -> None:
    outbox.put(event(1))
    outbox.flush()
    database = outbox._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own word for a disk with no page left
    with pytest.raises(OutboxError, match="the disk is full") as caught:
        put_many(outbox)
    assert "free some space" in caught.value.hint
    before = outbox.waiting
    assert outbox.seq == before == len(kept(outbox))
    database.execute("PRAGMA max_page_count = 100000")
    assert outbox.put(event(5)) == before + 1
    assert_linked(outbox, genesis(TERMINAL))


def test_disk_error_is_said(path: Path) -> None:
    """A file size limit as ulimit sets it: writes fail, the process stays."""
    code = f"""
import resource, signal
from pathlib import Path
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.settings import OutboxError
from tests.terminal_agent.report.outbox_bench import event
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
outbox = Outbox.open(Path({str(path)!r}), "TG000001", opened_at_ms=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    for number in range(10_000):
        outbox.put(event(number))
except OutboxError as fault:
    print(number, outbox.seq, outbox.waiting, fault)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    number, seq, waiting, words = done.stdout.split(maxsplit=3)
    assert number == seq == waiting
    assert "the disk" in words
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    assert outbox.waiting == int(number)
    outbox.close()


def test_second_opening_is_refused(outbox: Outbox, path: Path) -> None:
    with pytest.raises(OutboxError, match="in use by another process"):
        Outbox.open(path, TERMINAL, opened_at_ms=AT)


def test_outbox_of_another_terminal_is_refused(path: Path) -> None:
    Outbox.open(path, TERMINAL, opened_at_ms=AT).close()
    with pytest.raises(OutboxError, match="belongs to another terminal"):
        Outbox.open(path, "TG000002", opened_at_ms=AT)


def test_what_is_no_outbox_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(OutboxError, match="is not an outbox"):
        Outbox.open(path, TERMINAL, opened_at_ms=AT)
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(OutboxError, match="version 9, 3 expected"):
        Outbox.open(path, TERMINAL, opened_at_ms=AT)


def test_unusable_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutboxError, match=r"file/outbox\.db"):
        Outbox.open(tmp_path / "file" / "outbox.db", TERMINAL, opened_at_ms=AT)


def test_event_that_is_none_is_refused_and_changes_nothing(outbox: Outbox) -> None:
    with pytest.raises(OutboxError, match="unknown kind"):
        outbox.put(Event("no.such", AT, {}))
    assert outbox.put(event()) == 1


def test_only_the_owner_can_read_it(outbox: Outbox, path: Path) -> None:
    outbox.put(event())
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_durable_at_once_in_wal_mode(outbox: Outbox) -> None:
    assert outbox._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert outbox._database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_who_waits_for_reports_is_told_after_they_are_kept(outbox: Outbox) -> None:
    seen: list[int] = []
    outbox.on_put = lambda: seen.append(outbox.waiting)
    outbox.put(event())
    outbox.put(event())
    assert seen == [1, 2]


WRITER = """
import sys
from pathlib import Path
from protocols.telemetry.events import Lane
from terminal_agent.report.outbox import Outbox
from tests.terminal_agent.report.outbox_bench import event, receipt
outbox = Outbox.open(Path(sys.argv[1]), "TG000001", opened_at_ms=int(sys.argv[2]))
while True:
    seq = outbox.put(event())
    print(outbox.boot, seq, flush=True)
    if seq % 7 == 0:
        outbox.sent(Lane.HEALTH, outbox.unsent(Lane.HEALTH, 3)[-1].place)
"""


def test_kill_9_loses_nothing_that_put_returned(path: Path) -> None:
    """Five kills at seeded moments: every number that was returned is kept, links unbroken."""
    moments = random.Random(20251122)
    returned: set[tuple[int, int]] = set()
    for boot in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(AT + boot)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(moments.randrange(20, 200)):
            boot_said, seq = writer.stdout.readline().split()
            returned.add((int(boot_said), int(seq)))
        writer.kill()
        returned |= {(int(a), int(b)) for a, b in (line.split() for line in writer.stdout if line.endswith("\n"))}
        writer.stdout.close()
        writer.wait()
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT + 100)
    assert_linked(outbox, genesis(TERMINAL))
    assert returned <= set(places(kept(outbox)))
    outbox.close()
