# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a card answers, a payment ends in an outcome, within bounds of commands and memory; no crash.

A thousand changed answers in every run, a hundred thousand in the long one, whose evidence is docs/evidence/cards.json.
A card that is torn out ends nothing: the machine is closed, and the payment is concluded only if it was.
"""

import random

import pytest

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTorn
from device_profiles.twins.contact_card import ContactCardTwin
from terminal_agent.emv import ContactTransaction, Decision, EmvOutcome, PinAnswer
from tests import evidence
from tests.terminal_agent.emv.card_fuzz import (
    ANSWERS,
    AREA,
    KEYS,
    MOST_OCTETS,
    NAMES,
    PACKAGES,
    TAPS,
    TEARS,
    memory_of,
    spoilt,
)
from tests.terminal_agent.emv.contact_issuer import CardIssuer
from tests.terminal_agent.emv.contact_session import application, request, terminal

SHORT, LONG = 1_000, 100_000
SEED = 20_260_607


def fuzz(least: int, seed: int) -> int:
    dice, changed = random.Random(seed), 0
    while changed < least:
        count, outcome = spoilt(dice)
        changed += count
        if count and outcome.decision is Decision.APPROVED:
            assert outcome.tvr is not None
            assert outcome.cryptogram
    return changed


def test_fuzzed_answers() -> None:
    assert fuzz(SHORT, 1) >= SHORT


def test_fuzzed_answers_take_bounded_memory() -> None:
    assert memory_of(random.Random(2), 60) < MOST_OCTETS


@pytest.mark.long
def test_a_hundred_thousand_fuzzed_answers() -> None:
    with evidence.run(AREA, PACKAGES, ANSWERS, cases=LONG, seed=SEED):
        fuzz(LONG, SEED)


# Torn cards


class Torn:
    """A card that goes before its command ``at`` (from 1), or after it acted on it."""

    def __init__(self, name: str, at: int, *, acted: bool) -> None:
        self.card = ContactCardTwin(load_card(name))
        self.card.power_on()
        self.at = at
        self.acted = acted
        self.sent = 0

    def apdu(self, command: bytes) -> bytes:
        self.sent += 1
        if self.sent == self.at and not self.acted:
            raise CardTorn
        answer = self.card.apdu(command)
        if self.sent == self.at:
            raise CardTorn
        return answer


def torn_payment(name: str, at: int, *, acted: bool) -> tuple[ContactTransaction, EmvOutcome | None, Torn]:
    card = Torn(name, at, acted=acted)
    shop = terminal(contact=(application(), application(aid="A0000000041010")))
    payment = ContactTransaction(shop, request(), 50, KEYS)
    outcome = None
    try:
        for phase in (1, 2):
            if phase == 1:
                machine = payment.first()
            else:
                assert outcome is not None
                issuer = CardIssuer(card.card.profile)
                scripts = issuer.script(outcome, 0x72, ("84240000", b""))
                machine = payment.second(issuer.answer(outcome, scripts=scripts))
            try:
                wanted = next(machine)
                while True:
                    wanted = machine.send(card.apdu(wanted) if isinstance(wanted, bytes) else PinAnswer.ENTERED)
            except StopIteration as end:
                outcome = end.value
    except CardTorn:
        machine.close()
        return payment, None, card
    return payment, outcome, card


def commands_of(name: str) -> int:
    _, outcome, card = torn_payment(name, 10_000, acted=False)
    assert outcome is not None
    assert outcome.decision is Decision.APPROVED
    return card.sent


TORN_CARDS = [name for name in NAMES if name != "test-multi-application"]


def tear(name: str) -> int:
    """Tear a card at every command, before and after it acted; how many tears."""
    count = 0
    for at in range(1, commands_of(name) + 1):
        for acted in (False, True):
            payment, outcome, card = torn_payment(name, at, acted=acted)
            count += 1
            assert outcome is None
            concluded = payment.concluded
            assert (concluded is not None) == (at == commands_of(name)), "only scripts may be torn from a payment"
            card.card.power_on()
            again, final, _ = torn_payment(name, 10_000, acted=False)
            assert final is not None
            assert final.decision is Decision.APPROVED
            assert again.concluded is final or final == again.concluded
    return count


@pytest.mark.parametrize("name", TORN_CARDS)
def test_a_card_torn_at_every_command(name: str) -> None:
    assert tear(name) >= 20


@pytest.mark.long
def test_cards_torn_at_every_command_for_the_record() -> None:
    total = sum(tear(name) for name in TORN_CARDS)
    with evidence.run(AREA, PACKAGES, TEARS, cases=total, seed="none"):
        assert sum(tear(name) for name in TORN_CARDS) == total


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert evidence.faults(AREA, {ANSWERS: LONG, TAPS: 20_000, TEARS: 80}) == []
