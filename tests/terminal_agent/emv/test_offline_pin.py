# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Offline PINs of whole payments: in clear by the reader's own keys, enciphered by a vault; tries, blocks, lies."""

import dataclasses
from collections.abc import Callable, Generator
from typing import Any

import pytest

from device_profiles.card_profile import load_card
from device_profiles.twins.card_faults import altered
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from protocols.emv.bits import Tvr
from terminal_agent.emv import (
    Alert,
    ContactTransaction,
    Cvm,
    Decision,
    EmvOutcome,
    PinAnswer,
    PinAtReader,
    PinToEncipher,
)
from tests.terminal_agent.emv.contact_session import application, authorities, drive, request, said, sent, terminal

KEYS = authorities()
RIGHT, WRONG = "7391", "1111"
Hand = Callable[[object], "bytes | PinAnswer"]


class Person:
    """Types the given PINs in turn, at the reader or at the vault's pad."""

    def __init__(self, card: Any, *pins: str) -> None:
        self.card = card
        self.left = list(pins)
        self.asked: list[object] = []
        self.in_clear: list[bytes] = []

    def __call__(self, wanted: object) -> bytes | PinAnswer:
        self.asked.append(wanted)
        if not self.left:
            return PinAnswer.BYPASSED
        pin = self.left.pop(0)
        block = bytes.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))
        if isinstance(wanted, PinAtReader):
            command = wanted.template[:5] + block
            self.in_clear.append(command)
            answer: bytes = self.card.apdu(command)
            return answer
        if isinstance(wanted, PinToEncipher):
            text = b"\x7f" + block + wanted.challenge + bytes(wanted.key.octets - 17)
            number = pow(int.from_bytes(text, "big"), wanted.key.exponent, wanted.key.modulus)
            return number.to_bytes(wanted.key.octets, "big")
        return PinAnswer.ENTERED


def shop(**changes: object) -> Any:
    return terminal(
        capabilities="E0D8C8",
        contact=tuple(application(aid=aid) for aid in ("A0000000031010", "A0000000041010")),
        **({"offline_pin": True, "enciphered_pin": True} | changes),
    )


def run(machine: Generator[Any, Any, EmvOutcome], card: Any, person: Hand) -> EmvOutcome:
    try:
        wanted = next(machine)
        while True:
            wanted = machine.send(card.apdu(wanted) if isinstance(wanted, bytes) else person(wanted))
    except StopIteration as end:
        outcome: EmvOutcome = end.value
        return outcome


def pay(card: Any, person: Hand, **changes: object) -> EmvOutcome:
    transaction = ContactTransaction(shop(**changes), request(), 50, KEYS)
    return run(transaction.first(), card, person)


def powered(name: str = "test-visa-dda") -> ContactCardTwin:
    twin = ContactCardTwin(load_card(name))
    twin.power_on()
    return twin


@pytest.mark.parametrize("name", ["test-visa-dda", "test-visa-cda", "test-mastercard-cda"])
def test_the_right_pin_enciphered(name: str) -> None:
    card = powered(name)
    person = Person(card, RIGHT)
    outcome = pay(card, person)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.OFFLINE_PIN)
    assert sent(outcome)[0x9F34].hex() == "440302"
    (wanted,) = person.asked
    assert isinstance(wanted, PinToEncipher)
    assert wanted.tries == 3
    assert outcome.alerts == ()
    assert any("offline PIN verification performed" in words for words in said(outcome, "CVR"))


def test_the_right_pin_in_clear() -> None:
    card = powered()
    person = Person(card, RIGHT)
    outcome = pay(card, person, enciphered_pin=False)
    assert (outcome.cvm, sent(outcome)[0x9F34].hex()) == (Cvm.OFFLINE_PIN, "410302")
    (wanted,) = person.asked
    assert isinstance(wanted, PinAtReader)
    assert wanted.template.hex().upper() == "002000800820FFFFFFFFFFFFFF"


@pytest.mark.parametrize("enciphered", [True, False])
def test_a_wrong_pin_may_be_tried_again(enciphered: bool) -> None:
    card = powered()
    person = Person(card, WRONG, WRONG, RIGHT)
    outcome = pay(card, person, enciphered_pin=enciphered)
    assert outcome.cvm is Cvm.OFFLINE_PIN
    assert [wanted.tries for wanted in person.asked] == [3, 2, 1]  # type: ignore[attr-defined]
    assert card.memory.pin_tries_left == 3
    if enciphered:
        numbers = {wanted.challenge for wanted in person.asked}  # type: ignore[attr-defined]
        assert len(numbers) == 3, "a fresh number for every try"


def test_three_wrong_pins_block_the_pin_and_the_next_method_is_tried() -> None:
    card = powered()
    person = Person(card, WRONG, WRONG, WRONG, RIGHT)
    outcome = pay(card, person)
    assert outcome.tvr is not None
    assert Tvr.PIN_TRIES_EXCEEDED in outcome.tvr
    assert outcome.cvm is Cvm.ONLINE_PIN, "the list's next rule but one"
    assert card.memory.pin_tries_left == 0
    assert len(person.asked) == 4


def test_a_card_whose_pin_is_blocked_is_not_asked() -> None:
    card = powered("test-pin-blocked")
    person = Person(card, RIGHT)
    outcome = pay(card, person)
    assert outcome.tvr is not None
    assert Tvr.PIN_TRIES_EXCEEDED in outcome.tvr
    assert outcome.cvm is Cvm.ONLINE_PIN
    assert "the card's PIN is blocked" in said(outcome, "offline PIN")


def test_whoever_leaves_the_pin_out_leaves_all_pins_out() -> None:
    card = powered()
    person = Person(card)
    outcome = pay(card, person)
    assert outcome.tvr is not None
    assert Tvr.PIN_NOT_ENTERED in outcome.tvr
    assert len(person.asked) == 1
    assert outcome.cvm is Cvm.NONE


def test_without_a_device_the_next_method_is_tried() -> None:
    card = powered()
    answers = iter([PinAnswer.UNAVAILABLE, PinAnswer.UNAVAILABLE, PinAnswer.ENTERED])
    outcome = pay(card, lambda wanted: next(answers))
    assert outcome.cvm is Cvm.ONLINE_PIN
    assert outcome.tvr is not None
    assert Tvr.PIN_PAD_MISSING in outcome.tvr


# A list on its way


def test_a_list_that_nobody_signed_gets_no_pin_in_clear() -> None:
    """Barisani and Bianco 2011: the list is edited between card and terminal."""
    card = FaultyContactCard(ContactCardTwin(load_card("test-visa-dda")), CONTACT_FAULTS["cvm-list-plaintext-pin"]())
    card.power_on()
    person = Person(card, RIGHT)
    outcome = pay(card, person, enciphered_pin=False)
    assert person.in_clear == []
    assert {Alert.AUTHENTICATION_FAILED, Alert.PLAIN_PIN_REFUSED} <= set(outcome.alerts)
    assert outcome.cvm is Cvm.ONLINE_PIN


def test_a_card_without_signed_data_gets_no_pin_in_clear() -> None:
    profile = load_card("test-visa-contact")
    listed = dataclasses.replace(
        profile.application, pin_tries=3, objects={**profile.application.objects, "8E": "000000000000000041031F03"}
    )
    card = ContactCardTwin(dataclasses.replace(profile, application=listed))
    card.power_on()
    person = Person(card, RIGHT)
    outcome = pay(card, person)
    assert person.asked == []
    assert Alert.PLAIN_PIN_REFUSED in outcome.alerts


def test_an_altered_pin_key_is_not_used() -> None:
    card = FaultyContactCard(
        ContactCardTwin(load_card("test-visa-dda")), altered(0x9F2D, lambda value: value[:-1] + b"\0")
    )
    card.power_on()
    person = Person(card, RIGHT)
    outcome = pay(card, person)
    assert "the card's key for PINs cannot be used" in said(outcome, "offline PIN")[0]
    assert not any(isinstance(wanted, PinToEncipher) for wanted in person.asked)


# The wedge


def test_a_wedge_that_says_yes_is_contradicted_by_the_card() -> None:
    """Murdoch and others 2010: 9000 to every VERIFY, which never reaches the card."""
    genuine = powered()

    class Wedge:
        def apdu(self, command: bytes) -> bytes:
            return b"\x90\x00" if command[1] == 0x20 else genuine.apdu(command)

    wedge = Wedge()
    transaction = ContactTransaction(shop(), request(), 50, KEYS)
    outcome = run(transaction.first(), wedge, Person(wedge, WRONG))
    assert outcome.decision is Decision.DECLINED
    assert Alert.PIN_CONTRADICTED in outcome.alerts
    assert outcome.words == "declined: the card was asked to verify the PIN, and says in its results that it did not"


@pytest.mark.parametrize("status", ["63C5", "6300", "6F00", "9001", "6985"])
def test_other_answers_to_verify_are_no_verification(status: str) -> None:
    genuine = powered()

    class Liar:
        def apdu(self, command: bytes) -> bytes:
            return bytes.fromhex(status) if command[1] == 0x20 else genuine.apdu(command)

    outcome = pay(Liar(), Person(Liar(), *[RIGHT] * 40))
    assert outcome.cvm is not Cvm.OFFLINE_PIN


def test_a_card_that_never_says_how_many_tries_are_left_is_bounded() -> None:
    genuine = powered()
    count = 0

    class Endless:
        def apdu(self, command: bytes) -> bytes:
            nonlocal count
            if command[:4] == bytes.fromhex("80CA9F17"):
                return b"\x6a\x88"
            count += command[1] == 0x20
            return b"\x63\xcf" if command[1] == 0x20 else genuine.apdu(command)

    pay(Endless(), Person(Endless(), *[RIGHT] * 100), enciphered_pin=False)
    assert count <= 2


@pytest.mark.parametrize("challenge", ["9000", "0102039000", "6D00", "010203040506070809" + "9000"])
def test_a_card_without_a_proper_number_gets_no_enciphered_pin(challenge: str) -> None:
    genuine = powered()

    class Poor:
        def apdu(self, command: bytes) -> bytes:
            return bytes.fromhex(challenge) if command[1] == 0x84 else genuine.apdu(command)

    outcome = pay(Poor(), Person(Poor(), RIGHT))
    assert outcome.decision is Decision.ENDED
    assert Alert.MALFORMED in outcome.alerts


def test_the_vault_gives_as_many_octets_as_the_key() -> None:
    card = powered()
    with pytest.raises(ValueError, match="as many octets"):
        pay(card, lambda wanted: b"\x01\x02")


def test_the_usual_terminal_sends_no_pin_to_a_card() -> None:
    card = powered()
    commands: list[bytes] = []

    def answer(command: bytes) -> bytes:
        commands.append(command)
        return card.apdu(command)

    transaction = ContactTransaction(terminal(), request(), 50, KEYS)
    outcome, _ = drive(transaction.first(), answer)
    assert outcome.cvm is Cvm.ONLINE_PIN
    assert all(command[1] != 0x20 for command in commands)
