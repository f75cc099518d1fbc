# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The journal: dead at any step, what was sent and not seen through is owed back once; nothing is half written."""

import sqlite3
import stat
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from protocols.acquirer.message import Draft
from terminal_agent.host.exchange import TRANSITIONS, State, Step
from terminal_agent.host.journal import LAST_STAN, Journal
from terminal_agent.host.port import JournalError, JournalFull
from terminal_agent.host.reversal import ReversalReason
from tests.terminal_agent.host.payments import LATER, after_power_loss, asked, begun, conclude, reply
from tests.terminal_agent.host.test_client import AT, PAN


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "host.journal")
    yield made
    made.close()


Walk = Callable[[Journal, Draft], None]


def _recorded(journal: Journal, message: Draft) -> None:
    journal.record(message, begun(journal))


def _approved(journal: Journal, message: Draft) -> None:
    journal.answered(journal.record(message, begun(journal)), reply(message))


def _declined(journal: Journal, message: Draft) -> None:
    journal.answered(journal.record(message, begun(journal)), reply(message, "55"))


def _completed(journal: Journal, message: Draft) -> None:
    payment = begun(journal)
    journal.answered(journal.record(message, payment), reply(message))
    conclude(journal, payment, "approved", AT)


def _withdrawn(journal: Journal, message: Draft) -> None:
    journal.withdrawn(journal.record(message, begun(journal)))


def _silent(journal: Journal, message: Draft) -> None:
    journal.must_reverse(journal.record(message, begun(journal)), ReversalReason.GARBLED, AT)


def _reversing(journal: Journal, message: Draft) -> None:
    ref = journal.record(message, begun(journal))
    journal.must_reverse(ref, ReversalReason.GARBLED, AT)
    journal.reversal_sending(ref)


def _reversed(journal: Journal, message: Draft) -> None:
    _reversing(journal, message)
    assert journal.reversal_answered(1, "00", AT)


@pytest.mark.parametrize(
    ("walk", "owed", "attempts"),
    [
        (_recorded, 1, 0),
        (_approved, 1, 0),
        (_declined, 0, 0),
        (_completed, 0, 0),
        (_withdrawn, 0, 0),
        (_silent, 1, 0),
        (_reversing, 1, 1),
        (_reversed, 0, 0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_killed_at_any_step_at_most_one_reversal_is_owed(
    journal: Journal, tmp_path: Path, walk: Walk, owed: int, attempts: int
) -> None:
    message = asked(journal)
    walk(journal, message)
    revived = after_power_loss(journal, tmp_path / "revived")
    revived.recover(LATER)
    assert revived.recover(LATER) == 0
    assert len(revived.reversals()) == owed
    for one in revived.reversals():
        assert one.attempts == attempts
        assert (one.original.mti, one.original.stan, one.original.transmitted) == (
            message.message.mti,
            message.message.stan,
            message.message.transmitted,
        )
        assert (one.amount, one.currency, one.reference) == (4200, "978", message.message.reference)
        assert one.stan != message.message.stan
        again = after_power_loss(revived, tmp_path / "again")
        again.recover(LATER)
        assert again.reversals() == revived.reversals()
        assert again.next_stan() > one.stan
        again.close()
    revived.close()


def test_a_reversal_stays_owed_until_an_answer_settles_it(journal: Journal) -> None:
    message = asked(journal)
    ref = journal.record(message, begun(journal))
    journal.must_reverse(ref, ReversalReason.SILENCE, AT)
    (first,) = journal.reversals()
    journal.must_reverse(ref, ReversalReason.CUSTOMER, LATER)
    assert journal.reversals() == (first,)
    journal.reversal_sending(ref)
    assert not journal.reversal_answered(ref, "91", AT)
    (second,) = journal.reversals()
    assert (second.attempts, second.stan, second.transmitted) == (1, first.stan, first.transmitted)
    assert journal.reversal_answered(ref, "25", AT)
    assert journal.reversals() == ()
    assert journal.state(ref) is State.REVERSED


def test_reversals_come_oldest_first(journal: Journal) -> None:
    refs = [journal.record(asked(journal), begun(journal)) for _ in range(3)]
    for ref in reversed(refs):
        journal.must_reverse(ref, ReversalReason.SILENCE, AT)
    assert [one.ref for one in journal.reversals()] == refs


def test_every_state_and_step_is_in_the_table_or_refused(journal: Journal) -> None:
    def delivered(ref: int, _: Draft) -> None:
        with journal._file.transaction():
            journal._move(ref, Step.DELIVERED)

    doing: dict[Step, Callable[[int, Draft], object]] = {
        Step.APPROVED: lambda ref, message: journal.answered(ref, reply(message)),
        Step.DECLINED: lambda ref, message: journal.answered(ref, reply(message, "05")),
        Step.DELIVERED: delivered,
        Step.NOTHING_LEFT: lambda ref, _: journal.withdrawn(ref),
        Step.UNCERTAIN: lambda ref, _: journal.must_reverse(ref, ReversalReason.SILENCE, AT),
        Step.REVERSAL_ANSWERED: lambda ref, _: journal.reversal_answered(ref, "00", AT),
    }
    for state, step in product(State, Step):
        message = asked(journal)
        ref = journal.record(message, begun(journal))
        for way in _WAYS[state]:
            doing[way](ref, message)
        assert journal.state(ref) is state
        if (state, step) in TRANSITIONS:
            doing[step](ref, message)
            assert journal.state(ref) is TRANSITIONS[state, step]
        else:
            with pytest.raises(JournalError, match="cannot follow"):
                doing[step](ref, message)
            assert journal.state(ref) is state


_WAYS = {
    State.SENDING: (),
    State.ANSWERED: (Step.APPROVED,),
    State.COMPLETED: (Step.DECLINED,),
    State.WITHDRAWN: (Step.NOTHING_LEFT,),
    State.REVERSAL_DUE: (Step.UNCERTAIN,),
    State.REVERSED: (Step.UNCERTAIN, Step.REVERSAL_ANSWERED),
}


def test_an_attempt_is_counted_only_where_a_reversal_is_owed(journal: Journal) -> None:
    ref = journal.record(asked(journal), begun(journal))
    with pytest.raises(JournalError, match="reversal-due expected"):
        journal.reversal_sending(ref)
    with pytest.raises(JournalError, match="no exchange 99"):
        journal.withdrawn(99)


def test_trace_numbers_run_on_and_round(journal: Journal, tmp_path: Path) -> None:
    assert [journal.next_stan() for _ in range(3)] == [1, 2, 3]
    revived = after_power_loss(journal, tmp_path / "revived")
    assert revived.next_stan() == 4
    revived._run("UPDATE trace_number SET stan = ?", (LAST_STAN - 1,))
    assert [revived.next_stan() for _ in range(2)] == [LAST_STAN, 1]
    revived.close()


def test_no_card_data_is_kept(journal: Journal) -> None:
    message = asked(journal)
    ref = journal.record(message, begun(journal))
    journal.must_reverse(ref, ReversalReason.SILENCE, AT)
    journal.close()
    kept = b"".join(path.read_bytes() for path in journal._file.path.parent.iterdir())
    assert PAN.encode() not in kept
    assert b"2812201" not in kept
    assert bytes(range(8)) not in kept
    assert b"400000******0016" in kept
    assert stat.S_IMODE(journal._file.path.stat().st_mode) == 0o600


def test_a_full_disk_stops_payments_before_anything_is_sent(tmp_path: Path) -> None:
    room = [1 << 30]
    journal = Journal.open(tmp_path / "host.journal", free=lambda _: room[0])
    journal.record(asked(journal), begun(journal))
    room[0] = 4096
    with pytest.raises(JournalFull, match="nothing was sent") as refused:
        journal.record(asked(journal), begun(journal))
    assert not refused.value.sent
    assert "free at least 8 MiB" in refused.value.hint
    assert journal.recover(AT) == 1  # what is owed can still be marked
    journal.close()


def test_a_database_that_cannot_grow_says_the_same(journal: Journal) -> None:
    pages = journal._run("PRAGMA page_count").fetchone()[0]
    journal._run(f"PRAGMA max_page_count = {pages}")
    recorded: list[int] = []
    with pytest.raises(JournalFull):
        _fill(journal, recorded)
    assert recorded
    assert journal._run("SELECT count(*) FROM exchange").fetchone()[0] == len(recorded)


def _fill(journal: Journal, recorded: list[int]) -> None:
    while len(recorded) < 1000:
        recorded.append(journal.record(asked(journal), begun(journal)))


def test_two_agents_do_not_share_a_journal(journal: Journal) -> None:
    with pytest.raises(JournalError, match="held by another agent"):
        Journal.open(journal._file.path)


def test_what_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "host.journal"
    path.write_bytes(b"something else altogether" * 100)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(path)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(tmp_path / "absent" / "host.journal")


def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "host.journal"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(JournalError, match="written by a newer version"):
        Journal.open(path)


def test_old_closed_rows_are_forgotten_and_owed_ones_never(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminal_agent.host.journal.KEPT", 3)
    owed = journal.record(asked(journal), begun(journal))
    journal.must_reverse(owed, ReversalReason.SILENCE, AT)
    for _ in range(6):
        _declined_again(journal)
    count = journal._run("SELECT count(*) FROM exchange").fetchone()[0]
    assert count == 5  # the owed one, the three kept, the newest
    assert [one.ref for one in journal.reversals()] == [owed]


def _declined_again(journal: Journal) -> None:
    message = asked(journal)
    journal.answered(journal.record(message, begun(journal)), reply(message, "05"))
