# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 3 against table cards: what it sends, what it demands, what each answer leads to."""

import pytest

from protocols.emv import dol, tlv
from protocols.emv.apdu import Command
from protocols.errors import DecodeError
from protocols.pan import Pan
from terminal_agent.emv import Alert, Combination, Cvm, Decision, contactless
from terminal_agent.emv.brands import BRANDS, mismatch
from terminal_agent.emv.card_data import decode_afl
from tests.terminal_agent.emv.session import PDOL, VISA, StubCard, drive, pay, request, terminal

OTHER_BRAND = "5400009999990016D28122011000000000"


def subjects(card: StubCard, **changes: object) -> dict[str, str]:
    """The notes by subject."""
    return {note.subject: note.words for note in pay(card, **changes).notes}


def test_an_online_payment_with_pin() -> None:
    card = StubCard()
    outcome = pay(card)
    assert (outcome.decision, outcome.cvm, outcome.alerts) == (Decision.ONLINE, Cvm.ONLINE_PIN, ())
    assert outcome.pan == Pan("4000009999990016")
    assert (outcome.expiry, outcome.sequence_number, outcome.label, outcome.atc) == ("2812", 1, "STUB", 1)
    assert [note.subject for note in outcome.notes] == [
        "application",
        "limits",
        "TTQ",
        "AIP",
        "cryptogram",
        "CTQ",
        "CVM",
        "decision",
    ]


def test_the_notes_say_why_in_words() -> None:
    said = subjects(StubCard())
    assert said["TTQ"].startswith("24C00000: EMV mode supported; online PIN supported; online cryptogram required;")
    assert said["CTQ"] == "8000: online PIN required"
    assert said["CVM"].startswith("online PIN: the card requires it (CTQ byte 1, bit 8)")
    assert "EUR 42.00 is under the contactless limit of EUR 5000.00, at or above the CVM limit" in said["limits"]


def test_what_the_card_is_told() -> None:
    card = StubCard()
    drive(
        contactless(terminal(consumer_device_cvm=True), request(sequence_counter=7, transaction_type=9, cashback=200)),
        card,
    )
    told = Command.decode(card.commands[2]).data
    values = dol.split(dol.decode(bytes.fromhex(PDOL)), told[2:])
    assert {f"{tag:X}": value.hex().upper() for tag, value in values.items()} == {
        "9F66": "24C04000",
        "9F02": "000000004200",
        "9F03": "000000000200",
        "9F1A": "0276",
        "95": "0000000000",
        "5F2A": "0978",
        "9A": "251122",
        "9C": "09",
        "9F37": "1A2B3C4D",
    }


def test_data_element_55() -> None:
    objects = tlv.decode(pay(StubCard()).icc_data)
    assert [(f"{tag:X}", bytes(value).hex().upper()) for tag, value in objects.leaves()] == [
        ("9F26", "0102030405060708"),
        ("9F27", "80"),
        ("9F10", "06010A03A00000"),
        ("9F37", "1A2B3C4D"),
        ("9F36", "0001"),
        ("95", "0000000000"),
        ("9A", "251122"),
        ("9C", "00"),
        ("9F02", "000000004200"),
        ("5F2A", "0978"),
        ("82", "0000"),
        ("9F1A", "0276"),
        ("9F03", "000000000000"),
        ("9F33", "E040C8"),
        ("9F34", "020000"),
        ("9F35", "22"),
        ("9F1E", "5447303030303031"),
        ("84", VISA),
        ("9F09", "0096"),
        ("9F41", "00000001"),
        ("9F66", "24C00000"),
        ("9F6C", "8000"),
    ]


def test_under_the_limit_nobody_is_verified() -> None:
    outcome = pay(StubCard({0x9F6C: "0000"}), 2_499)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.NONE)
    assert dict(tlv.decode(outcome.icc_data))[0x9F34] == bytes.fromhex("1F0002")
    assert bytes.fromhex("24800000") == dict(tlv.decode(outcome.icc_data))[0x9F66]


def test_another_currency_is_verified_and_goes_online_at_any_amount() -> None:
    card = StubCard({0x9F6C: "0000"})
    outcome = drive(contactless(terminal(), request(1, currency="840")), card)
    assert (outcome.decision, outcome.cvm) == (Decision.ONLINE, Cvm.ONLINE_PIN)


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        ("6984", Decision.OTHER_INTERFACE),
        ("6985", Decision.OTHER_INTERFACE),  # no further application
        ("6986", Decision.TRY_AGAIN),
        ("6A81", Decision.ENDED),
        ("6700", Decision.ENDED),
        ("6100", Decision.ENDED),
        ("6C20", Decision.ENDED),
    ],
)
def test_refusals_of_get_processing_options(status: str, decision: Decision) -> None:
    outcome = pay(StubCard(gpo=status))
    assert outcome.decision is decision
    assert outcome.icc_data == b""


@pytest.mark.parametrize("missing", [0x82, 0x57, 0x9F10, 0x9F36])
def test_mandatory_objects(missing: int) -> None:
    outcome = pay(StubCard({missing: None}))
    assert outcome.decision is Decision.ENDED
    assert f"{missing:X} " in outcome.words
    assert pay(StubCard({missing: ""})).decision is Decision.ENDED


def test_an_answer_without_a_cryptogram_is_for_another_interface() -> None:
    assert pay(StubCard({0x9F26: None})).decision is Decision.OTHER_INTERFACE
    assert pay(StubCard(gpo="80020000" + "9000")).decision is Decision.OTHER_INTERFACE


@pytest.mark.parametrize(
    "changes",
    [
        {0x82: "00"},
        {0x9F26: "01020304050607"},
        {0x9F36: "01"},
        {0x9F27: "8000"},
        {0x9F6C: "80"},
        {0x57: "4000009999990016"},
        {0x57: "40AA009999990016D28122011000000000"},
        {0x57: "40"},
        {0x5F34: "AA"},
        {0x5A: "4000009999990024"},
        {0x5A: "47AA"},
        {0x5F24: "28"},
        {0x5F24: "2A1231"},
        {0x9F27: None, 0x9F10: "06010A03"},
        {0x94: "10010100FF"},
        {0x94: "00010100"},
        {0x94: "10000000"},
        {0x94: "10020100"},
        {0x94: "10010102"},
        {0x94: "11010100"},
        {0x94: "1001FF00"},
    ],
    ids=str,
)
def test_malformed_objects_end_cleanly(changes: dict[int, str | None]) -> None:
    outcome = pay(StubCard(changes))
    assert outcome.decision is Decision.ENDED
    assert Alert.MALFORMED in outcome.alerts
    assert outcome.icc_data == b""


@pytest.mark.parametrize(
    "gpo", ["9000", "779000", "77009000", "80009000", "8003000010" + "9000", "70009000", "6F009000"]
)
def test_answers_of_no_known_format(gpo: str) -> None:
    assert pay(StubCard(gpo=gpo)).decision in (Decision.ENDED, Decision.OTHER_INTERFACE)


def test_account_numbers_that_differ_raise_an_alert() -> None:
    assert Alert.PAN_MISMATCH in pay(StubCard({0x5A: "4000009999990024"})).alerts


def test_an_object_given_twice_ends_the_payment() -> None:
    assert pay(StubCard(extra="9F36020001")).decision is Decision.ENDED
    again = StubCard({0x94: "10010100"}, records={(2, 1): "70039F3602" + "0002" + "9000"})
    assert pay(again).decision is Decision.ENDED


def test_records_are_read_as_located() -> None:
    records = {(2, 1): "700A5A084000009999990016" + "9000", (3, 2): "70065F2403281231" + "9000", (11, 1): "CAFE9000"}
    card = StubCard({0x94: "10010100" + "18020200" + "58010100"}, records=records)
    outcome = pay(card)
    assert outcome.decision is Decision.ONLINE
    assert [command.hex().upper() for command in card.commands[3:]] == ["00B2011400", "00B2021C00", "00B2015C00"]


def test_a_record_that_cannot_be_read() -> None:
    outcome = pay(StubCard({0x94: "10010100"}))
    assert outcome.decision is Decision.ENDED
    assert outcome.words == "record 1 of file 2 cannot be read: 6A83 no such record"
    assert pay(StubCard({0x94: "10010100"}, records={(2, 1): "5A00" + "9000"})).decision is Decision.ENDED


def test_afl_bounds() -> None:
    assert decode_afl(b"") == ()
    with pytest.raises(DecodeError, match="at most 32"):
        decode_afl(bytes.fromhex("08012100"))
    assert len(decode_afl(bytes.fromhex("08012000"))) == 1


@pytest.mark.parametrize(
    "pdol",
    [
        "",
        "9F02069F37045F2A02",
        "9F66049F37045F2A02",
        "9F66049F02065F2A02",
        "9F66049F02069F3704",
        "9F66049F02069F37025F2A02",
    ],
)
def test_a_card_that_does_not_ask_what_its_cryptogram_must_cover(pdol: str) -> None:
    outcome = pay(StubCard(pdol=pdol))
    assert outcome.decision is Decision.OTHER_INTERFACE
    assert "would not cover this payment" in outcome.words


def test_a_malformed_pdol() -> None:
    assert pay(StubCard(pdol="9F66")).decision is Decision.ENDED


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({0x9F27: "00"}, Decision.DECLINED),
        ({0x9F27: "40"}, Decision.ONLINE),
        ({0x9F27: "80"}, Decision.ONLINE),
        ({0x9F27: "C0"}, Decision.DECLINED),
        ({0x9F27: None, 0x9F10: "06010A03800000"}, Decision.DECLINED),
        ({0x9F27: None, 0x9F10: "06010A03900000"}, Decision.ONLINE),
        ({0x9F27: None, 0x9F10: "06010A03A00000"}, Decision.ONLINE),
        ({0x9F27: None, 0x9F10: "06010A03B00000"}, Decision.DECLINED),
    ],
    ids=str,
)
def test_cryptogram_types_and_no_offline_approval(changes: dict[int, str | None], decision: Decision) -> None:
    for amount in (1, 2_500):
        assert pay(StubCard(changes), amount).decision is decision


def test_what_a_card_says_of_the_terminal_is_dropped() -> None:
    outcome = pay(StubCard(extra="9F02060000000000019F370400000000950500000000019F6604FFFFFFFF9F34031F0000"))
    sent = dict(tlv.decode(outcome.icc_data))
    assert outcome.decision is Decision.ONLINE
    assert sent[0x9F02] == bytes.fromhex("000000004200")
    assert sent[0x9F37] == bytes.fromhex("1A2B3C4D")
    assert sent[0x95] == bytes(5)
    assert sent[0x9F66] == bytes.fromhex("24C00000")
    assert sent[0x9F34] == bytes.fromhex("020000")


def test_a_claimed_device_verification_above_the_limit_still_means_a_pin() -> None:
    outcome = pay(StubCard({0x9F6C: "0080"}))
    assert (outcome.cvm, outcome.alerts) == (Cvm.ONLINE_PIN, (Alert.CDCVM_UNPROVEN,))
    trusted = pay(StubCard({0x9F6C: "0080"}), trust_unproven_cdcvm=True)
    assert (trusted.cvm, trusted.alerts) == (Cvm.CDCVM, (Alert.CDCVM_UNPROVEN,))
    below = pay(StubCard({0x9F6C: "0080"}), 100)
    assert (below.cvm, below.alerts) == (Cvm.CDCVM, ())
    no_pad = pay(StubCard({0x9F6C: "0080"}), online_pin=False)
    assert (no_pad.decision, no_pad.cvm) == (Decision.DECLINED, Cvm.NONE)
    differs = pay(StubCard({0x9F6C: "0080", 0x9F69: "0111223344" + "8000" + "00"}))
    assert (differs.decision, differs.alerts) == (Decision.DECLINED, (Alert.QUALIFIERS_DIFFER,))


def test_a_brand_under_another_brands_application_stops_before_online() -> None:
    outcome = pay(StubCard({0x57: OTHER_BRAND}))
    assert (outcome.decision, outcome.icc_data) == (Decision.DECLINED, b"")
    assert outcome.alerts == (Alert.BRAND_MISMATCH,)


@pytest.mark.parametrize(
    ("aid", "digits", "brand"),
    [
        ("A0000000031010", "4000009999990016", ""),
        ("A0000000031010", "5400009999990016", "Visa"),
        ("A0000000041010", "5413339000001513", ""),
        ("A0000000041010", "2221000000000009", ""),
        ("A0000000041010", "2220999999999999", "Mastercard"),
        ("A0000000041010", "4000009999990016", "Mastercard"),
        ("A0000000043060", "6799998900000000019", ""),
        ("A00000002501", "370000000000002", ""),
        ("A00000002501", "4000009999990016", "American Express"),
        ("A0000000651010", "3528000000000007", ""),
        ("A0000003330101", "4000009999990016", ""),
    ],
)
def test_brand_table(aid: str, digits: str, brand: str) -> None:
    assert mismatch(bytes.fromhex(aid), Pan(digits)) == brand
    assert all(len(rid) == 5 for rid in BRANDS)


@pytest.mark.parametrize("kind", [0x01, 0x09])
@pytest.mark.parametrize(
    ("usage", "country", "ctq", "decision"),
    [
        ("FFC0", "0276", "8000", Decision.ONLINE),
        ("FFC0", "0840", "8000", Decision.ONLINE),
        ("8080", "0276", "8000", Decision.ONLINE),
        ("8080", "0840", "8000", Decision.DECLINED),
        ("4040", "0276", "8000", Decision.DECLINED),
        ("0000", "0276", "8600", Decision.OTHER_INTERFACE),
        (None, "0276", "8000", Decision.DECLINED),
        ("FFC0", None, "8600", Decision.OTHER_INTERFACE),
    ],
)
def test_cash_and_cashback(kind: int, usage: str | None, country: str | None, ctq: str, decision: Decision) -> None:
    card = StubCard({0x9F07: usage, 0x5F28: country, 0x9F6C: ctq})
    payment = request(transaction_type=kind, cashback=100 if kind == 0x09 else 0)
    assert drive(contactless(terminal(), payment), card).decision is decision


def test_a_card_that_is_not_for_cash_machines_without_contact() -> None:
    for place, decision in (("14", Decision.OTHER_INTERFACE), ("22", Decision.ONLINE)):
        machine = terminal(terminal_type=place, additional_capabilities="8000F0A001")
        assert drive(contactless(machine, request()), StubCard({0x9F6C: "8100"})).decision is decision


def test_an_expired_card_is_noted_and_left_to_the_issuer() -> None:
    outcome = pay(StubCard({0x57: "4000009999990016D24012011000000000"}))
    assert outcome.decision is Decision.ONLINE
    assert any(note.subject == "expiry" for note in outcome.notes)


def test_closing_the_machine_in_the_field() -> None:
    machine = contactless(terminal(), request())
    next(machine)
    machine.close()


def test_a_note_as_one_line() -> None:
    last = pay(StubCard()).notes[-1]
    assert str(last) == "decision: online authorisation (Book C-3 5.8)"
    assert pay(StubCard()).words == last.words


def test_outcomes_print_no_card_data() -> None:
    text = repr(pay(StubCard({0x5F20: "414E4E41"})))
    assert "4000009999990016" not in text
    assert "0102030405060708" not in text
    assert "ANNA" not in text


def test_two_applications_of_one_terminal_have_their_own_limits() -> None:
    aids = (Combination(VISA, 500_000, 10_000),)
    assert pay(StubCard({0x9F6C: "0000"}), aids=aids).cvm is Cvm.NONE
