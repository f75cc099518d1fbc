# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The books: a payment's end is one stroke of the journal, told once, whatever cannot be written and whoever dies."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protocols.acquirer.message import Draft
from protocols.currency import BY_ALPHA
from protocols.telemetry.events import Event
from terminal_agent.errors import AgentError
from terminal_agent.flows import books as books_module
from terminal_agent.flows.books import Books
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.client import Reply
from terminal_agent.host.exchange import State
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import JournalError, JournalFull
from terminal_agent.host.reversal import ReversalReason
from tests.terminal_agent.flows.paper import FakeClock, PaperChain, PaperOutbox
from tests.terminal_agent.host.payments import after_power_loss
from tests.terminal_agent.host.test_client import REQUEST, answer_to, client
from tests.virtual_time import run

EUR = BY_ALPHA["EUR"]
AT = datetime(2026, 6, 7, 8, 0, 0, tzinfo=UTC)


class Disk:
    """Makes a journal's writes fail, from a chosen one on."""

    def __init__(self, journal: Journal) -> None:
        self._file = journal._file
        self._transaction = self._file.transaction
        self.takes = 1_000_000
        self.room = 1 << 30
        self._file._free = lambda _: self.room
        setattr(self._file, "transaction", self._counted)  # noqa: B010  a method is replaced on purpose

    def _counted(self) -> object:
        if self.takes <= 0:
            raise JournalError("journal: the journal cannot be written (SQLITE_IOERR)", "restore the disk", sent=False)
        self.takes -= 1
        return self._transaction()


class Desk:
    """Books over a real journal and paper for the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lives = 0
        self.chain, self.outbox, self.clock = PaperChain(), PaperOutbox(), FakeClock()
        self.said: list[str] = []
        self.heard: list[Event] = []
        self._live(Journal.open(folder / "journal.db"))

    def _live(self, journal: Journal) -> None:
        self.journal = journal
        self.disk = Disk(journal)
        self.recorder = Recorder(self.chain, self.outbox, self.clock, self.said.append)
        self.recorder.listen(self.heard.append)
        self.books = Books(journal, self.recorder, self.clock, self.said.append)
        self.books.open()

    def die_and_come_back(self) -> None:
        """The files as they lie on the disk, in the hands of another agent."""
        self.lives += 1
        revived = after_power_loss(self.journal, self.folder / str(self.lives))
        self.journal.close()
        self._live(revived)

    def approved(self) -> tuple[str, int]:
        """A payment whose request was approved; its identifier and its exchange."""
        payment = self.books.begin(4200, EUR)
        asked = self.asked()
        ref = self.journal.record(asked, payment)
        self.journal.answered(ref, Reply(answer_to(asked, response_code="00", approval="A1B2C3"), b""))
        return payment, ref

    def asked(self) -> Draft:
        return client().authorise(REQUEST, self.journal.next_stan(), AT)

    def conclude(self, payment: str, outcome: str = "approved") -> Event:
        return self.books.conclude(payment, {"outcome": outcome, "amount": 4200, "currency": "EUR", "ms": 900})

    def ends(self) -> list[tuple[str, str]]:
        """What the audit log says of payments."""
        return [
            (str(event.fields["payment"]), str(event.fields["outcome"]))
            for event in self.chain.named("payment.finished")
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.close()


def test_a_payment_ends_in_journal_log_outbox_and_ear(desk: Desk) -> None:
    payment, ref = desk.approved()
    event = desk.conclude(payment)
    assert desk.journal.state(ref) is State.COMPLETED
    assert desk.chain.events == desk.outbox.kept == desk.heard == [event]
    assert desk.journal.untold() == ()
    assert not desk.books.owing.is_set()


def test_an_approval_that_is_not_delivered_is_owed_back(desk: Desk) -> None:
    payment, ref = desk.approved()
    desk.conclude(payment, "failed")
    assert desk.journal.state(ref) is State.REVERSAL_DUE
    assert desk.books.owing.is_set()
    assert [event.name for event in desk.chain.events] == ["reversal.owed", "payment.finished"]


def test_an_end_that_the_log_cannot_take_stands_and_is_told_later(desk: Desk) -> None:
    payment, ref = desk.approved()
    desk.chain.takes = 0
    event = desk.conclude(payment)
    assert event.fields["outcome"] == "approved"
    assert desk.journal.state(ref) is State.COMPLETED
    assert desk.heard == [event], "the cashier hears it"
    with pytest.raises(AgentError, match="No space left"):
        desk.books.begin(100, EUR)
    assert desk.heard[-1].name == "payments.stopped"
    desk.chain.takes = 100
    assert desk.books.begin(100, EUR)
    assert desk.ends() == [(payment, "approved")]
    assert desk.heard.count(event) == 1
    assert desk.heard[-1].name == "payments.resumed"


def test_an_end_that_the_log_cannot_take_survives_a_death(desk: Desk) -> None:
    payment, _ = desk.approved()
    desk.chain.takes = 0
    event = desk.conclude(payment)
    desk.chain.takes = 100
    desk.die_and_come_back()
    assert desk.chain.named("payment.finished") == [event]


@pytest.mark.parametrize("takes", [0, 1, 2])
def test_dead_between_the_log_and_the_strike_an_event_is_in_the_log_once(desk: Desk, takes: int) -> None:
    payment, _ = desk.approved()
    desk.disk.takes = takes  # the journal's transaction, then the strike after the log has it
    if takes:
        desk.conclude(payment)
        ends = [(payment, "approved")]
    else:
        with pytest.raises(JournalError):
            desk.conclude(payment)
        ends = [(payment, "failed")]
    desk.die_and_come_back()
    assert desk.ends() == ends
    desk.die_and_come_back()
    assert desk.ends() == ends
    assert desk.journal.untold() == ()


def test_a_strike_that_fails_is_made_up_for_without_a_second_record(desk: Desk) -> None:
    payment, _ = desk.approved()
    desk.disk.takes = 1
    desk.conclude(payment)
    assert len(desk.journal.untold()) == 1
    desk.disk.takes = 100
    desk.books.catch_up()
    assert desk.journal.untold() == ()
    assert desk.ends() == [(payment, "approved")]


@pytest.mark.parametrize("dies", [False, True])
def test_an_end_that_the_journal_cannot_take_is_a_failure_and_owed_back(desk: Desk, dies: bool) -> None:
    payment, ref = desk.approved()
    desk.disk.takes = 0
    with pytest.raises(JournalError):
        desk.conclude(payment)
    assert desk.chain.events == []
    with pytest.raises(AgentError):
        desk.books.begin(100, EUR)
    desk.disk.takes = 100
    if dies:
        desk.die_and_come_back()
    else:
        desk.books.catch_up()
    assert desk.journal.state(ref) is State.REVERSAL_DUE
    assert desk.books.owing.is_set()
    assert desk.ends() == [(payment, "failed")]
    assert desk.books.begin(100, EUR)


def test_a_decline_that_the_journal_cannot_take_stays_a_decline(desk: Desk) -> None:
    payment = desk.books.begin(4200, EUR)
    desk.disk.takes = 0
    with pytest.raises(JournalError):
        desk.conclude(payment, "declined")
    desk.disk.takes = 100
    desk.books.catch_up()
    assert desk.ends() == [(payment, "declined")]


def test_a_reversal_that_cannot_be_written_is_owed_by_the_end_of_its_payment(desk: Desk) -> None:
    payment = desk.books.begin(4200, EUR)
    ref = desk.journal.record(desk.asked(), payment)
    desk.disk.takes = 0
    desk.books.owe(ref, ReversalReason.SILENCE)
    assert not desk.books.owing.is_set()
    desk.disk.takes = 100
    desk.conclude(payment, "failed")
    assert desk.journal.state(ref) is State.REVERSAL_DUE
    assert desk.books.owing.is_set()


def test_without_room_no_payment_begins_and_it_is_said_and_told(desk: Desk) -> None:
    desk.disk.room = 4096
    for _ in range(2):
        with pytest.raises(JournalFull, match="nothing was sent") as refused:
            desk.books.begin(100, EUR)
    assert refused.value.hint == "free at least 8 MiB on this disk"
    assert [event.name for event in desk.chain.events] == ["payments.stopped"], "told once"
    desk.disk.room = 1 << 30
    assert desk.books.begin(100, EUR)
    assert [event.name for event in desk.chain.events] == ["payments.stopped", "payments.resumed"]


def test_an_outbox_that_cannot_write_stops_payments_too(desk: Desk) -> None:
    payment, _ = desk.approved()
    desk.outbox.takes = 0
    event = desk.conclude(payment)
    assert desk.chain.events == [event]
    with pytest.raises(AgentError, match="outbox: the disk is full"):
        desk.books.begin(100, EUR)
    desk.outbox.takes = 100
    assert desk.books.begin(100, EUR)
    assert desk.outbox.kept[0] == event


def test_at_start_what_an_earlier_run_left_is_owed_told_and_counted(desk: Desk) -> None:
    payment, _ = desk.approved()
    desk.die_and_come_back()
    assert desk.books.owing.is_set()
    assert desk.ends() == [(payment, "failed")]
    assert [event.name for event in desk.chain.events] == ["reversal.owed", "payment.finished"]
    (owed,) = desk.journal.reversals()
    assert desk.books.settled(owed.ref, "00") is True
    assert desk.chain.events[-1].name == "reversal.settled"


def test_what_waits_is_written_as_soon_as_there_is_room_without_a_payment(desk: Desk) -> None:
    payment, _ = desk.approved()
    desk.chain.takes = 0
    desk.conclude(payment)
    with pytest.raises(AgentError):
        desk.books.begin(100, EUR)

    async def later() -> None:
        keeping = asyncio.create_task(desk.books.keep())
        await asyncio.sleep(books_module.RETRY_S * 3)
        assert desk.ends() == []
        desk.chain.takes = 100
        await asyncio.sleep(books_module.RETRY_S * 1.5)
        assert desk.ends() == [(payment, "approved")]
        assert desk.heard[-1].name == "payments.resumed"
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    run(later())


def _ways(desk: Desk) -> dict[str, Callable[[], object]]:
    return {
        "completed": lambda: desk.conclude(desk.approved()[0]),
        "failed": lambda: desk.conclude(desk.approved()[0], "failed"),
        "cancelled": lambda: desk.conclude(desk.books.begin(100, EUR), "cancelled"),
    }


@pytest.mark.parametrize("way", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("journal_takes", range(8))
@pytest.mark.parametrize("chain_takes", [0, 1, 100])
def test_whatever_write_fails_first_the_story_is_one_after_the_disk_has_room(
    desk: Desk, way: str, journal_takes: int, chain_takes: int
) -> None:
    desk.disk.takes, desk.chain.takes = journal_takes, chain_takes
    with contextlib.suppress(AgentError):
        _ways(desk)[way]()
    desk.disk.takes = desk.chain.takes = 1000
    desk.die_and_come_back()
    rows = desk.journal._run("SELECT payment, state FROM exchange").fetchall()
    ends = dict(desk.ends())
    assert len(ends) == len(desk.ends())
    begun = desk.journal._run("SELECT number FROM payment").fetchall()
    assert set(ends) == {f"p{number:x}" for (number,) in begun}
    for number, state in rows:
        expected = State.COMPLETED if ends[f"p{number:x}"] == "approved" else State.REVERSAL_DUE
        assert State(state) is expected
    owed = [event.fields["payment"] for event in desk.chain.named("reversal.owed")]
    assert owed == [f"p{number:x}" for number, state in rows if State(state) is State.REVERSAL_DUE]
    assert desk.outbox.kept == desk.chain.events
