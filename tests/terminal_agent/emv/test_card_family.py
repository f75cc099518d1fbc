# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every virtual card in whole payments with its issuer: what each is for, what it remembers, what scripts change."""

import datetime
from typing import Any

import pytest

from device_profiles.card_profile import card_names, load_card
from device_profiles.twins.card_t0 import T0View
from device_profiles.twins.contact_card import ContactCardTwin
from protocols.emv import tlv
from protocols.emv.bits import Tvr
from terminal_agent.card.chaining import exchange
from terminal_agent.emv import (
    AskApplication,
    ContactTransaction,
    Decision,
    EmvOutcome,
    IssuerAnswer,
    PinAnswer,
)
from tests.terminal_agent.emv.contact_issuer import CardIssuer
from tests.terminal_agent.emv.contact_session import Answer, application, authorities, drive, request, terminal

KEYS = authorities()
AIDS = ("A0000000031010", "A0000000041010", "A000000333010102")
PAYING = (
    "test-visa-contact",
    "test-visa-sda",
    "test-visa-dda",
    "test-visa-cda",
    "test-mastercard-cda",
    "test-unionpay-dda",
    "test-pin-blocked",
)


class Payment:
    """One payment at a terminal that takes all brands."""

    def __init__(self, answer: Answer, choose: int | PinAnswer = 0, **changes: Any) -> None:
        self.answer = answer
        self.choose = choose
        self.labels: tuple[str, ...] = ()
        shop = terminal(contact=tuple(application(aid=aid) for aid in AIDS), **changes)
        self.transaction = ContactTransaction(shop, request(), 50, KEYS)
        self.asked = self._run(self.transaction.first())

    def finish(self, answer: IssuerAnswer | None) -> EmvOutcome:
        return self._run(self.transaction.second(answer))

    def _run(self, machine: Any) -> EmvOutcome:
        try:
            wanted = next(machine)
            while True:
                if isinstance(wanted, bytes):
                    wanted = machine.send(self.answer(wanted))
                elif isinstance(wanted, AskApplication):
                    self.labels = wanted.labels
                    wanted = machine.send(self.choose)
                else:
                    wanted = machine.send(PinAnswer.ENTERED)
        except StopIteration as end:
            outcome: EmvOutcome = end.value
            return outcome


def powered(name: str) -> ContactCardTwin:
    twin = ContactCardTwin(load_card(name))
    twin.power_on()
    return twin


def under_t0(name: str) -> Answer:
    profile = load_card(name)
    assert profile.contact is not None
    view = T0View(ContactCardTwin(profile), bytes.fromhex(profile.contact.atr_t0))
    view.power_on()

    def answer(command: bytes) -> bytes:
        turns = exchange(command)
        try:
            send = next(turns)
            while True:
                send = turns.send(view.apdu(send))
        except StopIteration as end:
            whole: bytes = end.value
            return whole

    return answer


def test_every_contact_card_is_here() -> None:
    others = {"test-expired", "test-blocked", "test-application-blocked", "test-multi-application"}
    assert {name for name in card_names() if load_card(name).contact is not None} == set(PAYING) | others


@pytest.mark.parametrize("name", PAYING)
@pytest.mark.parametrize("code", ["00", "51"])
@pytest.mark.parametrize("protocol", ["T=1", "T=0"])
def test_a_payment_with_its_issuer(name: str, code: str, protocol: str) -> None:
    payment = Payment(powered(name).apdu if protocol == "T=1" else under_t0(name))
    assert payment.asked.decision is Decision.ONLINE
    final = payment.finish(CardIssuer(load_card(name)).answer(payment.asked, code))
    assert final.decision is (Decision.APPROVED if code == "00" else Decision.DECLINED)
    assert final.alerts == ()
    assert final.cryptogram != payment.asked.cryptogram


@pytest.mark.parametrize("name", PAYING)
def test_a_wrong_proof_is_not_believed(name: str) -> None:
    payment = Payment(powered(name).apdu)
    good = CardIssuer(load_card(name)).answer(payment.asked)
    wrong = good._replace(authentication=bytes((good.authentication[0] ^ 1,)) + good.authentication[1:])
    assert payment.finish(wrong).decision is Decision.DECLINED


@pytest.mark.parametrize("name", PAYING)
def test_nobody_could_be_asked(name: str) -> None:
    payment = Payment(powered(name).apdu)
    assert payment.finish(None).decision is Decision.DECLINED


def test_an_expired_card_is_said_to_be_expired() -> None:
    payment = Payment(powered("test-expired").apdu)
    assert payment.asked.tvr is not None
    assert Tvr.EXPIRED in payment.asked.tvr
    assert payment.asked.decision is Decision.ONLINE, "the issuer decides; the action codes say so"


def test_a_blocked_card_ends_at_once() -> None:
    payment = Payment(powered("test-blocked").apdu)
    assert (payment.asked.decision, payment.asked.words) == (Decision.ENDED, "the card is blocked")


def test_a_blocked_application_is_not_used() -> None:
    payment = Payment(powered("test-application-blocked").apdu)
    assert payment.asked.words == "card and terminal share no application"


# Several applications


def test_by_priority_the_first_is_taken() -> None:
    payment = Payment(powered("test-multi-application").apdu)
    assert (payment.asked.label, payment.labels) == ("TEST MASTERCARD", ())


@pytest.mark.parametrize(("place", "label"), [(0, "TEST MASTERCARD"), (1, "TEST VISA"), (2, "TEST DEBIT")])
def test_the_cardholder_chooses(place: int, label: str) -> None:
    card = powered("test-multi-application")
    payment = Payment(card.apdu, place, cardholder_choice=True)
    assert payment.labels == ("TEST MASTERCARD", "TEST VISA", "TEST DEBIT")
    assert payment.asked.label == label
    used = card.profile.applications[(1, 0, 2)[place]]
    final = payment.finish(CardIssuer(card.profile, used).answer(payment.asked))
    assert final.decision is Decision.APPROVED
    assert [memory.atc for memory in (card.memory, *card.memory.others.values())] == [
        int(one is used) for one in card.profile.applications
    ], "each application counts by itself"


def test_the_cardholder_wants_none() -> None:
    payment = Payment(powered("test-multi-application").apdu, PinAnswer.BYPASSED, cardholder_choice=True)
    assert payment.asked.words == "the cardholder chose none of the card's applications"


def test_without_choice_what_needs_confirmation_is_passed_over() -> None:
    card = powered("test-multi-application")
    hidden = {bytes.fromhex(one.aid) for one in card.profile.applications if not one.confirmation}

    def answer(command: bytes) -> bytes:
        return b"\x6a\x82" if command[1] == 0xA4 and command[5:-1] in hidden else card.apdu(command)

    assert Payment(answer).asked.words == "card and terminal share no application"


# Scripts


@pytest.mark.parametrize("name", ["test-visa-dda", "test-mastercard-cda", "test-visa-cda"])
@pytest.mark.parametrize("template", [0x71, 0x72])
def test_the_issuer_unblocks_the_pin(name: str, template: int) -> None:
    card = powered(name)
    card.memory.pin_tries_left = 0
    payment, issuer = Payment(card.apdu), CardIssuer(card.profile)
    script = issuer.script(payment.asked, template, ("84240000", b""))
    final = payment.finish(issuer.answer(payment.asked, scripts=script))
    assert final.script_results.hex() == "2000000001"
    assert card.memory.pin_tries_left == 3
    assert final.tvr is not None
    assert not final.tvr & (Tvr.SCRIPT_FAILED_BEFORE | Tvr.SCRIPT_FAILED_AFTER)


@pytest.mark.parametrize("name", ["test-visa-dda", "test-mastercard-cda"])
def test_the_issuer_changes_the_pin(name: str) -> None:
    card = powered(name)
    payment, issuer = Payment(card.apdu), CardIssuer(card.profile)
    script = issuer.script(payment.asked, 0x72, ("84240002", issuer.new_pin(payment.asked, "86420")))
    final = payment.finish(issuer.answer(payment.asked, scripts=script))
    assert final.script_results.hex() == "2000000001"
    assert card.memory.test_pin == "86420"


def test_several_commands_of_one_script() -> None:
    card = powered("test-mastercard-cda")
    payment, issuer = Payment(card.apdu), CardIssuer(card.profile)
    script = issuer.script(payment.asked, 0x71, ("84240000", b""), ("84240000", b""), ("04DA9F14", b"\x02"))
    final = payment.finish(issuer.answer(payment.asked, scripts=script))
    assert final.script_results.hex() == "2000000001"
    assert card.memory.objects[0x9F14] == b"\x02"


@pytest.mark.parametrize(
    ("command", "words"), [("841E0000", "share no application"), ("84160000", "the card is blocked")]
)
def test_the_issuer_blocks(command: str, words: str) -> None:
    card = powered("test-visa-sda")
    payment, issuer = Payment(card.apdu), CardIssuer(card.profile)
    payment.finish(issuer.answer(payment.asked, "05", issuer.script(payment.asked, 0x71, (command, b""))))
    card.power_on()
    assert words in Payment(card.apdu).asked.words


@pytest.mark.parametrize("template", [0x71, 0x72])
def test_a_script_with_a_wrong_mac_changes_nothing(template: int) -> None:
    card = powered("test-visa-sda")
    payment, issuer = Payment(card.apdu), CardIssuer(card.profile)
    script = bytearray(issuer.script(payment.asked, template, ("84160000", b"")))
    script[-1] ^= 1
    final = payment.finish(issuer.answer(payment.asked, scripts=bytes(script)))
    assert final.script_results.hex() == "1100000001"
    assert final.tvr is not None
    assert final.tvr & (Tvr.SCRIPT_FAILED_BEFORE | Tvr.SCRIPT_FAILED_AFTER)
    assert not card.memory.card_blocked
    card.power_on()
    again = Payment(card.apdu)
    assert any("issuer script failed" in note.words for note in again.asked.notes if note.subject == "CVR")


def test_a_script_of_another_payment_changes_nothing() -> None:
    card = powered("test-visa-sda")
    payment, issuer = Payment(card.apdu), CardIssuer(card.profile)
    old = issuer.script(payment.asked, 0x71, ("84160000", b""))
    payment.finish(issuer.answer(payment.asked))
    card.power_on()
    later = Payment(card.apdu)
    later.finish(issuer.answer(later.asked, scripts=old))
    assert not card.memory.card_blocked


def test_a_card_without_script_keys_takes_no_script() -> None:
    card = powered("test-visa-contact")
    payment = Payment(card.apdu)
    script = tlv.encode([tlv.template(0x71, (0x86, bytes.fromhex("8416000008") + bytes(8)))])
    final = payment.finish(
        CardIssuer(load_card("test-visa-sda"), card.profile.application).answer(payment.asked, scripts=script)
    )
    assert final.script_results.hex() == "1100000000"


# What a card approves by itself


def test_three_payments_in_a_row_and_then_the_issuer() -> None:
    card = powered("test-visa-cda")
    shop = terminal(
        contact=(application(floor_limit=5_000, tac_online="0000000000"),), capabilities="E008C8", online_pin=False
    )
    decisions = []
    for _ in range(4):
        card.power_on()
        transaction = ContactTransaction(shop, request(date=datetime.date(2026, 6, 7)), 50, KEYS)
        machine = transaction.first()
        try:
            wanted = next(machine)
            while True:
                assert isinstance(wanted, bytes)
                wanted = machine.send(card.apdu(wanted))
        except StopIteration as end:
            decisions.append(end.value.decision)
    assert decisions == [Decision.APPROVED] * 3 + [Decision.ONLINE]


@pytest.mark.parametrize(("failed", "wanted", "code"), [(False, 0x40, b"Y3"), (True, 0x00, b"Z3")])
def test_after_a_failed_authorisation_the_card_is_asked_to_decline(failed: bool, wanted: int, code: bytes) -> None:
    """Unreachable, card and terminal may decide; with an answer that cannot be used, nothing may be approved."""
    card = powered("test-visa-cda")
    commands: list[bytes] = []

    def answer(command: bytes) -> bytes:
        commands.append(command)
        return card.apdu(command)

    settings = application(floor_limit=5_000, tac_online="0000000800", tac_default="0000000000")
    shop = terminal(contact=(settings,), capabilities="E008C8", online_pin=False)
    transaction = ContactTransaction(shop, request(forced_online=True), 50, KEYS)
    assert drive(transaction.first(), answer)[0].decision is Decision.ONLINE
    final, _ = drive(transaction.second(None, failed=failed), answer)
    assert commands[-1][2] & 0xC0 == wanted
    assert commands[-1][5:7] == code
    assert final.decision is Decision.DECLINED, "this card approves nothing after asking for its issuer"
    assert final.words == (
        "declined: the authorisation failed" if failed else "declined by the card, whatever the issuer said"
    )
