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


def test_an_append_that_could_not_even_be_taken_back_is_cut_off_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path)
    log = AuditLog.open(tmp_path, TERMINAL)

    def refused(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(audit.os, "fdatasync", refused)
        broken.setattr(audit.os, "ftruncate", refused)
        with pytest.raises(AuditError, match="Input/output error"):
            log.append(event(5))
        with pytest.raises(AuditError, match="Input/output error"):
            log.append(event(6))
    assert verify_file(path).records == 6, "the record that was refused still hangs over the end"
    log.append(event(7))
    log.close()
    assert verify_file(path).records == 6
    assert b"reader5" not in path.read_bytes()


def test_whoever_follows_the_log_finds_what_is_behind_his_head(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path, TERMINAL)
    heads = [log.head, *(log.append(event(number)) for number in range(4))]
    for seen, head in enumerate(heads):
        behind = list(log.after(head))
        assert [one for one, _ in behind] == [event(number) for number in range(seen, 4)]
        assert [one for _, one in behind] == heads[seen + 1 :]
    log.close()
    reopened = AuditLog.open(tmp_path, TERMINAL)
    assert [one for one, _ in reopened.after(heads[2])] == [event(2), event(3)]
    assert reopened.last_ms == event(3).at_ms
    reopened.close()


def test_a_head_that_was_reported_and_is_not_in_the_log_shows_that_the_log_was_cut_or_made_anew(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    log, other = AuditLog.open(tmp_path, TERMINAL), AuditLog.open(tmp_path / "other", TERMINAL)
    heads = [log.append(event(number)) for number in range(4)]
    for number in range(4):
        other.append(event(number + 1))
    log.close()
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:2]))
    cut = AuditLog.open(tmp_path, TERMINAL)
    with pytest.raises(AuditBroken, match="record 4: truncated"):
        list(cut.after(heads[3]))
    with pytest.raises(AuditBroken, match="record 2: rewritten"):
        list(other.after(heads[1]))
    assert list(cut.after(heads[1])) == []
    cut.close()
    other.close()


def test_an_event_is_found_again_by_all_of_it(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path, TERMINAL)
    log.append(make("device.lost", 1_800_000_000_000, device="pad", reason='a "quoted" é reason'))
    assert log.holds(make("device.lost", 1_800_000_000_000, device="pad", reason='a "quoted" é reason'))
    for other in (
        make("device.lost", 1_800_000_000_001, device="pad", reason='a "quoted" é reason'),
        make("device.lost", 1_800_000_000_000, device="reader", reason='a "quoted" é reason'),
        make("device.back", 1_800_000_000_000, device="pad"),
    ):
        assert not log.holds(other)
    log.close()
