# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Renewals that terminals reported: each answered once by an order; what is at fault is told and holds up no other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fleet_console.renewals import Renewal, Renewals
from protocols.ed25519 import verify
from protocols.identity import documents
from protocols.identity.life import Step
from protocols.signed import Trust, read
from protocols.telemetry.envelope import Report, encode, genesis
from protocols.telemetry.events import make
from protocols.telemetry.fields import document_octets, document_text
from protocols.telemetry.orders import believe_order
from protocols.telemetry.seal import Sealed
from tests.flows.enrolling import TERMINAL, TRUST, Stage
from tests.protocols import persons
from tillguard.voice import Fault

ORDERING = Trust(
    tuple(replace(one, kinds=one.kinds | {"order"}) for one in TRUST.persons), {**TRUST.thresholds, "order": 1}
)


class Office(Stage):
    """A desk with a store of reports, and one terminal."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.enrol()
        self._seq = 0

    def reports(self, document: bytes, terminal: str = TERMINAL) -> None:
        """An application as the ingest commits it."""
        self._seq += 1
        event = make("certificate.requested", self.now_ms(), document=document_text(document))
        octets = encode(Report(terminal, 1, self._seq, genesis(terminal), event))
        row = (terminal, 1, self._seq, "ack", event.name, event.at_ms, event.at_ms, b"", octets)
        columns = "terminal, boot, seq, lane, event, at_ms, heard_ms, hash, octets"
        insert = f"INSERT INTO reports ({columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        self.run(self.database.write([(insert, [row])]))

    def answers(self, key: str = "alice") -> list[Renewal]:
        renewals = Renewals(self.database, self.desk, ORDERING, persons.key(key), self.now_ms, self.entropy)

        async def all_of_them() -> list[Renewal]:
            return [one async for one in renewals.answer_all()]

        return self.run(all_of_them())

    def envelopes(self) -> list[bytes]:
        rows = self.run(self.database.read("SELECT envelope FROM orders ORDER BY sequence"))
        return [bytes(octets) for (octets,) in rows]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def test_answered_once_by_an_order_that_the_terminal_believes(office: Office) -> None:
    office.reports(office.terminal.renew("tillguard 1"))
    office.reports(office.terminal.renew("tillguard 1"))  # ordered twice: the newest counts
    (renewal,) = office.answers()
    assert renewal.order.startswith("certificate-")
    assert office.answers() == []
    (octets,) = office.envelopes()
    now_s = office.now_ms() // 1000
    order = believe_order(read(octets), ORDERING, verify, terminal=TERMINAL, now_s=now_s, floor=None)
    assert order.believed.persons == ("alice",)
    assert "on trial" in office.terminal.take(document_octets(str(order.arguments["answer"])))


def test_an_order_that_nobody_fetched_in_time_is_given_anew_with_the_same_certificate(office: Office) -> None:
    office.reports(office.terminal.renew("tillguard 1"))
    (first,) = office.answers()
    office.now += timedelta(days=8)
    (second,) = office.answers()
    assert second.order != first.order
    certificates = office.run(office.database.read("SELECT serial FROM certificates"))
    assert len(certificates) == 2  # the one of the enrolment, and one renewal


def test_what_is_at_fault_is_told_and_holds_up_no_other(office: Office) -> None:
    stranger = office.another("TG000009")
    unendorsed = stranger.apply(documents.read_application(sealed_of(office)).binding, "tillguard 1")
    office.reports(unendorsed, "TG000009")
    office.terminal = office.another(TERMINAL)
    office.reports(office.terminal.renew("tillguard 1"))
    found = {one.terminal: one for one in office.answers()}
    assert found[TERMINAL].order
    assert found["TG000009"].fault
    assert not found["TG000009"].order


def sealed_of(office: Office) -> Sealed:
    application = office.run(office.database.read("SELECT octets FROM applications LIMIT 1"))[0][0]
    return documents.open_document(bytes(application), "application")


def test_an_application_of_another_terminal_is_refused(office: Office) -> None:
    office.reports(office.terminal.renew("tillguard 1"), "TG000009")
    (refused,) = office.answers()
    assert refused.fault == f"the application is for {TERMINAL}"


def test_a_frozen_terminal_renews_nothing(office: Office) -> None:
    office.reports(office.terminal.renew("tillguard 1"))
    office.step(Step.FREEZE, "alice")
    (refused,) = office.answers()
    assert refused.fault == "a terminal that is frozen renews nothing"
    assert office.envelopes() == []


def test_a_person_who_may_not_order_gives_none(office: Office) -> None:
    office.reports(office.terminal.renew("tillguard 1"))
    with pytest.raises(Fault, match="no known key signed it"):
        office.answers("mallory")
    assert office.envelopes() == []
