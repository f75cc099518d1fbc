# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox as a file: its anchor in the audit log, and files of older versions taken over whole."""

import sqlite3
from pathlib import Path

import pytest

from protocols.telemetry.envelope import genesis
from protocols.telemetry.events import make
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.settings import OutboxError
from tests.terminal_agent.report.outbox_bench import AT, TERMINAL, assert_linked, event, kept, reports


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
    count, anchor = len(kept(outbox)), outbox.anchor
    assert anchor == f"agent/TG000001:{count - 1}:00"
    outbox._database.close()
    again = Outbox.open(path, "TG000001", opened_at_ms=AT)
    assert (len(kept(again)), again.anchor) == (count, anchor)
    again.close()


def old_file(path: Path) -> None:
    """A file of version 2, as an agent of then left it."""
    database = sqlite3.connect(path)
    database.executescript((Path(__file__).parents[2] / "vectors/outbox_v2.sql").read_text())
    database.close()


def test_an_outbox_of_version_2_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    old_file(path)
    outbox = Outbox.open(path, "TG000001", opened_at_ms=AT)
    here = reports(outbox)
    assert outbox.boot == AT + 51
    assert outbox.anchor == "agent/TG000001:10:0a"
    # What a broker had acknowledged waits again; the report of the dropped, which named none then, is left out.
    assert [(report.boot, report.seq) for report in here] == [(AT, seq) for seq in range(1, 10)] + [(AT + 50, 2)]
    assert [report.event for report in here[:8]] == [event(number) for number in range(8)]
    assert here[9].event == make("payment.step", AT + 52, payment="p1", step="gpo", wire="reader", ms=4)
    assert outbox.waiting == 10
    outbox.put(event(1), "agent/TG000001:11:0b")
    assert_linked(outbox, genesis(TERMINAL))
    outbox.disown(AT + 50, 1, 1, AT)  # head office asks for it
    assert reports(outbox)[-1].event.fields == {"count": 1, "epoch_back": 1, "ranges": "1"}
    outbox.close()
    again = Outbox.open(path, "TG000001", opened_at_ms=AT)
    assert again.waiting == 12
    again.close()


def test_an_outbox_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    old_file(path)
    database = sqlite3.connect(path)
    database.execute("ALTER TABLE story DROP COLUMN anchor")
    database.execute("PRAGMA user_version = 1")
    database.close()
    outbox = Outbox.open(path, "TG000001", opened_at_ms=AT)
    assert outbox.anchor == ""
    assert outbox.waiting == 10
    outbox.close()


def test_a_version_is_taken_over_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    old_file(path)
    database = sqlite3.connect(path)
    database.execute("UPDATE report SET octets = x'00' WHERE number = 5")
    database.commit()
    database.close()
    for _ in range(2):
        with pytest.raises(OutboxError, match="cannot be taken over"):
            Outbox.open(path, "TG000001", opened_at_ms=AT)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (2,)
    assert database.execute("SELECT count(*) FROM report").fetchone() == (11,)
    database.close()
