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

from protocols.telemetry.envelope import Report, decode, genesis, report_hash
from protocols.telemetry.events import Event, Lane, make
from terminal_agent.report.outbox import CARRIED, KEPT, Outbox
from terminal_agent.report.settings import OutboxError

AT = 1_763_800_000_000
TERMINAL = "TG000001"


def event(number: int = 0) -> Event:
    return make("device.back", AT + number, device=f"reader-{number}")


def step(number: int) -> Event:
    return make("payment.step", AT + number, payment="p", step="gpo", wire="reader", ms=number)


def alert(number: int) -> Event:
    return make("device.lost", AT + number, device="reader", reason="gone")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    yield box
    box.close()


def put_many(outbox: Outbox) -> None:
    for number in range(2, 1_000):
        outbox.put(event(number))


def reports(outbox: Outbox) -> list[Report]:
    return [decode(row.octets) for row in outbox.pending(1_000_000)]


def assert_linked(outbox: Outbox, prev: str | None = None) -> None:
    for row in outbox.pending(1_000_000):
        report = decode(row.octets)
        assert prev is None or report.prev == prev
        prev = report_hash(row.octets)


def test_reports_are_numbered_linked_and_addressed(outbox: Outbox) -> None:
    assert [outbox.put(event(number)) for number in range(3)] == [1, 2, 3]
    rows = outbox.pending()
    assert [(row.boot, row.seq, row.topic) for row in rows] == [
        (AT, number, "pos/v1/s20/TG000001/health") for number in (1, 2, 3)
    ]
    assert [report.event for report in reports(outbox)] == [event(number) for number in range(3)]
    assert_linked(outbox, genesis(TERMINAL))
    outbox.put(alert(4))
    assert outbox.pending()[-1].topic == "pos/v1/s20/TG000001/alert"
    assert outbox.waiting == 4
    assert [row.seq for row in outbox.pending(2)] == [1, 2]


def test_done_is_cumulative_and_what_is_done_no_longer_waits(outbox: Outbox) -> None:
    for number in range(5):
        outbox.put(event(number))
    rows = outbox.pending()
    outbox.done(rows[2].number)
    outbox.done(rows[0].number)
    assert [row.seq for row in outbox.pending()] == [4, 5]


def test_next_boot_is_later_goes_on_with_the_link_and_keeps_what_waits(path: Path) -> None:
    first = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    first.put(event(1))
    first.put(event(2))
    first.done(first.pending()[0].number)
    first.close()
    second = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    assert (second.boot, second.seq) == (AT + 1, 0)
    second.put(event(3))
    assert [(report.boot, report.seq) for report in reports(second)] == [(AT, 2), (AT + 1, 1)]
    assert_linked(second)
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


def test_rewind_offers_what_was_sent_last(outbox: Outbox) -> None:
    for number in range(KEPT + 100):
        outbox.put(event(number))
        outbox.done(outbox.pending(1)[0].number)
    assert outbox.waiting == 0
    outbox.flush()
    assert outbox.rewind() == KEPT
    assert outbox.pending(1)[0].seq == 101


def test_marks_of_what_was_sent_are_carried_by_later_writes(path: Path) -> None:
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    for number in range(CARRIED + 1):
        outbox.put(event(number))
    for row in outbox.pending(CARRIED):
        outbox.done(row.number)
    outbox._database.close()  # as a kill would: nothing more is written
    again = Outbox.open(path, TERMINAL, opened_at_ms=AT)
    assert [row.seq for row in again.pending()] == [CARRIED + 1]
    again.close()


def test_full_outbox_drops_the_oldest_of_the_least_lane_and_says_so(path: Path) -> None:
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT, rows=100)
    for number in range(40):
        outbox.put(step(number))
    for number in range(40, 80):
        outbox.put(event(number))
    for number in range(80, 100):
        outbox.put(alert(number))
    outbox.put(alert(100))
    kept = reports(outbox)
    assert len(kept) <= 100
    assert [report.event for report in kept if report.event.name == "report.dropped"] == [
        make("report.dropped", AT + 100, count=2, lane="bulk", epoch_back=0, ranges="1..2")
    ]
    assert kept[0].event == step(2)
    for number in range(101, 400):
        outbox.put(alert(number))
    kept = reports(outbox)
    assert len(kept) <= 100
    assert kept[-1].event == alert(399)
    assert {report.lane for report in kept} == {Lane.ALERT}
    outbox.close()


def test_full_outbox_forgets_what_was_sent_before_it_drops_anything(path: Path) -> None:
    outbox = Outbox.open(path, TERMINAL, opened_at_ms=AT, rows=100)
    for number in range(100):
        outbox.put(step(number))
    outbox.done(outbox.pending(50)[-1].number)
    for number in range(100, 150):
        outbox.put(step(number))
    assert [report.seq for report in reports(outbox)] == list(range(51, 151))
    outbox.close()


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
    assert outbox.seq == before
    database.execute("PRAGMA max_page_count = 100000")
    assert outbox.put(event(5)) == before + 1
    assert_linked(outbox, genesis(TERMINAL))


def test_disk_error_is_said(path: Path) -> None:
    """A file size limit as ulimit sets it: writes fail, the process stays."""
    code = f"""
import resource, signal
from pathlib import Path
from tests.terminal_agent.report.test_outbox import event, Outbox, OutboxError
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
    with pytest.raises(OutboxError, match="version 9, 2 expected"):
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
from terminal_agent.report.outbox import Outbox
from tests.terminal_agent.report.test_outbox import event
outbox = Outbox.open(Path(sys.argv[1]), "TG000001", opened_at_ms=int(sys.argv[2]))
while True:
    seq = outbox.put(event())
    print(outbox.boot, seq, flush=True)
    if seq % 7 == 0:
        outbox.done(outbox.pending(3)[-1].number)
"""


def test_kill_9_loses_nothing_that_put_returned(path: Path) -> None:
    """Five kills at seeded moments: every number that was returned is either kept or was handed on, links unbroken."""
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
    outbox.rewind()
    kept = [(report.boot, report.seq) for report in reports(outbox)]
    assert kept == sorted(kept)
    assert_linked(outbox)
    assert all(entry in set(kept) for entry in returned if entry >= kept[0])
    assert len(kept) >= KEPT or returned <= set(kept)
    outbox.close()


def test_how_far_the_audit_log_is_kept_is_written_in_one_stroke_with_the_report(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox.open(path, "TG000001", opened_at_ms=AT)
    assert outbox.anchor == ""
    outbox.begin_at("agent/TG000001:0:00")
    outbox.put(make("device.back", AT, device="pad"), "agent/TG000001:1:01")
    outbox.put(make("device.back", AT, device="pad"))
    pages = outbox._database.execute("PRAGMA page_count").fetchone()[0]
    outbox._database.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for number in range(2, 1000):
            outbox.put(make("device.back", AT, device="pad"), f"agent/TG000001:{number}:00")

    with pytest.raises(OutboxError, match="full"):
        fill()
    kept, anchor = len(outbox.pending(10_000)), outbox.anchor
    assert anchor == f"agent/TG000001:{kept - 1}:00"
    outbox._database.close()
    again = Outbox.open(path, "TG000001", opened_at_ms=AT)
    assert (len(again.pending(10_000)), again.anchor) == (kept, anchor)
    again.close()


def test_an_outbox_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    old = Outbox.open(path, "TG000001", opened_at_ms=AT)
    old.put(make("device.back", AT, device="pad"))
    old.close()
    database = sqlite3.connect(path)
    database.execute("ALTER TABLE story DROP COLUMN anchor")
    database.execute("PRAGMA user_version = 1")
    database.close()
    outbox = Outbox.open(path, "TG000001", opened_at_ms=AT)
    assert outbox.anchor == ""
    assert len(outbox.pending()) == 1
    outbox.put(make("device.back", AT, device="pad"), "agent/TG000001:2:01")
    outbox.close()
