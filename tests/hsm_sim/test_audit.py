# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The unit's audit: what is on the disk when, what a restart accepts, what a kill leaves, and that it fails closed."""

import errno
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hsm_sim import audit as subject
from hsm_sim.audit import CHAIN, Audit, AuditError, verify_file
from protocols.audit_chain import Head, verify


def clock() -> Callable[[], int]:
    count = itertools.count(1_700_000_000_000)
    return lambda: next(count)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_change_is_on_the_disk_when_it_returns_and_takes_what_waited_along(path: Path) -> None:
    audit = Audit(clock(), path)
    audit.soon("host.command", code="A0")
    assert (path.read_bytes(), audit.waiting) == (b"", 1)
    head = audit.now("state.changed", before="online", after="offline")
    assert (len(lines(path)), audit.waiting) == (2, 0)
    assert verify(CHAIN, lines(path)).head == head == audit.head
    audit.close()


def test_a_commit_writes_what_waits_once(path: Path) -> None:
    audit = Audit(clock(), path)
    for _ in range(5):
        audit.soon("host.command", code="A0")
    audit.commit()
    audit.commit()
    assert (len(lines(path)), audit.commits) == (5, 1)
    audit.close()
    assert verify_file(path).records == 5


def test_a_restart_goes_on_where_it_ended(path: Path) -> None:
    first = Audit(clock(), path)
    first.now("unit.started")
    first.close()
    second = Audit(clock(), path)
    assert second.head == first.head
    second.now("unit.started")
    second.close()
    assert verify_file(path).records == 2


@pytest.mark.parametrize("torn", [b"{", b'{"seq":2,"at_ms":17', b"x" * 70_000])
def test_a_torn_line_is_cut_off_and_recorded(path: Path, torn: bytes) -> None:
    first = Audit(clock(), path)
    first.now("unit.started")
    first.close()
    with path.open("ab") as stored:
        stored.write(torn)
    second = Audit(clock(), path)
    records = second.last(10)
    assert [record.name for record in records] == ["unit.started", "audit.mended"]
    assert records[1].fields == {"octets": len(torn)}
    second.close()
    assert verify_file(path).records == 2


def test_anything_else_that_does_not_hold_stops_the_unit(path: Path) -> None:
    first = Audit(clock(), path)
    for _ in range(3):
        first.now("state.changed")
    first.close()
    whole = lines(path)
    for damaged in (
        [whole[0].replace(b"changed", b"chAnged"), *whole[1:]],
        [whole[0], whole[2]],
        [whole[1], whole[0], whole[2]],
        whole[1:],
        [b"no record\n"],
    ):
        path.write_bytes(b"".join(damaged))
        with pytest.raises(AuditError, match=r"audit.jsonl: record \d"):
            Audit(clock(), path)
    path.write_bytes(b"".join(whole))
    Audit(clock(), path).close()


def test_a_remembered_head_shows_what_was_cut(path: Path) -> None:
    audit = Audit(clock(), path)
    audit.now("unit.started")
    remembered = Head.from_text(audit.now("state.changed").text())
    audit.close()
    assert verify_file(path, remembered).records == 2
    path.write_bytes(lines(path)[0])
    verify_file(path)
    with pytest.raises(AuditError, match="truncated"):
        verify_file(path, remembered)


def test_the_last_record_of_a_name_is_brought_back(path: Path) -> None:
    audit = Audit(clock(), path)
    for total in (1, 2):
        audit.now("fraud.counted", total=total, words="fraud.reset")
    audit.now("host.command", code='"name":"fraud.reset"')
    audit.close()
    again = Audit(clock(), path, {"fraud.counted", "fraud.reset"})
    assert again.remembered is not None
    assert (again.remembered.name, again.remembered.fields["total"]) == ("fraud.counted", 2)
    again.close()
    other = Audit(clock(), path, {"fraud.reset"})
    assert other.remembered is None
    other.close()


def test_one_writer_at_a_time(path: Path) -> None:
    first = Audit(clock(), path)
    with pytest.raises(AuditError, match="open in another process"):
        Audit(clock(), path)
    first.close()
    Audit(clock(), path).close()


def test_a_disk_that_is_full_refuses_the_change_and_nothing_is_lost_when_it_is_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(clock(), path)
    audit.now("unit.started")
    real = os.write

    def full(descriptor: int, octets: bytes) -> int:
        real(descriptor, octets[:7])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(subject.os, "write", full)
    with pytest.raises(AuditError, match="No space left"):
        audit.now("state.changed")
    monkeypatch.setattr(subject.os, "write", real)
    audit.now("state.changed")
    audit.close()
    assert verify_file(path).records == 3


def test_what_waits_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "WAITING_RECORDS", 3)
    audit = Audit(clock(), path)
    for _ in range(7):
        audit.soon("host.command", code="A0")
    assert (audit.waiting, audit.commits) == (1, 2)
    audit.close()


def test_without_a_file_the_last_are_kept_in_memory() -> None:
    audit = Audit(clock())
    for number in range(5):
        audit.now("state.changed", number=number)
    assert [record.fields["number"] for record in audit.last(2)] == [3, 4]
    assert audit.verify().records == 5
    audit.close()


def test_a_file_changed_behind_its_back_is_noticed(path: Path) -> None:
    audit = Audit(clock(), path)
    audit.now("unit.started")
    audit.now("state.changed")
    path.write_bytes(lines(path)[0])
    with pytest.raises(AuditError, match="not the one that this unit wrote"):
        audit.verify()
    audit.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="No such file"):
        Audit(clock(), tmp_path / "nowhere" / "audit.jsonl")


WRITER = """
import os, sys, time
from pathlib import Path
from hsm_sim.audit import Audit
audit = Audit(lambda: time.time_ns() // 1_000_000, Path(sys.argv[1]))
print("open", flush=True)
for number in range(100_000):
    audit.soon("host.command", code="A0")
    os.write(1, b"%d\\n" % audit.now("state.changed", number=number).seq)
"""


def test_a_kill_loses_no_change_that_was_told(path: Path) -> None:
    told = 0
    for round_ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            for _ in range(1 + 20 * round_):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split("\n")
            told = int(rest[-2]) if len(rest) > 1 else told
        again = Audit(clock(), path)
        assert again.head.seq >= told
        again.close()
