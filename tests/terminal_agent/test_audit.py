# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The audit log: on disk before it counts, verified at start, torn tails put aside, full disks said aloud."""

import errno
import os
from pathlib import Path

import pytest

from protocols.telemetry.events import Event, make
from terminal_agent import audit
from terminal_agent.audit import AuditBroken, AuditError, AuditLog, verify_file

TERMINAL = "TG000001"


def event(number: int) -> Event:
    return make("device.back", 1_800_000_000_000 + number, device=f"reader{number}")


def filled(folder: Path, count: int = 5) -> Path:
    log = AuditLog.open(folder, TERMINAL)
    for number in range(count):
        log.append(event(number))
    log.close()
    return log.path


def test_survives_and_continues(tmp_path: Path) -> None:
    path = filled(tmp_path)
    log = AuditLog.open(tmp_path, TERMINAL)
    log.append(event(9))
    head = log.head
    log.close()
    summary = verify_file(path)
    assert (summary.records, summary.head) == (6, head)
    assert verify_file(path, TERMINAL, head).records == 6
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"reader2", b"reader7"), *lines[3:]], "record 3: changed"),
        (lambda lines: lines[:2] + lines[3:], "record 3: missing"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "record 2"),
        (lambda lines: lines[1:], "record 1: missing"),
        (lambda lines: [*lines, b"garbage\n"], "record 6"),
    ],
)
def test_names_the_damaged_record_and_refuses_to_continue(tmp_path: Path, damage, named: str) -> None:  # type: ignore[no-untyped-def]
    path = filled(tmp_path)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(AuditBroken, match=named):
        verify_file(path)
    with pytest.raises(AuditBroken, match=named):
        AuditLog.open(tmp_path, TERMINAL)


def test_another_terminals_log_is_not_this_ones(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with pytest.raises(AuditBroken):
        verify_file(path, "TG000002")


def test_a_cut_tail_shows_against_a_remembered_head(tmp_path: Path) -> None:
    path = filled(tmp_path)
    remembered = verify_file(path).head
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    verify_file(path)
    with pytest.raises(AuditBroken, match="record 5: truncated"):
        verify_file(path, TERMINAL, remembered)


def test_a_torn_last_line_is_put_aside(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(AuditBroken, match="record 5: torn"):
        verify_file(path)
    log = AuditLog.open(tmp_path, TERMINAL)
    assert log.torn_octets > 0
    log.append(event(5))
    log.close()
    assert verify_file(path).records == 5
    assert path.with_name(path.name + ".torn").read_bytes().startswith(b'{"seq":5')


def test_a_full_disk_records_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path)
    log = AuditLog.open(tmp_path, TERMINAL)
    write = os.write

    def half(descriptor: int, octets: bytes) -> int:
        if len(octets) > 40:
            return write(descriptor, octets[:40])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(audit.os, "write", lambda d, o: half(d, o) if len(o) > 40 else half(d, b""))
    with pytest.raises(AuditError, match="No space left on device"):
        log.append(event(5))
    monkeypatch.setattr(audit.os, "write", write)
    log.append(event(6))
    log.close()
    assert verify_file(path).records == 6


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path, TERMINAL)
    with pytest.raises(AuditError, match="another agent writes it"):
        AuditLog.open(tmp_path, TERMINAL)
    log.close()


def test_a_name_that_tells_no_terminal_needs_one(tmp_path: Path) -> None:
    path = filled(tmp_path).rename(tmp_path / "copy")
    with pytest.raises(AuditError) as caught:
        verify_file(path)
    assert "--terminal" in caught.value.hint
    assert verify_file(path, TERMINAL).records == 5
    with pytest.raises(AuditError, match="No such file"):
        verify_file(tmp_path / "none.audit.jsonl")
