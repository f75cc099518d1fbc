# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 2 with the M/Chip twins: what it asks, what it demands, what each answer leads to, what it refuses."""

import datetime

import pytest

from protocols.emv import tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.bits import Tvr
from protocols.pan import Pan
from terminal_agent.emv import Alert, Cvm, Decision, Means, contactless
from terminal_agent.emv.exception_file import ExceptionFile, entry
from tests.terminal_agent.emv.contact_session import request
from tests.terminal_agent.emv.session import drive
from tests.terminal_agent.emv.tap_session import KEYS, Field, both, said, tapped, twin

CARD, PHONE = "test-mastercard-like", "test-mobile-mastercard"
ABOVE, UNDER = 4_200, 1_500
GENERATE = int(Ins.GENERATE_AC)


def test_an_offline_payment() -> None:
    field = Field(twin(CARD))
    outcome = field.tap(UNDER)
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.APPROVED, Cvm.NONE, ())
    assert outcome.pan == Pan("5413339999002217")
    assert (outcome.expiry, outcome.sequence_number, outcome.label, outcome.atc) == ("2812", 1, "TEST MASTERCARD", 1)
    assert [Ins(sent).words for sent in field.sent[:4]] == [
        "SELECT",
        "SELECT",
        "GET PROCESSING OPTIONS",
        "EXCHANGE RELAY RESISTANCE DATA",
    ]
    assert field.commands[-1][2] == 0x50  # TC, signed


def test_an_online_payment_and_its_data() -> None:
    outcome = tapped(CARD, ABOVE)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.ONLINE_PIN)
    sent = dict(tlv.decode(outcome.icc_data))
    assert len(outcome.cryptogram) == 8
    assert sent[0x9F26] == outcome.cryptogram
    assert sent[0x9F27] == b"\x80"
    assert sent[0x9F33] == bytes.fromhex("E06008")
    assert sent[0x95] == bytes.fromhex("0000048002")
    assert sent[0x82] == bytes.fromhex("1981")
    assert 0x9F66 not in sent
    assert 0x9F6C not in sent


def test_the_third_payment_in_a_row_is_the_last_without_the_issuer() -> None:
    field = Field(twin(CARD))
    found = []
    for _ in range(5):
        found.append(field.tap(UNDER).decision)
        field.card.power_on()
    assert found == [Decision.APPROVED] * 3 + [Decision.ONLINE] * 2


def test_a_card_that_signs_nothing_goes_online() -> None:
    field = Field(twin(CARD, aip="1880"))
    outcome = field.tap(UNDER)
    assert outcome.decision is Decision.ONLINE
    assert field.commands[-1][2] == 0x80  # ARQC, not signed
    assert outcome.tvr is not None
    assert Tvr.ODA_NOT_PERFORMED in outcome.tvr


def test_without_the_payment_systems_key_nothing_is_approved_offline() -> None:
    field = Field(twin(CARD))
    outcome = drive(contactless(both(), request(UNDER), Means()), field.answer)
    assert (outcome.decision, outcome.alerts) == (Decision.ONLINE, ())


def test_where_the_acquirer_books_nothing_unasked_it_is_asked() -> None:
    field = Field(twin(CARD))
    outcome = drive(contactless(both(), request(UNDER), Means(KEYS, offline=False)), field.answer)
    assert (outcome.decision, field.commands[-1][2]) == (Decision.ONLINE, 0x90)
    assert outcome.tvr is not None
    assert Tvr.MERCHANT_FORCED_ONLINE not in outcome.tvr
    quick = Field(twin("test-visa-fdda"))
    assert drive(contactless(both(), request(UNDER), Means(KEYS, offline=False)), quick.answer).decision == "online"


def test_elliptic_curves_prove_nothing_here() -> None:
    assert Field(twin(CARD, aip="9880")).tap(UNDER).decision is Decision.ONLINE


def test_a_telephone_has_a_limit_of_its_own() -> None:
    assert tapped(PHONE, 70_000).decision is Decision.ONLINE
    refused = tapped(CARD, 70_000)
    assert (refused.decision, refused.words) == (
        Decision.OTHER_INTERFACE,
        "the amount is too high for this card without contact",
    )
    assert tapped(PHONE, 100_000).decision is Decision.OTHER_INTERFACE
    assert tapped(PHONE, 70_000, consumer_device_cvm=False).decision is Decision.OTHER_INTERFACE


def test_a_device_that_wants_its_holder_is_tapped_again() -> None:
    card = twin(PHONE)
    card.unlocked = False  # type: ignore[attr-defined]  # of the M/Chip twin
    field = Field(card)
    first = field.tap(ABOVE)
    assert first.decision is Decision.TRY_AGAIN
    assert first.words == "the device wants its holder: see what it shows, then tap again"
    card.unlocked = True  # type: ignore[attr-defined]
    card.power_on()
    second = field.tap(ABOVE)
    assert (second.decision, second.cvm) == (Decision.ONLINE, Cvm.CDCVM)


@pytest.mark.parametrize(
    ("denial", "online", "line", "decision"),
    [
        ("0000000000", "0000000000", "22", Decision.APPROVED),
        ("0000000002", "0000000000", "22", Decision.DECLINED),  # a payment measured at all
        ("0000000000", "0000000002", "22", Decision.ONLINE),
        ("0000000000", "0000000002", "26", Decision.APPROVED),
    ],
)
def test_action_codes_decide(denial: str, online: str, line: str, decision: Decision) -> None:
    codes = {"tac_denial": denial, "tac_online": online, "tac_default": "0000000000"}
    outcome = tapped(CARD, UNDER, kernel_2=codes, terminal_type=line)
    assert outcome.decision is decision, said(outcome)


@pytest.mark.parametrize(
    ("objects", "date", "finding", "decision"),
    [
        ({"9F08": "0001"}, datetime.date(2026, 6, 7), Tvr.VERSIONS_DIFFER, Decision.APPROVED),  # no code names it
        ({"9F07": "0000"}, datetime.date(2026, 6, 7), Tvr.SERVICE_NOT_ALLOWED, Decision.ONLINE),
        ({}, datetime.date(2029, 1, 1), Tvr.EXPIRED, Decision.ONLINE),
    ],
)
def test_restrictions_are_findings(
    objects: dict[str, str], date: datetime.date, finding: Tvr, decision: Decision
) -> None:
    field = Field(twin(CARD, objects=objects))
    outcome = field.tap(request(UNDER, date=date))
    assert outcome.tvr is not None
    assert finding in outcome.tvr
    assert outcome.decision is decision


def test_a_stolen_card() -> None:
    key = bytes(16)
    listed = ExceptionFile.of(key, [entry(key, Pan("5413339999002217"))])
    place = both(kernel_2={"tac_denial": "1000000000"})
    outcome = drive(contactless(place, request(UNDER), Means(KEYS, listed)), Field(twin(CARD)).answer)
    assert outcome.decision is Decision.DECLINED


def test_data_storage_and_balance_are_off() -> None:
    objects = {"9F5E": "5413339999002217FF", "9F5D": "030201", "9F5F": "40", "9F54": "00"}
    records = twin(CARD).profile.application.records
    first = records[0].__class__(2, 1, (*records[0].tags, "9F5E", "9F5D", "9F5F", "9F54"))
    field = Field(twin(CARD, objects=objects, records=(first, *records[1:])))
    assert field.tap(UNDER).decision is Decision.APPROVED
    assert not {int(Ins.GET_DATA), int(Ins.PUT_DATA)} & set(field.sent)
    options = Command.decode(field.commands[2]).data
    assert options == bytes.fromhex("8309" + "6C00000000000000" + "22")


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ("6985", Decision.OTHER_INTERFACE),
        ("6A81", Decision.OTHER_INTERFACE),
        ("77009000", Decision.ENDED),
        ("7706820200009400" + "9000", Decision.OTHER_INTERFACE),
    ],
)
def test_answers_to_get_processing_options(answer: str, decision: Decision) -> None:
    def refuse(command: bytes, given: bytes) -> bytes:
        return bytes.fromhex(answer) if command[1] == Ins.GET_PROCESSING_OPTIONS else given

    assert Field(twin(CARD), spoil=refuse).tap(UNDER).decision is decision


@pytest.mark.parametrize("tag", ["5A", "5F24", "8C"])
def test_mandatory_objects(tag: str) -> None:
    records = twin(CARD).profile.application.records
    kept = tuple(
        one.__class__(one.sfi, one.number, tuple(name for name in one.tags if name != tag), one.signed)
        for one in records
    )
    outcome = Field(twin(CARD, records=kept)).tap(UNDER)
    assert outcome.decision is Decision.ENDED
    assert "the card did not give" in outcome.words


@pytest.mark.parametrize("cdol", ["9F02069F37045F2A01", "9F02065F2A02", "9F37045F2A02", "9F02069F37039F1A02"])
def test_a_list_that_does_not_cover_the_payment(cdol: str) -> None:
    outcome = Field(twin(CARD, objects={"8C": cdol})).tap(UNDER)
    assert (outcome.decision, outcome.icc_data) == (Decision.OTHER_INTERFACE, b"")


@pytest.mark.parametrize(
    ("cid", "decision"),
    [(0x40, Decision.ENDED), (0x80, Decision.ENDED), (0xC0, Decision.ENDED)],
)
def test_a_better_cryptogram_than_was_asked_for(cid: int, decision: Decision) -> None:
    def better(command: bytes, given: bytes) -> bytes:
        return given.replace(bytes.fromhex("9F270100"), bytes.fromhex("9F2701") + bytes((cid,)))

    outcome = Field(twin(CARD), spoil=better).tap(UNDER, both(kernel_2={"tac_denial": "0000000002"}))
    assert (outcome.decision, outcome.alerts) == (decision, (Alert.CRYPTOGRAM_TYPE,))


def test_a_cryptogram_whose_kind_was_changed_is_not_the_signed_one() -> None:
    def approved(command: bytes, given: bytes) -> bytes:
        return given.replace(bytes.fromhex("9F270180"), bytes.fromhex("9F270140"))

    field = Field(twin(CARD, objects={}), spoil=approved)
    for _ in range(3):
        field.tap(UNDER)
        field.card.power_on()
    outcome = field.tap(UNDER)
    assert (outcome.decision, outcome.alerts) == (Decision.DECLINED, (Alert.AUTHENTICATION_FAILED,))


def test_a_card_that_was_to_sign_and_did_not() -> None:
    def unsigned(command: bytes, given: bytes) -> bytes:
        if command[1] != GENERATE:
            return given
        objects = tlv.decode(given[:-2]).inside(0x77)
        assert objects is not None
        kept = [(tag, value) for tag, value in objects if tag != 0x9F4B]
        return tlv.encode([tlv.template(0x77, *kept, (0x9F26, bytes(8)))]) + given[-2:]

    for amount in (UNDER, ABOVE):
        outcome = Field(twin(CARD), spoil=unsigned).tap(amount)
        assert (outcome.decision, outcome.alerts) == (Decision.DECLINED, (Alert.AUTHENTICATION_FAILED,))


@pytest.mark.parametrize("contacts", [False, True])
def test_a_card_that_declines(contacts: bool) -> None:
    def declines(command: bytes, given: bytes) -> bytes:
        if command[1] != GENERATE:
            return given
        made = ((0x9F27, b"\0"), (0x9F36, b"\0\1"), (0x9F26, bytes(8)), (0x9F10, bytes(18)))
        return tlv.encode([tlv.template(0x77, *made)]) + b"\x90\x00"

    outcome = Field(twin(CARD), spoil=declines).tap(UNDER, both(contact_chip=contacts))
    assert outcome.decision is (Decision.OTHER_INTERFACE if contacts else Decision.DECLINED)


@pytest.mark.parametrize("status", ["6985", "6F00"])
def test_a_card_that_makes_no_cryptogram(status: str) -> None:
    def refuse(command: bytes, given: bytes) -> bytes:
        return bytes.fromhex(status) if command[1] == GENERATE else given

    assert Field(twin(CARD), spoil=refuse).tap(UNDER).decision is Decision.ENDED


def test_a_brand_under_another_brands_application() -> None:
    field = Field(twin(CARD, pan="4000009999990016"))
    outcome = field.tap(UNDER)
    assert (outcome.decision, outcome.alerts) == (Decision.DECLINED, (Alert.BRAND_MISMATCH,))
    assert GENERATE not in field.sent


def test_another_currency_goes_online() -> None:
    outcome = Field(twin(CARD)).tap(request(UNDER, currency="840"))
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.ONLINE_PIN)
