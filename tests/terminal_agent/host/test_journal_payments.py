# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The journal of payments: each ends once, a death ends it too, and what was told is struck off."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal_agent.host.exchange import State
from terminal_agent.host.journal import DIED, DIED_SENT, Journal
from terminal_agent.host.journal_file import SCHEMA
from terminal_agent.host.port import JournalError
from terminal_agent.host.reversal import ReversalReason
from tests.terminal_agent.host.payments import LATER, after_power_loss, asked, begun, conclude, ended, reply
from tests.terminal_agent.host.test_client import AT


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "host.journal")
    yield made
    made.close()


def told(journal: Journal) -> list[tuple[str, str]]:
    """Name and payment of what waits for the audit log."""
    return [(waiting.event.name, str(waiting.event.fields["payment"])) for waiting in journal.untold()]


def test_a_payment_that_ends_approved_completes_what_was_answered(journal: Journal) -> None:
    payment = begun(journal)
    message = asked(journal)
    ref = journal.record(message, payment)
    journal.answered(ref, reply(message))
    conclude(journal, payment, "approved", AT)
    assert journal.state(ref) is State.COMPLETED
    assert journal.reversals() == ()
    assert [waiting.event for waiting in journal.untold()] == [ended(payment)]


@pytest.mark.parametrize("outcome", ["declined", "cancelled", "failed"])
@pytest.mark.parametrize("was_answered", [True, False])
def test_any_other_end_owes_back_what_was_sent(journal: Journal, outcome: str, was_answered: bool) -> None:
    payment = begun(journal)
    message = asked(journal)
    ref = journal.record(message, payment)
    if was_answered:
        journal.answered(ref, reply(message))
    conclude(journal, payment, outcome, AT)
    assert journal.state(ref) is State.REVERSAL_DUE
    (owed,) = journal.reversals()
    assert owed.reason is ReversalReason.TERMINAL
    assert told(journal) == [("reversal.owed", payment), ("payment.finished", payment)]


def test_a_payment_cannot_be_approved_while_its_answer_is_unknown(journal: Journal) -> None:
    payment = begun(journal)
    ref = journal.record(asked(journal), payment)
    with pytest.raises(JournalError, match="'delivered' cannot follow"):
        conclude(journal, payment, "approved", AT)
    assert journal.state(ref) is State.SENDING
    assert journal.untold() == ()


def test_a_payment_ends_once_and_an_ended_one_sends_nothing(journal: Journal) -> None:
    payment = begun(journal)
    conclude(journal, payment, "cancelled", AT)
    for again in (
        lambda: conclude(journal, payment, "approved", AT),
        lambda: journal.record(asked(journal), payment),
        lambda: conclude(journal, "p1", "failed", AT),
    ):
        with pytest.raises(JournalError, match="is not under way"):
            again()


def test_identifiers_are_never_given_twice_even_where_the_clock_stands_still(journal: Journal, tmp_path: Path) -> None:
    first = [begun(journal) for _ in range(3)]
    assert len(set(first)) == 3
    conclude(journal, first[-1], "failed", AT)
    revived = after_power_loss(journal, tmp_path / "revived")
    later = [begun(revived), revived.begin(1, "EUR", 5)]
    assert len({*first, *later}) == 5
    assert sorted([*first, *later]) == [*first, *later]
    revived.close()


@pytest.mark.parametrize(
    ("walk", "names", "reason"),
    [
        ("begun", ["payment.finished"], DIED),
        ("withdrawn", ["payment.finished"], DIED),
        ("declined", ["payment.finished"], DIED),
        ("recorded", ["reversal.owed", "payment.finished"], DIED_SENT),
        ("answered", ["reversal.owed", "payment.finished"], DIED_SENT),
        ("silent", ["reversal.owed", "payment.finished"], DIED_SENT),
    ],
)
def test_a_payment_that_an_agent_died_in_ends_at_the_next_start(
    journal: Journal, tmp_path: Path, walk: str, names: list[str], reason: str
) -> None:
    payment = begun(journal)
    message = asked(journal)
    if walk != "begun":
        ref = journal.record(message, payment)
        match walk:
            case "withdrawn":
                journal.withdrawn(ref)
            case "declined":
                journal.answered(ref, reply(message, "55"))
            case "answered":
                journal.answered(ref, reply(message))
            case "silent":
                journal.must_reverse(ref, ReversalReason.SILENCE, AT)
    revived = after_power_loss(journal, tmp_path / "revived")
    revived.recover(LATER)
    assert revived.recover(LATER) == 0
    waiting = revived.untold()
    assert [one.event.name for one in waiting] == names
    finished = waiting[-1].event.fields
    assert (finished["payment"], finished["outcome"], finished["reason"]) == (payment, "failed", reason)
    assert (finished["amount"], finished["currency"]) == (4200, "EUR")
    if walk != "begun":
        assert finished["masked_pan"] == "400000******0016"
        assert len(str(finished["ksn"])) == 20
    revived.close()


def test_what_was_told_is_struck_off_and_the_rest_stays_in_order(journal: Journal, tmp_path: Path) -> None:
    payments = [begun(journal) for _ in range(3)]
    for payment in payments:
        conclude(journal, payment, "cancelled", AT)
    first, second, third = journal.untold()
    journal.told(second.number)
    revived = after_power_loss(journal, tmp_path / "revived")
    assert revived.untold() == (first, third)
    revived.close()


def test_a_reversal_is_told_when_it_is_owed_and_when_it_is_settled(journal: Journal) -> None:
    payment = begun(journal)
    message = asked(journal)
    ref = journal.record(message, payment)
    journal.must_reverse(ref, ReversalReason.GARBLED, AT)
    journal.must_reverse(ref, ReversalReason.SILENCE, LATER)
    journal.reversal_sending(ref)
    journal.reversal_sending(ref)
    assert not journal.reversal_answered(ref, "63", LATER)
    assert journal.reversal_answered(ref, "00", LATER)
    owed, settled = (waiting.event for waiting in journal.untold())
    assert owed.name == "reversal.owed"
    assert owed.fields == {
        "payment": payment,
        "reference": message.message.reference,
        "amount": 4200,
        "currency": "EUR",
        "reason": ReversalReason.GARBLED.words,
    }
    assert settled.name == "reversal.settled"
    assert (settled.fields["response_code"], settled.fields["sent"]) == ("00", 2)


def test_a_journal_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "host.journal"
    old = sqlite3.connect(path, isolation_level=None)
    for statement in SCHEMA[0].split(";\n"):
        old.execute(statement)
    old.execute("PRAGMA user_version = 1")
    old.execute(
        "INSERT INTO exchange (state, mti, stan, transmitted, processing_code, amount, currency, reference, masked_pan)"
        " VALUES ('sending', 256, 7, '0607123456', '000000', 4200, '978', '615812000007', '400000******0016')"
    )
    old.execute("UPDATE trace_number SET stan = 7")
    old.close()
    journal = Journal.open(path)
    assert journal.recover(AT) == 1
    (owed,) = journal.reversals()
    assert (owed.original.stan, owed.stan) == (7, 8)
    (waiting,) = journal.untold()
    assert "payment" not in waiting.event.fields
    assert begun(journal)
    journal.close()


def test_ended_payments_are_forgotten_in_time_and_open_ones_never(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminal_agent.host.journal.KEPT", 3)
    still_open = begun(journal)
    for _ in range(8):
        conclude(journal, begun(journal), "cancelled", AT)
    kept = [number for (number,) in journal._run("SELECT number FROM payment ORDER BY number").fetchall()]
    assert f"p{kept[0]:x}" == still_open
    assert len(kept) <= 6
