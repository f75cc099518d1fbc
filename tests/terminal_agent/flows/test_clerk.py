# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker may ask of the agent, and when: all phases by all verbs, and a worker that went astray."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.acquirer.mti import Mti
from protocols.currency import BY_ALPHA
from protocols.errors import ProtocolError
from protocols.worker_pipe import ANSWERS, FIELDS, Kind, Question, Verb, encode
from terminal_agent.audit import AuditLog
from terminal_agent.clock import SystemClock
from terminal_agent.emv.fallback import FallbackGuard
from terminal_agent.emv.unpredictable import PredictableNumbers, UnpredictableNumbers
from terminal_agent.errors import AgentError
from terminal_agent.flows.books import Books
from terminal_agent.flows.clerk import MOST_PROOFS, PERMITTED, Clerk, NotNow, Phase, Underway
from terminal_agent.flows.faults import made, named
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import HostUnreachable, JournalError, JournalFull
from terminal_agent.host.seal import SealBroken
from terminal_agent.line.port import LineAbsent, LineBusy
from terminal_agent.pad.port import PadAbsent
from terminal_agent.report.outbox import Outbox

SAMPLES: dict[Kind, Any] = {Kind.NUMBER: 1, Kind.FLAG: False, Kind.WORDS: "68", Kind.OCTETS: b"", Kind.EVENT: {}}
ASKED = sorted(PERMITTED[Phase.PAYING] - {Verb.LEND})  # which is answered where descriptors are
ENTRY = {
    "mti": int(Mti.AUTHORISATION_REQUEST), "stan": 1, "transmitted": "1122070000", "processing_code": "000000",
    "amount": 4200, "currency": "978",
    "reference": "632607000001", "masked_pan": "400000******6208", "ksn": "",
}  # fmt: skip


class Agency:
    """An agent's books, and a clerk."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.log = AuditLog.open(folder, "TG000001")
        self.outbox = Outbox.open(folder / "outbox.db", "TG000001", opened_at_ms=self.clock.now_ms())
        self.journal = Journal.open(folder / "journal.db")
        self.recorder = Recorder(self.log, self.outbox, self.clock, lambda text: None)
        self.books = Books(self.journal, self.recorder, self.clock, lambda text: None)
        self.books.open()
        self._watched = UnpredictableNumbers(lambda octets: bytes(octets)), FallbackGuard()
        self.clerk = self.another_clerk()

    def another_clerk(self) -> Clerk:
        """For another worker of the same agent."""
        return Clerk(self.journal, self.books, self.recorder, self.clock, *self._watched)

    def give(self) -> str:
        identifier = self.books.begin(4200, BY_ALPHA["EUR"])
        self.clerk.payment = Underway(identifier, 4200, "EUR", 0.0)
        return identifier

    def ask(self, verb: Verb, **values: Any) -> Any:
        return self.clerk.serve(Question(1, verb, values))

    def told(self) -> list[str]:
        return [event.name for event, _ in self.log.after(self.log.head.__class__.from_text(self.outbox.anchor))]

    def close(self) -> None:
        self.journal.close()
        self.outbox.close()
        self.log.close()


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    made_ = Agency(tmp_path)
    yield made_
    made_.close()


def finished(outcome: str) -> dict[str, Any]:
    return {"outcome": outcome, "amount": 1, "currency": "USD", "ms": 5}


NO_ADVICE = {"code": "", "amount": 0, "currency": "", "sealed": b""}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("verb", ASKED)
def test_what_may_be_asked_when(phase: Phase, verb: Verb, agency: Agency) -> None:
    if phase is not Phase.WAITING:
        identifier = agency.give()
        if phase is Phase.OVER:
            agency.ask(Verb.CONCLUDE, payment=identifier, fields=finished("failed"), **NO_ADVICE)
    assert agency.clerk.phase is phase
    values = {name: SAMPLES[kind] for name, kind in FIELDS[verb].items()}
    try:
        answer = agency.ask(verb, **values)
    except NotNow as refused:
        if verb in PERMITTED[phase]:
            assert "asked for" not in refused.what or "fields" in refused.what  # it may be asked, but not with these
        else:
            assert f"a worker that is {phase} asked for '{verb}'" in refused.what
    except (AgentError, ProtocolError):
        assert verb in PERMITTED[phase]
    else:
        assert verb in PERMITTED[phase]
        assert answer.keys() == ANSWERS.get(verb, {}).keys()


def test_verbs_of_the_agents_own_are_never_served(agency: Agency) -> None:
    for verb in set(Verb) - set(ASKED) - {Verb.LEND}:
        with pytest.raises(NotNow):
            agency.ask(verb, **{name: SAMPLES[kind] for name, kind in FIELDS[verb].items()})


def test_a_worker_writes_about_its_own_payment_alone(agency: Agency) -> None:
    identifier = agency.give()
    other = "p1234"
    for verb, values in (
        (Verb.ENTER, {"payment": other, **ENTRY}),
        (Verb.ENTER, {"payment": identifier, **ENTRY, "mti": 99}),
        (Verb.RECORD, {"name": "payment.step", "fields": {"payment": other}}),
        (Verb.RECORD, {"name": "agent.stopping", "fields": {"payment": identifier}}),
        (Verb.NOTE, {"name": "key.loaded", "fields": {}}),
        (Verb.CONCLUDE, {"payment": other, "fields": finished("approved"), **NO_ADVICE}),
    ):
        with pytest.raises(NotNow):
            agency.ask(verb, **values)
    assert not agency.clerk.payment.over if agency.clerk.payment else False


def test_no_more_proofs_than_a_payment_has_messages(agency: Agency) -> None:
    with pytest.raises(NotNow, match="not given"):
        agency.clerk.require_proof("p1")
    identifier = agency.give()
    with pytest.raises(NotNow, match="not given"):
        agency.clerk.require_proof("p1234")
    for _ in range(MOST_PROOFS):
        agency.clerk.require_proof(identifier)
    with pytest.raises(NotNow, match="more proofs of the binding"):
        agency.clerk.require_proof(identifier)
    agency.ask(Verb.CONCLUDE, payment=identifier, fields=finished("failed"), **NO_ADVICE)
    with pytest.raises(NotNow, match="not given"):
        agency.clerk.require_proof(identifier)


def test_amount_and_currency_of_the_end_are_the_agents(agency: Agency) -> None:
    identifier = agency.give()
    agency.ask(Verb.CONCLUDE, payment=identifier, fields=finished("declined"), **NO_ADVICE)
    payment = agency.clerk.payment
    assert payment is not None
    assert payment.finished is not None
    assert (payment.finished.fields["amount"], payment.finished.fields["currency"]) == (4200, "EUR")


def test_what_an_abandoned_payment_had_sent_is_owed_back_once(agency: Agency) -> None:
    identifier = agency.give()
    agency.ask(Verb.ENTER, payment=identifier, **ENTRY)
    payment = agency.clerk.payment
    assert payment is not None
    event = agency.clerk.abandon(payment, "its process ended")
    assert event.fields["outcome"] == "failed"
    assert event.fields["masked_pan"] == ENTRY["masked_pan"]
    assert [owed.amount for owed in agency.journal.reversals()] == [4200]
    row = agency.ask(Verb.REVERSAL, after=0)
    assert row["reference"] == ENTRY["reference"]
    assert agency.ask(Verb.REVERSAL, after=row["ref"])["ref"] == 0
    assert encode(Question(1, Verb.OWING))


@pytest.mark.parametrize(
    "fault",
    [
        PredictableNumbers("w"), JournalFull("w", "h", sent=False), SealBroken("w", "h", sent=False),
        JournalError("w", "h", sent=False), HostUnreachable("w", "h", sent=False), LineAbsent("w", "h"),
        LineBusy("w", "h"), PadAbsent("w", "h"), AgentError("w", "h"),
    ],
)  # fmt: skip
def test_an_error_is_the_same_at_the_other_end(fault: AgentError | PredictableNumbers) -> None:
    again = made(*named(fault))
    assert type(again) is type(fault)
    assert str(again) == str(fault)
    assert getattr(again, "hint", "") == getattr(fault, "hint", "")


def test_an_unknown_fault_is_the_plainest() -> None:
    assert type(made("none", "w", "h")) is AgentError
