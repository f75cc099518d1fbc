# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The contact transaction up to the question to the issuer: every ending but the good one."""

import hashlib

import pytest

from protocols.emv.bits import Tsi, Tvr
from terminal_agent.emv import Alert, ContactTransaction, Cvm, Decision, IssuerAnswer, PinAnswer
from tests.terminal_agent.emv.contact_session import (
    CDOL,
    StubCard,
    application,
    card,
    drive,
    first,
    request,
    said,
    sent,
    terminal,
)


def test_a_terminal_without_contact_applications() -> None:
    transaction = ContactTransaction(terminal(contact=()), request(), 1)
    with pytest.raises(StopIteration) as end:
        next(transaction.first())
    assert end.value.value.decision is Decision.ENDED
    assert "takes no contact cards" in end.value.value.words


@pytest.mark.parametrize(
    ("answer", "bit"),
    [(PinAnswer.BYPASSED, Tvr.PIN_NOT_ENTERED), (PinAnswer.UNAVAILABLE, Tvr.PIN_PAD_MISSING)],
)
def test_no_pin_no_payment(answer: PinAnswer, bit: Tvr) -> None:
    twin = card()
    transaction = ContactTransaction(terminal(), request(), 50)
    outcome, asked = drive(transaction.first(), twin.apdu, answer)
    assert asked == 1
    assert outcome.decision is Decision.DECLINED
    assert outcome.tvr is not None
    assert bit | Tvr.CVM_NOT_SUCCESSFUL in outcome.tvr
    assert outcome.alerts == (Alert.CVM_MISSING,)


def test_below_the_cvm_limit_the_list_decides() -> None:
    settings = {"capabilities": "E00808", "online_pin": False, "contact": (application(cvm_limit=5_000),)}
    _transaction, outcome = first(card().apdu, **settings)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.NONE)
    assert sent(outcome)[0x9F34].hex() == "1f0302"
    settings["contact"] = (application(cvm_limit=4_200),)
    assert first(card().apdu, **settings)[1].decision is Decision.DECLINED


def test_another_currency_always_needs_a_verified_cardholder() -> None:
    shop = terminal(capabilities="E00808", online_pin=False, contact=(application(cvm_limit=5_000),))
    transaction = ContactTransaction(shop, request(currency="840"), 50)
    outcome, _ = drive(transaction.first(), card().apdu)
    assert outcome.decision is Decision.DECLINED
    assert outcome.alerts == (Alert.CVM_MISSING,)


def test_declined_by_the_action_codes() -> None:
    _, outcome = first(card().apdu, contact=(application(tac_denial="8000000000"),))
    assert (outcome.decision, outcome.words) == (Decision.DECLINED, "declined by the terminal")
    assert "offline data authentication was not performed" in said(outcome, "analysis")[-1]
    assert sent(outcome)[0x9F27].hex() == "00"


def test_an_offline_terminal_approves_nothing() -> None:
    _, outcome = first(card().apdu, terminal_type="23")
    assert outcome.decision is Decision.DECLINED


def test_declined_by_the_card() -> None:
    _, outcome = first(StubCard(cryptograms=("00",)))
    assert (outcome.decision, outcome.words) == (Decision.DECLINED, "declined by the card")


@pytest.mark.parametrize("kind", ["40", "C0"])
@pytest.mark.parametrize("template", ["77", "80"])
def test_a_card_may_not_give_more_than_it_was_asked(kind: str, template: str) -> None:
    _, outcome = first(StubCard(cryptograms=(kind,), template=template))
    assert outcome.decision is Decision.ENDED
    assert outcome.alerts == (Alert.CRYPTOGRAM_TYPE,)


@pytest.mark.parametrize("kind", ["80", "C0"])
def test_the_second_cryptogram_ends_it_or_nothing_does(kind: str) -> None:
    stub = StubCard(cryptograms=("80", kind))
    transaction, _ = first(stub)
    final, _ = drive(transaction.second(IssuerAnswer("00", True)), stub)
    assert (final.decision, final.alerts) == (Decision.ENDED, (Alert.CRYPTOGRAM_TYPE,))


@pytest.mark.parametrize("answer", [IssuerAnswer("51", False), None])
def test_a_card_cannot_approve_what_the_issuer_did_not(answer: IssuerAnswer | None) -> None:
    stub = StubCard(cryptograms=("80", "40"))
    transaction, _ = first(stub)
    final, _ = drive(transaction.second(answer), stub)
    assert final.decision is Decision.ENDED


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (0x5A, "5A Application Primary Account Number"),
        (0x5F24, "5F24 Application Expiration Date"),
        (0x8C, "8C Card Risk Management Data Object List 1"),
        (0x8D, "8D Card Risk Management Data Object List 2"),
    ],
)
def test_what_every_card_must_give(missing: int, words: str) -> None:
    _, outcome = first(StubCard({missing: None}))
    assert (outcome.decision, outcome.words) == (Decision.ENDED, f"the card did not give {words}")


def test_a_card_without_track_2_is_no_worse() -> None:
    _, outcome = first(StubCard({0x57: None}))
    assert outcome.decision is Decision.ONLINE
    assert outcome.track2 is None


def test_a_track_of_another_account() -> None:
    _, outcome = first(StubCard({0x57: "4000009999990016D281220111713000000F"}))
    assert outcome.decision is Decision.ENDED
    assert Alert.PAN_MISMATCH in outcome.alerts


@pytest.mark.parametrize("wanted", ["9F0206", "5F2A02", "9F3704"])
def test_a_list_that_leaves_the_payment_out(wanted: str) -> None:
    _, outcome = first(StubCard({0x8C: CDOL.replace(wanted, "")}))
    assert outcome.decision is Decision.ENDED
    assert "its cryptogram would not cover this payment" in outcome.words


def test_the_next_application_begins_afresh() -> None:
    """The first application refuses GET PROCESSING OPTIONS: nothing of it stays."""
    names = ("A0000000031010", "A0000000032010")
    shop = terminal(contact=tuple(application(aid=name) for name in names))
    stub = StubCard(answers={"00A404000E": "6A82"})
    refusals = iter([True, False])

    def answer(command: bytes) -> bytes:
        return b"\x69\x85" if command[1] == 0xA8 and next(refusals) else stub(command)

    transaction = ContactTransaction(shop, request(), 50)
    outcome, _ = drive(transaction.first(), answer)
    assert outcome.decision is Decision.ONLINE
    assert outcome.aid.hex().upper() == names[1]


def test_no_more_applications() -> None:
    _, outcome = first(StubCard(answers={"80A8": "6985"}))
    assert (outcome.decision, outcome.words) == (Decision.ENDED, "card and terminal share no application")


def test_a_record_that_cannot_be_read() -> None:
    _, outcome = first(StubCard(answers={"00B20114": "6A83"}))
    assert outcome.words == "record 1 of file 2 cannot be read: 6A83 no such record"


def test_no_file_locator() -> None:
    _, outcome = first(StubCard(answers={"80A8": "770482021C009000"}))
    assert (outcome.decision, outcome.alerts) == (Decision.ENDED, (Alert.MALFORMED,))


@pytest.mark.parametrize(
    ("changes", "aip"), [({0x8E: None}, "1C00"), ({0x8E: "0000000000000000"}, "1C00"), ({}, "0C00")]
)
def test_no_method_of_verification(changes: dict[int, str | None], aip: str) -> None:
    _, outcome = first(StubCard(changes, aip=aip), contact=(application(cvm_limit=10_000),))
    assert outcome.decision is Decision.ONLINE
    assert sent(outcome)[0x9F34].hex() == "3f0000"
    assert outcome.tvr is not None
    assert (Tvr.ICC_DATA_MISSING in outcome.tvr) == bool(changes)
    assert outcome.tsi is not None
    assert Tsi.CARDHOLDER_VERIFICATION not in outcome.tsi


def test_the_hash_of_the_transaction_certificate() -> None:
    """A list may ask for 98; without a TDOL of the card the terminal's own is used, and TVR says so."""
    stub = StubCard({0x8C: CDOL + "9814"})
    _, outcome = first(stub, contact=(application(default_tdol="9F0206"),))
    assert outcome.tvr is not None
    assert Tvr.DEFAULT_TDOL in outcome.tvr
    digest = hashlib.sha1(bytes.fromhex("000000004200")).digest()
    assert stub.commands[-1][-21:-1] == digest
    stub = StubCard({0x8C: CDOL + "9814", 0x97: "9F0206"})
    _, outcome = first(stub)
    assert outcome.tvr is not None
    assert Tvr.DEFAULT_TDOL not in outcome.tvr
    assert stub.commands[-1][-21:-1] == digest
