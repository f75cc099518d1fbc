# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a terminal's story: each report counts once, every number that is missing is said once."""

import random

import pytest

from fleet_console.story import BOOTS_KEPT, Finding, Gap, Stories, Verdict
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
    stories = Stories()
    assert [stories.hear(*report) for report in chain(5)] == [NEW] * 5
    assert [stories.hear(*report) for report in chain(5)] == [DUPLICATE] * 5


def test_gap_is_said_once_and_can_be_filled() -> None:
    stories, reports = Stories(), chain(6)
    stories.hear(*reports[0])
    assert stories.hear(*reports[4]) == Finding(Verdict.NEW, Gap("TG000001", 7, 2, 4))
    assert stories.hear(*reports[2]) == NEW
    assert stories.hear(*reports[2]) == DUPLICATE
    assert stories.hear(*reports[5]) == NEW


def test_listening_may_begin_anywhere_and_what_was_before_is_no_gap() -> None:
    stories, reports = Stories(), chain(6)
    assert stories.hear(*reports[3]) == NEW
    assert stories.hear(*reports[1]) == NEW
    assert stories.hear(*reports[1]) == DUPLICATE
    assert stories.hear(*reports[4]) == NEW


def test_next_boot_begins_at_one() -> None:
    stories = Stories()
    stories.hear(*chain(3)[2])
    assert stories.hear(*chain(2, boot=8)[1]) == Finding(Verdict.NEW, Gap("TG000001", 8, 1, 1))
    assert stories.hear(*chain(3)[2]) == DUPLICATE


def test_next_boot_links_to_the_last_report_of_the_one_before() -> None:
    stories, before = Stories(), chain(3)
    for report in before:
        stories.hear(*report)
    assert stories.hear(*chain(1, boot=8, behind=before[2][1])[0]) == NEW


@pytest.mark.parametrize("behind", [None, 0, 1])
def test_disk_put_back_shows_at_the_next_boot(behind: int | None) -> None:
    stories, before = Stories(), chain(3)
    for report in before:
        stories.hear(*report)
    again = chain(2, boot=8, behind=None if behind is None else before[behind][1])
    assert stories.hear(*again[0]) == Finding(Verdict.UNLINKED)
    assert stories.hear(*again[1]) == NEW


def test_end_of_the_boot_before_may_come_later() -> None:
    stories, before = Stories(), chain(3)
    stories.hear(*before[0])
    behind = chain(1, boot=8, behind=before[2][1])
    assert stories.hear(*behind[0]) == Finding(Verdict.NEW, loose=True)
    assert not stories.rooted("TG000001", 8)
    stories.hear(*before[2])
    assert stories.rooted("TG000001", 8)


def test_report_that_comes_late_must_link_on_both_sides() -> None:
    stories, reports = Stories(), chain(3)
    stories.hear(*reports[0])
    stories.hear(*reports[2])
    forged = Report("TG000001", 7, 2, report_hash(reports[0][1]), make("device.back", 1, device="pad"))
    assert stories.hear(forged, encode(forged)).verdict is Verdict.UNLINKED


def test_dropped_numbers_are_not_missing_any_more() -> None:
    stories, reports = Stories(), chain(9)
    stories.hear(*reports[0])
    gap = stories.hear(*reports[8]).gap
    assert gap is not None
    assert stories.missing(gap) == ((2, 8),)
    stories.dropped("TG000001", 7, ((2, 3), (6, 6)))
    assert stories.missing(gap) == ((4, 5), (7, 8))
    stories.dropped("TG000002", 7, ((4, 8),))
    assert stories.missing(gap) == ((4, 5), (7, 8))


def test_the_will_stands_outside_and_an_old_one_says_nothing() -> None:
    stories = Stories()
    lost = Report("TG000001", 7, 0, genesis("TG000001"), make("agent.lost", 1))
    assert stories.hear(lost, encode(lost)) == NEW
    stories.hear(*chain(1, boot=8)[0])
    assert stories.hear(lost, encode(lost)) == DUPLICATE


def test_boot_that_is_heard_late_is_held_against_nothing() -> None:
    stories = Stories()
    stories.hear(*chain(3, boot=9)[2])
    assert stories.hear(*chain(1, boot=8)[0]) == NEW


def test_terminals_do_not_mix() -> None:
    stories = Stories()
    assert stories.hear(*chain(1)[0]) == NEW
    assert stories.hear(*chain(1, terminal="TG000002")[0]) == NEW


def test_report_that_does_not_link_is_named() -> None:
    stories, reports = Stories(), chain(3)
    stories.hear(*reports[0])
    forged = Report("TG000001", 7, 2, "0" * 64, EVENT)
    assert stories.hear(forged, encode(forged)) == Finding(Verdict.UNLINKED)
    assert stories.hear(*reports[2]) == Finding(Verdict.UNLINKED)


def test_memory_of_boots_is_bounded() -> None:
    stories = Stories()
    for boot in range(BOOTS_KEPT + 5):
        stories.hear(*chain(1, boot=boot)[0])
    assert len(stories._terminals["TG000001"]) == BOOTS_KEPT


@pytest.mark.parametrize("seed", range(20))
def test_any_loss_order_and_repetition_shows_each_once_and_names_what_is_missing(seed: int) -> None:
    noise = random.Random(seed)
    reports = chain(60)
    heard = [report for report in reports if noise.random() < 0.8]
    sent = heard + noise.choices(heard, k=30)
    noise.shuffle(sent)
    stories, new, missing = Stories(), [], set()
    for report, octets in sent:
        finding = stories.hear(report, octets)
        if finding.gap is not None:
            missing.update(range(finding.gap.first, finding.gap.last + 1))
        if finding.verdict is not Verdict.DUPLICATE:
            new.append(report.seq)
            missing.discard(report.seq)
    assert sorted(new) == [report.seq for report, _ in heard]
    first, last = sent[0][0].seq, max(new)
    assert missing == set(range(first, last + 1)) - set(new)
