# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Advices: owed with the payment's end, sealed on disk, the same at every sending, wiped when booked."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from terminal_agent.host import advice as advice_module
from terminal_agent.host.advice import Offline
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import JournalError
from terminal_agent.host.seal import KeyFile, Seal, SealBroken
from tests.terminal_agent.host.payments import after_power_loss, begun, ended
from tests.terminal_agent.host.test_client import ACCOUNT, PAN, REQUEST, SENT

AT = datetime(2026, 6, 7, 8, 0, 0, tzinfo=UTC)
APPROVED = Offline(replace(REQUEST, pin=None), "Y1")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "host.journal")
    yield made
    made.close()


def approved_offline(journal: Journal) -> str:
    payment = begun(journal)
    journal.conclude(payment, ended(payment), AT, APPROVED)
    return payment


def test_it_is_owed_with_the_end_of_its_payment(journal: Journal, tmp_path: Path) -> None:
    payment = approved_offline(journal)
    assert [waiting.event.name for waiting in journal.untold()] == ["advice.owed", "payment.finished"]
    revived = after_power_loss(journal, tmp_path / "revived")  # without the key
    (tmp_path / "revived" / "advice.key").write_bytes((tmp_path / "advice.key").read_bytes())
    for one in (*journal.advices(), *revived.advices()):
        assert (one.payment, one.attempts) == (payment, 0)
        assert one.content.request == replace(APPROVED.request, account=replace(ACCOUNT, track2=None))
        assert (one.content.code, one.content.at, one.content.repeated) == ("Y1", AT, False)
    assert revived.owes()
    revived.close()


def test_enciphered_account_data_wait_as_they_came_and_no_key_here_opens_them(journal: Journal, tmp_path: Path) -> None:
    payment = begun(journal)
    enciphered = replace(APPROVED.request, account=SENT)
    journal.conclude(payment, ended(payment), AT, Offline(enciphered, "Y1"))
    (owed,) = journal.advices()
    assert owed.content.request == enciphered
    ((sealed,),) = journal._run("SELECT sealed FROM advice").fetchall()
    clear = Seal(KeyFile(tmp_path / "advice.key"), lambda size: bytes(size)).open_up(sealed, payment)
    assert PAN.encode() not in clear
    assert SENT.cryptogram.hex().upper().encode() in clear


def test_a_payment_that_is_not_approved_owes_none(journal: Journal) -> None:
    payment = begun(journal)
    journal.conclude(payment, ended(payment, "failed"), AT, APPROVED)
    assert not journal.owes()
    assert [waiting.event.name for waiting in journal.untold()] == ["payment.finished"]


def test_it_stays_owed_until_an_answer_settles_it_and_is_then_wiped(journal: Journal) -> None:
    approved_offline(journal)
    (first,) = journal.advices()
    journal.advice_sending(first.ref)
    for code in advice_module.ASK_AGAIN:
        assert not journal.advice_answered(first.ref, code, AT)
    (second,) = journal.advices()
    assert second.content == replace(first.content, repeated=True)
    assert journal.advice_answered(first.ref, "00", AT)
    assert journal.advices() == ()
    assert not journal.owes()
    settled = journal.untold()[-1].event
    assert (settled.name, settled.fields["sent"]) == ("advice.settled", 1)
    ((sealed,),) = journal._run("SELECT sealed FROM advice").fetchall()
    assert sealed == b""


def test_one_that_is_refused_is_an_alert_and_kept_for_the_inquiry(journal: Journal) -> None:
    payment = approved_offline(journal)
    (owed,) = journal.advices()
    assert journal.advice_answered(owed.ref, "14", AT)
    assert journal.advices() == ()
    refused = journal.untold()[-1].event
    assert (refused.name, refused.fields["payment"], refused.fields["response_code"]) == (
        "advice.refused",
        payment,
        "14",
    )
    ((sealed,),) = journal._run("SELECT sealed FROM advice").fetchall()
    assert sealed


def test_no_card_data_lie_in_clear_and_the_key_is_the_owners(journal: Journal, tmp_path: Path) -> None:
    approved_offline(journal)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert PAN.encode() not in kept
    assert APPROVED.request.icc_data not in kept
    assert stat.S_IMODE((tmp_path / "advice.key").stat().st_mode) == 0o600
    (owed,) = journal.advices()
    assert PAN not in repr(owed)


def test_without_its_key_or_with_another_nothing_opens(journal: Journal, tmp_path: Path) -> None:
    approved_offline(journal)
    key = tmp_path / "advice.key"
    for octets, words in ((bytes(32), "not the key"), (bytes(31), "no key of 32 octets")):
        key.write_bytes(octets)
        with pytest.raises(SealBroken, match=words):
            journal.advices()
    key.unlink()
    with pytest.raises(SealBroken, match="no key"):
        journal.advices()
    assert not key.exists(), "a lost key is not replaced by reading"


def test_a_seal_opens_for_its_own_subject_alone(tmp_path: Path) -> None:
    seal = Seal(KeyFile(tmp_path / "key"), lambda octets: bytes(octets))
    sealed = seal.close_in(b"clear", "p1")
    assert seal.open_up(sealed, "p1") == b"clear"
    for other, subject in ((sealed, "p2"), (sealed[:-1], "p1"), (b"", "p1"), (sealed[:-1] + b"\0", "p1")):
        with pytest.raises(SealBroken):
            seal.open_up(other, subject)


def test_a_key_that_cannot_be_written_stops_the_approval_before_anything_is_kept(tmp_path: Path) -> None:
    seal = Seal(KeyFile(tmp_path / "absent" / "key"), lambda octets: bytes(octets))
    with pytest.raises(JournalError, match="card data cannot be sealed"):
        seal.close_in(b"clear", "p1")


def test_a_till_that_never_reaches_its_acquirer_takes_no_more_of_that_risk(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice_module, "MOST_WAITING", 2)
    for _ in range(2):
        approved_offline(journal)
    payment = begun(journal)
    with pytest.raises(JournalError, match="wait for the acquirer"):
        journal.conclude(payment, ended(payment), AT, APPROVED)
    journal.conclude(payment, ended(payment, "failed"), AT)
