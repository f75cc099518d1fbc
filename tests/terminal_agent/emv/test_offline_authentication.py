# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""SDA, DDA and CDA of whole payments with personalised cards, and every way in which they fail."""

import dataclasses
import datetime
from collections.abc import Callable

import pytest

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.card_faults import altered
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import FaultyContactCard
from protocols.emv import tlv
from protocols.emv.bits import Tsi, Tvr
from protocols.errors import IntegrityError
from terminal_agent.emv import (
    Alert,
    Authorities,
    ContactTransaction,
    Decision,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    TrustedKey,
    Withdrawn,
)
from tests.terminal_agent.emv.contact_session import (
    Answer,
    application,
    authorities,
    drive,
    request,
    said,
    sent,
    terminal,
)

MASTERCARD, UNIONPAY = "A0000000041010", "A000000333010102"
KEYS = authorities()
FAILED = {"SDA": Tvr.SDA_FAILED, "DDA": Tvr.DDA_FAILED, "CDA": Tvr.CDA_FAILED}
CARDS = {"SDA": "test-visa-sda", "DDA": "test-visa-dda", "CDA": "test-visa-cda"}
NO_FINDING = "0000000000"


def shop(online_pin: bool = True, **changes: object) -> EmvTerminal:
    """A terminal of all methods for all brands, that may approve below EUR 50."""
    listed = tuple(
        application(aid=aid, **({"floor_limit": 5_000, "tac_online": NO_FINDING, "cvm_limit": 0} | changes))
        for aid in ("A0000000031010", MASTERCARD, UNIONPAY)
    )
    return terminal(contact=listed, capabilities="E048C8", online_pin=online_pin)


def pay(
    answer: Answer,
    keys: Authorities = KEYS,
    today: datetime.date = datetime.date(2026, 6, 7),
    online_pin: bool = True,
    **changes: object,
) -> tuple[ContactTransaction, EmvOutcome]:
    transaction = ContactTransaction(shop(online_pin, **changes), request(date=today), 50, keys)
    return transaction, drive(transaction.first(), answer)[0]


def powered(name: str, **changes: object) -> ContactCardTwin:
    profile: CardProfile = dataclasses.replace(load_card(name), **changes)  # type: ignore[arg-type]
    twin = ContactCardTwin(profile)
    twin.power_on()
    return twin


def through(name: str, *faults: Callable[..., bytes]) -> Answer:
    card = FaultyContactCard(ContactCardTwin(load_card(name)), *faults)
    card.power_on()
    return card.apdu


@pytest.mark.parametrize(
    ("card", "tvr", "words"),
    [
        ("test-visa-sda", Tvr.SDA_SELECTED, "SDA succeeded"),
        ("test-visa-dda", Tvr(0), "DDA succeeded"),
        ("test-visa-cda", Tvr(0), "CDA succeeded"),
        ("test-mastercard-cda", Tvr(0), "CDA succeeded"),
        ("test-unionpay-dda", Tvr(0), "DDA succeeded"),
    ],
)
def test_a_genuine_card_is_proven(card: str, tvr: Tvr, words: str) -> None:
    _, outcome = pay(powered(card).apdu)
    assert outcome.tvr is not None
    assert outcome.tvr & ~(Tvr.ONLINE_CVM_CAPTURED | Tvr.NEW_CARD | Tvr.PIN_PAD_MISSING) == tvr
    assert outcome.tsi is not None
    assert Tsi.ODA_PERFORMED in outcome.tsi
    assert outcome.alerts == ()
    assert said(outcome)[-1].startswith(words)


@pytest.mark.parametrize(
    ("card", "enough", "decision"),
    [
        ("test-visa-cda", False, Decision.APPROVED),
        ("test-mastercard-cda", False, Decision.APPROVED),
        ("test-visa-sda", True, Decision.ONLINE),
        ("test-visa-dda", False, Decision.ONLINE),
        ("test-visa-contact", True, Decision.DECLINED),  # nobody signed the list that spares the PIN
    ],
)
def test_what_is_proven_well_enough_is_approved_offline(card: str, enough: bool, decision: Decision) -> None:
    _, outcome = pay(powered(card).apdu, online_pin=False, dda_is_enough=enough)
    assert outcome.decision is decision
    if decision is Decision.APPROVED:
        assert sent(outcome)[0x9F27].hex() == "40"
        assert len(sent(outcome)[0x9F26]) == 8


def test_dda_is_enough_where_the_profile_says_so() -> None:
    profile = load_card("test-visa-dda")
    assert profile.contact is not None
    twin = powered("test-visa-dda", contact=dataclasses.replace(profile.contact, offline_limit=3))
    application_ = dataclasses.replace(
        profile.application, objects={**profile.application.objects, "9F0F": NO_FINDING, "9F0D": NO_FINDING}
    )
    twin = powered("test-visa-dda", contact=twin.profile.contact, application=application_)
    assert pay(twin.apdu, online_pin=False)[1].decision is Decision.ONLINE
    twin.power_on()
    twin.memory.atc = twin.memory.last_online_atc = 0
    twin.memory.online_pending = False
    assert pay(twin.apdu, online_pin=False, dda_is_enough=True)[1].decision is Decision.APPROVED


# Failures


def flipped(value: bytes) -> bytes:
    return value[:-1] + bytes((value[-1] ^ 1,))


@pytest.mark.parametrize(
    ("method", "tag"),
    [
        *((method, tag) for method in CARDS for tag in (0x90, 0x92, 0x8F, 0x9F32, 0x5F34, 0x82)),
        ("SDA", 0x93),
        *((method, tag) for method in ("DDA", "CDA") for tag in (0x9F46, 0x9F48, 0x9F47)),
        ("CDA", 0x9F4B),
    ],
)
def test_one_changed_octet_fails(method: str, tag: int) -> None:
    change = (lambda value: value[:1] + flipped(value[1:])) if tag == 0x82 else flipped
    if tag == 0x82:  # a profile that still offers the method, and is not the one the issuer signed
        change = lambda value: bytes((value[0] ^ 0x04, value[1]))  # noqa: E731
    _, outcome = pay(through(CARDS[method], altered(tag, change)))
    assert outcome.tvr is not None
    assert FAILED[method] in outcome.tvr
    assert Alert.AUTHENTICATION_FAILED in outcome.alerts
    assert outcome.decision is not Decision.APPROVED
    assert any(words.startswith(f"{method} failed") for words in said(outcome))


def without(tag: int) -> Callable[..., bytes]:
    """Records from which one object is gone."""

    def fault(exchange: object) -> bytes:
        answer: bytes = exchange.answer  # type: ignore[attr-defined]
        if exchange.command[1] != 0xB2 or answer[-2:] != b"\x90\x00":  # type: ignore[attr-defined]
            return answer
        objects = tlv.decode(answer[:-2]).inside(0x70)
        assert objects is not None
        kept = [item for item in objects if item[0] != tag]
        return tlv.encode([tlv.template(0x70, *kept)]) + b"\x90\x00"

    return fault


@pytest.mark.parametrize(
    ("method", "tag"),
    [
        *((method, tag) for method in CARDS for tag in (0x8F, 0x90, 0x9F32)),
        ("SDA", 0x93),
        *((method, tag) for method in ("DDA", "CDA") for tag in (0x9F46, 0x9F47)),
    ],
)
def test_what_is_missing_is_said_to_be_missing(method: str, tag: int) -> None:
    _, outcome = pay(through(CARDS[method], without(tag)))
    assert outcome.tvr is not None
    assert Tvr.ICC_DATA_MISSING | FAILED[method] in outcome.tvr
    assert "did not give" in said(outcome)[0]


def test_the_terminal_without_the_key() -> None:
    _, outcome = pay(powered("test-visa-cda").apdu, Authorities())
    assert outcome.tvr is not None
    assert Tvr.CDA_FAILED in outcome.tvr
    assert said(outcome) == ["CDA failed: this terminal does not hold CA key A000000003 E7"]
    assert outcome.alerts == (), "every card of a payment system without keys fails: that is no sign of an attack"
    other = Authorities(tuple(TrustedKey(dataclasses.replace(key.ca, index=1)) for key in KEYS.keys))
    assert Alert.AUTHENTICATION_FAILED in pay(powered("test-visa-cda").apdu, other)[1].alerts


def test_a_key_serves_until_its_last_day() -> None:
    late = Authorities(tuple(TrustedKey(key.ca, datetime.date(2026, 6, 7)) for key in KEYS.keys))
    assert pay(powered("test-visa-sda").apdu, late)[1].alerts == ()
    _, outcome = pay(powered("test-visa-sda").apdu, late, datetime.date(2026, 6, 8))
    assert said(outcome) == ["SDA failed: CA key A000000003 E7 served until 2026-06-07"]


def test_a_withdrawn_issuer_certificate() -> None:
    rid = bytes.fromhex("A000000003")
    others = Authorities(KEYS.keys, (Withdrawn(rid, 0xE7, bytes.fromhex("00001B")), Withdrawn(rid, 1, b"\0\0\x1a")))
    assert pay(powered("test-visa-dda").apdu, others)[1].alerts == ()
    gone = Authorities(KEYS.keys, (Withdrawn(rid, 0xE7, bytes.fromhex("00001A")),))
    _, outcome = pay(powered("test-visa-dda").apdu, gone)
    assert said(outcome) == ["DDA failed: the issuer certificate has been revoked"]


def test_certificates_expire() -> None:
    profile = load_card("test-visa-dda")
    assert profile.application.authentication is not None
    own = dataclasses.replace(profile.application.authentication, expires="0526")
    card = powered("test-visa-dda", application=dataclasses.replace(profile.application, authentication=own))
    assert said(pay(card.apdu)[1]) == ["DDA failed: the card certificate has expired"]
    _, outcome = pay(
        powered("test-visa-dda").apdu, Authorities((TrustedKey(KEYS.keys[0].ca),)), datetime.date(2036, 1, 1)
    )
    assert "the issuer certificate has expired" in said(outcome)[0]


def test_two_different_keys_of_one_name_are_refused() -> None:
    visa, mastercard, _ = (key.ca for key in KEYS.keys)
    other = dataclasses.replace(visa, key=dataclasses.replace(mastercard.key, modulus=mastercard.key.modulus - 2))
    with pytest.raises(ValueError, match="two different keys"):
        Authorities((TrustedKey(visa), TrustedKey(other)))
    assert (
        Authorities((TrustedKey(visa), TrustedKey(visa))).find(visa.rid, visa.index, datetime.date(2026, 1, 1)) == visa
    )
    with pytest.raises(IntegrityError, match="does not hold"):
        Authorities().find(visa.rid, visa.index, datetime.date(2026, 1, 1))


# CDA and the cryptogram


def test_a_changed_cryptogram_of_a_signing_card_is_declined_at_once() -> None:
    """What the wedge changes outside the signature: the card hears a refusal, the acquirer hears nothing."""
    commands: list[bytes] = []
    answer = through("test-visa-cda", altered(0x9F36, flipped))

    def listen(command: bytes) -> bytes:
        commands.append(command)
        return answer(command)

    transaction, outcome = pay(listen, floor_limit=0)
    assert outcome.decision is Decision.DECLINED
    assert "not signed by the card" in outcome.words
    assert outcome.tvr is not None
    assert Tvr.CDA_FAILED in outcome.tvr
    kinds = [command[2] for command in commands if command[1] == 0xAE]
    assert kinds == [0x90, 0x00], "an ARQC with signature was asked for, then an AAC"
    assert transaction.concluded is not None


def test_a_card_that_drops_its_signature_is_not_believed() -> None:
    """A middle without the card's key answers an unsigned TC of its own (the two-chip card)."""
    cryptogram = {0x9F27: b"\x40", 0x9F36: b"\0\1", 0x9F26: bytes(8), 0x9F10: bytes.fromhex("06010A03940000")}
    genuine = powered("test-visa-cda").apdu

    def two_chips(command: bytes) -> bytes:
        if command[1] != 0xAE:
            return genuine(command)
        return tlv.encode([tlv.template(0x77, *cryptogram.items())]) + b"\x90\x00"

    _, outcome = pay(two_chips, online_pin=False)
    assert outcome.decision is Decision.DECLINED
    assert said(outcome)[-1] == "CDA failed: the card was asked to sign its cryptogram and did not"


def test_the_second_cryptogram_is_signed_too() -> None:
    card = powered("test-mastercard-cda")
    transaction, outcome = pay(card.apdu, floor_limit=0)
    assert outcome.decision is Decision.ONLINE
    final, _ = drive(transaction.second(None), card.apdu)
    assert final.decision in (Decision.DECLINED, Decision.APPROVED)


def test_a_second_cryptogram_that_is_changed_is_declined() -> None:
    card = powered("test-visa-cda")
    profile = card.profile
    assert profile.contact is not None
    chip = dataclasses.replace(profile.contact, issuer_authentication_required=False)
    card = powered("test-visa-cda", contact=chip)
    seen = 0

    def wedge(command: bytes) -> bytes:
        nonlocal seen
        answer = card.apdu(command)
        seen += command[1] == 0xAE
        return answer if seen < 2 else answer.replace(b"\x9f\x36\x02\x00\x01", b"\x9f\x36\x02\x00\x02")

    transaction, _ = pay(wedge, floor_limit=0)
    final, _ = drive(transaction.second(IssuerAnswer("00", True)), wedge)
    assert final.decision is Decision.DECLINED
    assert "not signed by the card" in final.words
    card = powered("test-visa-cda", contact=chip)
    transaction, _ = pay(card.apdu, floor_limit=0)
    final, _ = drive(transaction.second(IssuerAnswer("00", True)), card.apdu)
    assert final.decision is Decision.APPROVED


def test_a_terminal_without_cda_uses_dda() -> None:
    plain = terminal(capabilities="E040C0", contact=(application(floor_limit=5_000),))
    transaction = ContactTransaction(plain, request(), 50, KEYS)
    outcome, _ = drive(transaction.first(), powered("test-visa-cda").apdu)
    assert said(outcome)[-1].startswith("DDA succeeded")


def test_dda_needs_a_number_of_the_terminal() -> None:
    _, outcome = pay(through("test-visa-dda", altered(0x9F49, lambda value: bytes.fromhex("9F0206"))))
    assert "does not ask for the unpredictable number" in said(outcome)[0]


def test_a_card_that_does_not_sign() -> None:
    good = powered("test-visa-dda").apdu
    _, outcome = pay(lambda command: b"\x69\x85" if command[1] == 0x88 else good(command))
    assert said(outcome) == ["DDA failed: the card does not sign: 6985 conditions of use not satisfied"]
