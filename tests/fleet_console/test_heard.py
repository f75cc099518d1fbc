# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a terminal's story: each report counts once, every number that is missing is said once."""

import random

import pytest

from fleet_console.heard import BOOTS_KEPT, Finding, Gap, Heard, Verdict
from protocols.telemetry.envelope import Report, encode, genesis, report_hash
from protocols.telemetry.events import make

EVENT = make("device.back", 1_763_800_000_000, device="reader")
NEW, DUPLICATE = Finding(Verdict.NEW), Finding(Verdict.DUPLICATE)


def chain(
    count: int, boot: int = 7, terminal: str = "TG000001", behind: bytes | None = None
) -> list[tuple[Report, bytes]]:
    prev, reports = genesis(terminal) if behind is None else report_hash(behind), []
    for seq in range(1, count + 1):
        report = Report(terminal, boot, seq, prev, EVENT)
        octets = encode(report)
        reports.append((report, octets))
        prev = report_hash(octets)
    return reports


def test_in_order_and_twice() -> None:
    heard = Heard()
    assert [heard.hear(*report) for report in chain(5)] == [NEW] * 5
    assert [heard.hear(*report) for report in chain(5)] == [DUPLICATE] * 5


def test_gap_is_said_once_and_can_be_filled() -> None:
    heard, reports = Heard(), chain(6)
    heard.hear(*reports[0])
    assert heard.hear(*reports[4]) == Finding(Verdict.NEW, Gap("TG000001", 7, 2, 4))
    assert heard.hear(*reports[2]) == NEW
    assert heard.hear(*reports[2]) == DUPLICATE
    assert heard.hear(*reports[5]) == NEW


def test_listening_may_begin_anywhere_and_what_was_before_is_no_gap() -> None:
    heard, reports = Heard(), chain(6)
    assert heard.hear(*reports[3]) == NEW
    assert heard.hear(*reports[1]) == NEW
    assert heard.hear(*reports[1]) == DUPLICATE
    assert heard.hear(*reports[4]) == NEW


def test_next_boot_begins_at_one() -> None:
    heard = Heard()
    heard.hear(*chain(3)[2])
    assert heard.hear(*chain(2, boot=8)[1]) == Finding(Verdict.NEW, Gap("TG000001", 8, 1, 1))
    assert heard.hear(*chain(3)[2]) == DUPLICATE


def test_next_boot_links_to_the_last_report_of_the_one_before() -> None:
    heard, before = Heard(), chain(3)
    for report in before:
        heard.hear(*report)
    assert heard.hear(*chain(1, boot=8, behind=before[2][1])[0]) == NEW


@pytest.mark.parametrize("behind", [None, 0, 1])
def test_disk_put_back_shows_at_the_next_boot(behind: int | None) -> None:
    heard, before = Heard(), chain(3)
    for report in before:
        heard.hear(*report)
    again = chain(2, boot=8, behind=None if behind is None else before[behind][1])
    assert heard.hear(*again[0]) == Finding(Verdict.UNLINKED)
    assert heard.hear(*again[1]) == NEW


def test_end_of_the_boot_before_may_come_later() -> None:
    heard, before = Heard(), chain(3)
    heard.hear(*before[0])
    behind = chain(1, boot=8, behind=before[2][1])
    assert heard.hear(*behind[0]) == Finding(Verdict.NEW, loose=True)
    assert not heard.rooted("TG000001", 8)
    heard.hear(*before[2])
    assert heard.rooted("TG000001", 8)


def test_report_that_comes_late_must_link_on_both_sides() -> None:
    heard, reports = Heard(), chain(3)
    heard.hear(*reports[0])
    heard.hear(*reports[2])
    forged = Report("TG000001", 7, 2, report_hash(reports[0][1]), make("device.back", 1, device="pad"))
    assert heard.hear(forged, encode(forged)).verdict is Verdict.UNLINKED


def test_dropped_numbers_are_not_missing_any_more() -> None:
    heard, reports = Heard(), chain(9)
    heard.hear(*reports[0])
    gap = heard.hear(*reports[8]).gap
    assert gap is not None
    assert heard.missing(gap) == ((2, 8),)
    heard.dropped("TG000001", 7, ((2, 3), (6, 6)))
    assert heard.missing(gap) == ((4, 5), (7, 8))
    heard.dropped("TG000002", 7, ((4, 8),))
    assert heard.missing(gap) == ((4, 5), (7, 8))


def test_the_will_stands_outside_and_an_old_one_says_nothing() -> None:
    heard = Heard()
    lost = Report("TG000001", 7, 0, genesis("TG000001"), make("agent.lost", 1))
    assert heard.hear(lost, encode(lost)) == NEW
    heard.hear(*chain(1, boot=8)[0])
    assert heard.hear(lost, encode(lost)) == DUPLICATE


def test_boot_that_is_heard_late_is_held_against_nothing() -> None:
    heard = Heard()
    heard.hear(*chain(3, boot=9)[2])
    assert heard.hear(*chain(1, boot=8)[0]) == NEW


def test_terminals_do_not_mix() -> None:
    heard = Heard()
    assert heard.hear(*chain(1)[0]) == NEW
    assert heard.hear(*chain(1, terminal="TG000002")[0]) == NEW


def test_report_that_does_not_link_is_named() -> None:
    heard, reports = Heard(), chain(3)
    heard.hear(*reports[0])
    forged = Report("TG000001", 7, 2, "0" * 64, EVENT)
    assert heard.hear(forged, encode(forged)) == Finding(Verdict.UNLINKED)
    assert heard.hear(*reports[2]) == Finding(Verdict.UNLINKED)


def test_memory_of_boots_is_bounded() -> None:
    heard = Heard()
    for boot in range(BOOTS_KEPT + 5):
        heard.hear(*chain(1, boot=boot)[0])
    assert len(heard._terminals["TG000001"]) == BOOTS_KEPT


@pytest.mark.parametrize("seed", range(20))
def test_any_loss_order_and_repetition_shows_each_once_and_names_what_is_missing(seed: int) -> None:
    noise = random.Random(seed)
    reports = chain(60)
    came = [report for report in reports if noise.random() < 0.8]
    sent = came + noise.choices(came, k=30)
    noise.shuffle(sent)
    heard, new, missing = Heard(), [], set()
    for report, octets in sent:
        finding = heard.hear(report, octets)
        if finding.gap is not None:
            missing.update(range(finding.gap.first, finding.gap.last + 1))
        if finding.verdict is not Verdict.DUPLICATE:
            new.append(report.seq)
            missing.discard(report.seq)
    assert sorted(new) == [report.seq for report, _ in came]
    first, last = sent[0][0].seq, max(new)
    assert missing == set(range(first, last + 1)) - set(new)
