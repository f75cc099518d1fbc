# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Torn payments: the card has counted and left; it comes back, or another does, or too late, or for something else."""

import dataclasses

import pytest

from device_profiles.twins.card_answer import CardTorn
from protocols.emv import tlv
from protocols.emv.apdu import Ins
from protocols.pan import Pan
from terminal_agent.emv import Decision, TornLog
from terminal_agent.emv.torn import LIFETIME_US, MOST_RECORDS
from tests.terminal_agent.emv.contact_session import request
from tests.terminal_agent.emv.tap_session import Field, twin

CARD = "test-mastercard-like"
GENERATE, RECOVER = int(Ins.GENERATE_AC), int(Ins.RECOVER_AC)


def torn(amount: int = 4_200) -> Field:
    """A field whose card left after it had made its cryptogram."""
    field = Field(twin(CARD))
    field.tear_at = GENERATE
    with pytest.raises(CardTorn):
        field.tap(amount)
    assert len(field.log) == 1
    field.commands.clear()
    return field


@pytest.mark.parametrize(("amount", "decision"), [(4_200, Decision.ONLINE), (1_500, Decision.APPROVED)])
def test_a_torn_payment_is_recovered_and_charged_once(amount: int, decision: Decision) -> None:
    field = torn(amount)
    outcome = field.tap(request(amount, unpredictable_number=bytes.fromhex("99999999")))
    assert (outcome.decision, outcome.alerts, outcome.atc) == (decision, (), 1)
    assert field.card.atc == 1
    assert (field.sent.count(RECOVER), field.sent.count(GENERATE)) == (1, 0)
    sent = dict(tlv.decode(outcome.icc_data))
    assert sent[0x9F37] == bytes.fromhex("1A2B3C4D")  # of the payment that was torn, which the cryptogram covers
    assert len(field.log) == 0


def test_a_payment_that_was_not_torn_leaves_nothing() -> None:
    field = Field(twin(CARD))
    field.tap()
    assert len(field.log) == 0
    assert RECOVER not in field.sent


@pytest.mark.parametrize("changes", [{"amount": 4_300}, {"transaction_type": 1}, {"currency": "840"}])
def test_another_payment_is_not_the_torn_one(changes: dict[str, object]) -> None:
    field = torn()
    outcome = field.tap(request(**({"amount": 4_200} | changes)))  # type: ignore[arg-type]  # the changes are its fields
    assert (field.sent.count(RECOVER), outcome.atc) == (0, 2)


def test_after_its_time_it_is_forgotten() -> None:
    field = torn()
    field.clock.now += LIFETIME_US
    assert field.tap().atc == 2
    assert RECOVER not in field.sent


def test_another_card_has_nothing_to_recover() -> None:
    field = torn()
    field.card = twin("test-mobile-mastercard")
    field.tap()
    assert RECOVER not in field.sent


def test_a_card_that_has_nothing_more_makes_a_new_cryptogram() -> None:
    field = torn()
    field.card.kept.answer = b""  # type: ignore[attr-defined]  # what the M/Chip twin keeps
    outcome = field.tap()
    assert (field.sent[-2:], outcome.decision, outcome.atc) == ([RECOVER, GENERATE], Decision.ONLINE, 2)
    assert len(field.log) == 0


def test_torn_again_while_it_is_recovered() -> None:
    field = torn()
    field.tear_at = RECOVER
    with pytest.raises(CardTorn):
        field.tap()
    assert len(field.log) == 0  # once only: the card is asked anew
    assert field.tap().atc == 2


def test_an_old_answer_to_recover_is_believed_no_more_than_any_other() -> None:
    field = torn()
    kept = field.card.kept  # type: ignore[attr-defined]
    kept.answer = kept.answer[:-40] + bytes(38) + kept.answer[-2:]
    assert field.tap().decision in (Decision.ENDED, Decision.DECLINED)


def test_the_log_keeps_few_and_no_account() -> None:
    log = TornLog(bytes(range(32)))
    field = torn()
    record = field.log._records[0]
    for number in range(MOST_RECORDS + 3):
        log.keep(dataclasses.replace(record, card=bytes((number,))))
    assert len(log) == MOST_RECORDS
    pan = Pan("5413339999002217")
    assert pan.digits not in repr(record)
    assert pan.digits.encode() not in record.card
    assert log.name(pan, 1) != log.name(pan, 2) != TornLog(bytes(32)).name(pan, 2)
    with pytest.raises(ValueError, match="32 octets"):
        TornLog(b"")
