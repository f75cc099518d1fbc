# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Renewal by order at the terminal, over its own enrolment and head office's desk; and when it says that one is due."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from protocols.telemetry.fields import document_octets, document_text
from protocols.telemetry.orders import ORDERS, Order
from terminal_agent.errors import AgentError
from terminal_agent.flows.order_identity import IdentityRoom, Renewals
from terminal_agent.flows.reporting import Recorder
from tests.flows.enrolling import Stage
from tests.terminal_agent.flows.paper import PaperChain, PaperOutbox

believed: Any = None


class Bench(Stage):
    """A terminal that is enrolled, its orders on identity, and a desk that answers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.enrol()
        self.chain = PaperChain()
        self.recorder = Recorder(self.chain, PaperOutbox(), self, lambda _: None)
        self.connected_anew = 0
        self.room = IdentityRoom(lambda: self.terminal, "tillguard 1", self.recorder, self.reconnect)
        self.frozen = False
        self.renewals = Renewals(lambda: self.terminal, self.room.apply, lambda: self.frozen, self.recorder.note, self)

    def steady_ms(self) -> float:
        return float(self.now_ms())

    def reconnect(self) -> None:
        self.connected_anew += 1

    async def orders(self, name: str, **arguments: str) -> str:
        return await self.room(Order("o-1", ORDERS[name], arguments, believed))

    def due(self) -> list[object]:
        self.renewals.look()
        return [event.fields["ends"] for event in self.chain.named("certificate.due")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_applied_for_answered_and_taken_on_trial(bench: Bench) -> None:
    assert "applied for" in bench.run(bench.orders("renew-certificate"))
    (requested,) = bench.chain.named("certificate.requested")
    answer = bench.run(bench.desk.renew(document_octets(str(requested.fields["document"]))))
    assert "on trial" in bench.run(bench.orders("certificate", answer=document_text(answer)))
    assert bench.connected_anew == 1
    standing = bench.terminal.standing()
    assert standing.in_use is not None
    assert standing.candidate is not None


@pytest.mark.parametrize("answer", [b"noise", b"ES256 " + b"0" * 16 + b" AAAA\n{}\n"])
def test_what_is_no_answer_changes_nothing(bench: Bench, answer: bytes) -> None:
    bench.run(bench.orders("renew-certificate"))
    before = bench.identity.read()
    with pytest.raises(AgentError, match="certificate: "):
        bench.run(bench.orders("certificate", answer=document_text(answer)))
    assert bench.identity.read() == before
    assert bench.connected_anew == 0


def test_an_answer_to_an_earlier_application_is_refused(bench: Bench) -> None:
    bench.run(bench.orders("renew-certificate"))
    (requested,) = bench.chain.named("certificate.requested")
    answer = bench.run(bench.desk.renew(document_octets(str(requested.fields["document"]))))
    bench.run(bench.orders("renew-certificate"))
    with pytest.raises(AgentError, match="another application"):
        bench.run(bench.orders("certificate", answer=document_text(answer)))


def test_a_terminal_that_was_never_enrolled_applies_for_nothing(bench: Bench) -> None:
    bench.terminal = bench.another("TG000002")
    with pytest.raises(AgentError, match="no certificate is in use"):
        bench.run(bench.orders("renew-certificate"))
    assert bench.chain.named("certificate.requested") == []


def test_from_two_thirds_of_its_life_it_is_told_daily_and_applied_for_once(bench: Bench) -> None:
    assert bench.due() == []
    certificate = bench.terminal.standing().in_use
    assert certificate is not None
    life = certificate.ends - certificate.begins
    assert life * 2 / 3 <= certificate.renewal() - certificate.begins <= life * 0.77
    bench.now = certificate.renewal() - timedelta(minutes=1)
    assert bench.due() == []
    assert bench.chain.named("certificate.requested") == []
    bench.now = certificate.renewal() + timedelta(seconds=1)
    assert bench.due() == [f"{certificate.ends:%Y-%m-%d %H:%M} UTC"]
    (requested,) = bench.chain.named("certificate.requested")
    assert len(bench.due()) == 1
    bench.now += timedelta(days=1)
    assert len(bench.due()) == 2  # nobody has answered
    assert len(bench.chain.named("certificate.requested")) == 1
    bench.terminal.take(bench.run(bench.desk.renew(document_octets(str(requested.fields["document"])))))
    bench.now += timedelta(days=1)
    assert len(bench.due()) == 2  # one is on trial


def test_a_frozen_terminal_says_that_it_is_due_and_makes_no_key(bench: Bench) -> None:
    certificate = bench.terminal.standing().in_use
    assert certificate is not None
    bench.now, bench.frozen = certificate.renewal() + timedelta(seconds=1), True
    assert len(bench.due()) == 1
    assert bench.chain.named("certificate.requested") == []
    bench.frozen = False
    bench.due()
    assert len(bench.chain.named("certificate.requested")) == 1


def test_an_identity_that_cannot_be_read_is_no_end_of_the_agent(bench: Bench) -> None:
    (bench.identity.path / "identity.json").write_text("{}")
    assert bench.due() == []
