# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of contact cards: each does what its name says, outside a card that stays what it is."""

import pytest

from device_profiles.card_profile import load_card
from device_profiles.twins.card_answer import CardTorn
from device_profiles.twins.card_faults import slow
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, MOST_COMMANDS, FaultyContactCard
from protocols.emv import apdu
from terminal_agent.emv import ContactTransaction, EmvOutcome
from tests.terminal_agent.emv.contact_session import application, authorities, drive, request, terminal

SELECT = apdu.select(apdu.PSE).encode()


def paid(fault: str, card: str = "test-visa-dda") -> EmvOutcome:
    faulty = FaultyContactCard(ContactCardTwin(load_card(card)), CONTACT_FAULTS[fault]())
    faulty.power_on()
    payment = ContactTransaction(terminal(contact=(application(),)), request(), 50, authorities())
    return drive(payment.first(), faulty.apdu)[0]


@pytest.mark.parametrize(
    ("fault", "card", "words"),
    [
        ("bad-hash", "test-visa-dda", "the hash of the card certificate does not match"),
        ("bad-hash", "test-visa-sda", "the hash of the signed static data does not match"),
        ("bad-issuer-certificate", "test-visa-sda", "the issuer certificate is not of the key above it"),
        ("bad-card-certificate", "test-visa-cda", "the card certificate is not of the key above it"),
        ("bad-signature", "test-visa-cda", "the signed dynamic data is not of the key above it"),
    ],
)
def test_what_authentication_finds(fault: str, card: str, words: str) -> None:
    outcome = paid(fault, card)
    said = [note.words for note in outcome.notes if note.subject == "offline authentication"]
    assert words in said[-1]


@pytest.mark.parametrize("number", [1, 5, MOST_COMMANDS])
def test_torn_at_a_command(number: int) -> None:
    card = FaultyContactCard(ContactCardTwin(load_card("test-visa-dda")), CONTACT_FAULTS[f"torn-at-command-{number}"]())
    card.power_on()
    for _ in range(number - 1):
        assert card.apdu(SELECT)[-2:] == b"\x90\x00"
    with pytest.raises(CardTorn):
        card.apdu(SELECT)


def test_slow_answers_come_late_and_whole() -> None:
    waited: list[float] = []
    card = FaultyContactCard(ContactCardTwin(load_card("test-visa-dda")), slow(waited.append, 1.5))
    card.power_on()
    assert card.apdu(SELECT)[-2:] == b"\x90\x00"
    assert waited == [1.5]
