# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 3's signatures with the fast DDA twins: what is approved offline, what a signature proves, what is refused."""

import dataclasses

import pytest

from device_profiles.twins.card import CardTwin
from device_profiles.twins.card_faults import Exchange, altered, last_bit_flipped
from device_profiles.twins.card_rsa import CardRsa, dynamic_signature
from protocols.emv.bits import Ctq, Ttq
from protocols.emv.tags import Tag
from protocols.pan import Pan
from terminal_agent.emv import Alert, Cvm, Decision, EmvTerminal, Means, contactless
from terminal_agent.emv.exception_file import ExceptionFile, entry
from tests.terminal_agent.emv.contact_session import request
from tests.terminal_agent.emv.session import StubCard, drive, pay
from tests.terminal_agent.emv.tap_session import KEYS, Field, both, said, tapped, twin

CARD, PHONE = "test-visa-fdda", "test-mobile-visa"
ABOVE, UNDER = 4_200, 1_500


def test_a_signed_payment_is_approved_offline() -> None:
    outcome = tapped(CARD, UNDER)
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.APPROVED, Cvm.NONE, ())
    assert "fDDA succeeded: the card's signature covers this payment" in said(outcome)
    assert outcome.icc_data


def test_the_third_payment_in_a_row_is_the_last_without_the_issuer() -> None:
    field, found = Field(twin(CARD)), []
    for _ in range(4):
        found.append(field.tap(UNDER).decision)
        field.card.power_on()
    assert found == [Decision.APPROVED] * 3 + [Decision.ONLINE]


@pytest.mark.parametrize("changes", [{"floor_limit": 1_000}, {"currency": "840"}, {"forced_online": True}])
def test_what_is_asked_online_goes_online(changes: dict[str, object]) -> None:
    place = both() if "floor_limit" not in changes else tiny_floor()
    asked = request(UNDER, **{name: value for name, value in changes.items() if name != "floor_limit"})
    field = Field(twin(CARD))
    assert field.tap(asked, place).decision is Decision.ONLINE


def tiny_floor() -> EmvTerminal:
    """A terminal whose floor limit is below the payment."""
    place = both()
    return dataclasses.replace(place, aids=(dataclasses.replace(place.aids[0], floor_limit=1_000),))


def test_without_the_payment_systems_key_the_card_is_asked_for_an_online_cryptogram() -> None:
    outcome = drive(contactless(both(), request(UNDER), Means()), Field(twin(CARD)).answer)
    assert (outcome.decision, outcome.alerts) == (Decision.ONLINE, ())


@pytest.mark.parametrize(
    ("ctq", "contacts", "decision"),
    [
        (0x00_00, False, Decision.DECLINED),
        (int(Ctq.ONLINE_IF_ODA_FAILS), False, Decision.ONLINE),
        (int(Ctq.SWITCH_IF_ODA_FAILS), True, Decision.OTHER_INTERFACE),
        (int(Ctq.SWITCH_IF_ODA_FAILS), False, Decision.DECLINED),
    ],
)
def test_nothing_is_approved_without_a_signature(ctq: int, contacts: bool, decision: Decision) -> None:
    wanted = ctq.to_bytes(2, "big")

    def changed(command: bytes, answer: bytes) -> bytes:
        return answer.replace(bytes.fromhex("9F6C020000"), bytes.fromhex("9F6C02") + wanted).replace(
            bytes.fromhex("9F4B8180"), bytes.fromhex("9F778180")
        )

    field = Field(twin(CARD), spoil=changed)
    outcome = field.tap(UNDER, both(contact_chip=contacts))
    assert (outcome.decision, outcome.alerts) == (decision, (Alert.AUTHENTICATION_FAILED,))


def test_a_signature_over_the_number_alone_goes_online() -> None:
    def old_card() -> Field:
        card = twin(CARD)
        assert isinstance(card, CardTwin)

        def signed(key: CardRsa, given: dict[int, bytes], ctq: Ctq) -> dict[int, bytes]:
            number = given[Tag.UNPREDICTABLE_NUMBER]
            return {Tag.SIGNED_DYNAMIC_DATA: dynamic_signature(key, b"\x02" + bytes(2), number)}

        card._signed = signed  # type: ignore[method-assign]  # a card of version 00
        return Field(card)

    outcome = old_card().tap(UNDER)
    assert (outcome.decision, outcome.alerts) == (Decision.ONLINE, ())
    assert "the card's signature does not cover the amount: online" in said(outcome)
    assert old_card().tap(UNDER, both(signed_number_is_enough=True)).decision is Decision.APPROVED


def test_a_signature_proves_a_devices_word() -> None:
    proven = tapped(PHONE, ABOVE, signed_online=True)
    assert (proven.decision, proven.cvm, proven.alerts) == (Decision.ONLINE, Cvm.CDCVM, ())
    bare = tapped(PHONE, ABOVE)
    assert (bare.decision, bare.cvm, bare.alerts) == (Decision.ONLINE, Cvm.ONLINE_PIN, (Alert.CDCVM_UNPROVEN,))


@pytest.mark.parametrize("tag", [Tag.CTQ, Tag.CARD_AUTHENTICATION_DATA, Tag.SIGNED_DYNAMIC_DATA])
def test_a_devices_word_that_was_changed_is_not_proven(tag: Tag) -> None:
    fault = altered(tag, last_bit_flipped)
    field = Field(twin(PHONE), spoil=lambda command, answer: fault(Exchange(1, command, answer)))
    outcome = field.tap(ABOVE, both(signed_online=True))
    assert outcome.cvm is not Cvm.CDCVM
    assert outcome.alerts


def test_an_expired_card_is_not_approved_offline() -> None:
    outcome = Field(twin(CARD, expiry="2512")).tap(UNDER)
    assert outcome.decision is Decision.DECLINED
    assert outcome.words == "declined: the card is expired"


def test_a_stolen_card_is_not_approved_offline() -> None:
    key = bytes(16)
    listed = ExceptionFile.of(key, [entry(key, Pan("4000009999002234"))])
    outcome = drive(contactless(both(), request(UNDER), Means(KEYS, listed)), Field(twin(CARD)).answer)
    assert outcome.words == "declined: the card is reported stolen"


def test_magnetic_stripe_data_are_refused() -> None:
    outcome = pay(StubCard({0x9F26: None, 0x9F36: None, 0x9F10: None}))
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert outcome.alerts == (Alert.MODE_DOWNGRADED,)


def test_what_is_not_built_is_not_offered() -> None:
    offered = both(contact_chip=True, signed_online=True).qualifiers
    assert not offered & (Ttq.MSD | Ttq.OFFLINE_ONLY | Ttq.ISSUER_UPDATE | Ttq.CONTACT_OFFLINE_PIN)
