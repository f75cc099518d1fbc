# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Offline data authentication against recorded cards, published certificates, and forgeries by a test scheme."""

import hashlib
from collections.abc import Callable
from datetime import date

import pytest

from protocols.emv import dol, oda
from protocols.errors import DecodeError, IntegrityError, ProtocolError
from protocols.pan import Pan
from tests.protocols.emv.oda_samples import (
    CA_KEYS,
    CDA_SET,
    DDA_SET,
    TEST_CA,
    TEST_CARD,
    TEST_ISSUER,
    TEST_SCHEME,
    TODAY,
    TestKey,
    ca_key,
    certificate,
    contact,
    contactless,
)

PAN = Pan("1234560012345608")
STATIC = b"static data"


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def test_every_published_ca_key_matches_its_checksum() -> None:
    for key in CA_KEYS:
        key.check()
    assert len(CA_KEYS) == 62


def test_a_changed_ca_key_does_not() -> None:
    good = CA_KEYS[0]
    changed = oda.CaKey(good.rid, good.index, oda.PublicKey(good.key.modulus + 2, 3, good.key.octets), good.checksum)
    with pytest.raises(IntegrityError):
        changed.check()


@pytest.mark.parametrize(
    ("entry", "ca"),
    [(DDA_SET, ca_key("A000000003", 0x94)), (CDA_SET, ca_key("A000000004", 0xF1))],
    ids=["dda", "cda"],
)
def test_published_issuer_certificates(entry: dict[str, dict[str, str]], ca: oda.CaKey) -> None:
    arrays, card = entry["arrays"], entry["icc_tlv"]
    given = octets(card["92"]), octets(card["9F32"]), Pan(card["5A"]), TODAY
    found = oda.issuer_key(ca, octets(arrays["valid_issuer_cert"]), *given)
    assert found.key == oda.PublicKey.of(octets(str(entry["issuer_modulus"])), b"\x03")
    text = found.key.recover(octets(arrays["valid_icc_cert"]), oda.CARD_CERTIFICATE, "card certificate")
    assert text[-20:].hex() in str(entry["icc_cert_hash_needs"])  # its static data are not published


def test_a_published_certificate_with_a_wrong_octet() -> None:
    card = DDA_SET["icc_tlv"]
    with pytest.raises(IntegrityError):
        oda.issuer_key(
            ca_key("A000000003", 0x94), octets(DDA_SET["arrays"]["invalid_issuer_cert"]), b"", octets(card["9F32"]),
            Pan(card["5A"]), TODAY,
        )  # fmt: skip


def test_published_static_signature_is_of_that_issuer() -> None:
    issuer = oda.PublicKey.of(octets(DDA_SET["issuer_modulus"]), b"\x03")
    arrays = DDA_SET["arrays"]
    text = issuer.recover(octets(arrays["valid_enc_ssad"]), oda.STATIC_DATA, "signed static data")
    assert text.hex() == DDA_SET["ssad_recovered"][2:-2]
    with pytest.raises(IntegrityError):
        issuer.recover(octets(arrays["invalid_enc_ssad"]), oda.STATIC_DATA, "signed static data")


def test_published_dynamic_signature() -> None:
    icc = oda.PublicKey.of(octets(DDA_SET["icc_modulus"]), b"\x03")
    arrays = DDA_SET["arrays"]
    terminal_data = octets(arrays["ddol_data"])
    assert oda.verify_dda(icc, octets(arrays["valid_enc_sdad"]), terminal_data) == octets("00AE")
    with pytest.raises(IntegrityError):
        oda.verify_dda(icc, octets(arrays["invalid_enc_sdad"]), terminal_data)
    with pytest.raises(IntegrityError):
        oda.verify_dda(icc, octets(arrays["valid_enc_sdad"]), bytes(4))


def test_a_contact_card_from_ca_to_challenge() -> None:
    card = contact()
    key = card.key(TEST_SCHEME)
    assert key == TEST_CARD.public
    answer = card.answers[0x88]
    number = oda.verify_dda(key, answer[3:], octets("01234567"))
    assert 2 <= len(number) <= 8


def test_a_contactless_card_that_signs_with_fdda() -> None:
    card = contactless("visa-offline")
    key = card.key(ca_key("A000000003", 0x92))
    sent = card.commands[0xA8]
    given = dol.split(dol.decode(octets("9F66049F02065F2A029F3704")), sent[7 : 7 + sent[6]])
    signed, related = card.objects[0x9F4B], card.objects[0x9F69]
    number = oda.verify_fdda(key, signed, given[0x9F37], given[0x9F02], given[0x5F2A], related)
    assert number == card.objects[0x9F36]  # this card's dynamic number is its counter
    for changed in (
        (bytes(4), given[0x9F02], given[0x5F2A], related),
        (given[0x9F37], bytes(6), given[0x5F2A], related),
        (given[0x9F37], given[0x9F02], bytes(2), related),
        (given[0x9F37], given[0x9F02], given[0x5F2A], related[:-1] + b"\x00"),
        (given[0x9F37],),
    ):
        with pytest.raises(IntegrityError):
            oda.verify_fdda(key, signed, *changed)
    with pytest.raises(DecodeError):
        oda.verify_fdda(key, signed, given[0x9F37], given[0x9F02], given[0x5F2A], b"\x02" + related[1:])


def body_of_77(answer: bytes) -> bytes:
    return answer[3:] if answer[1] == 0x81 else answer[2:]


@pytest.mark.parametrize(("name", "index"), [("msc-offline", 0xF3), ("msc-online", 0xFA)])
def test_contactless_cards_that_sign_with_cda(name: str, index: int) -> None:
    card = contactless(name)
    key = card.key(ca_key("A000000004", index))
    options, generate = card.commands[0xA8], card.commands[0xAE]
    pdol_data, cdol_data = options[7 : 7 + options[6]], generate[5 : 5 + generate[4]]
    entries = dol.decode(card.objects[0x8C])
    number = dol.split(entries, cdol_data[: sum(entry.length for entry in entries)])[0x9F37]
    answer = body_of_77(card.answers[0xAE])
    signed, cid = card.objects[0x9F4B], card.objects[0x9F27][0]
    covered = oda.cda_transaction_data(pdol_data, cdol_data, answer)
    result = oda.verify_cda(key, signed, number, covered, cid)
    assert result.cryptogram_information == cid
    assert len(result.cryptogram) == 8
    with pytest.raises(IntegrityError, match="another transaction"):
        oda.verify_cda(key, signed, number, covered + b"\x00", cid)
    with pytest.raises(IntegrityError, match="another kind"):
        oda.verify_cda(key, signed, number, covered, cid ^ 0xC0)
    with pytest.raises(IntegrityError):
        oda.verify_cda(key, signed, bytes(4), covered, cid)


def issuer_certificate(**changes: object) -> tuple[bytes, bytes]:
    return certificate(TEST_CA, 0x02, octets("123456FF"), TEST_ISSUER, **changes)  # type: ignore[arg-type]  # of the test


def card_certificate(**changes: object) -> tuple[bytes, bytes]:
    given = {"behind": STATIC} | changes
    return certificate(TEST_ISSUER, 0x04, octets("1234560012345608FFFF"), TEST_CARD, **given)  # type: ignore[arg-type]


def issuer(pan: Pan = PAN, today: date = TODAY, revoked: tuple[bytes, ...] = (), **changes: object) -> oda.IssuerKey:
    signed, remainder = issuer_certificate(**changes)
    return oda.issuer_key(TEST_SCHEME, signed, remainder, b"\x03", pan, today, revoked)


def card_key(pan: Pan = PAN, today: date = TODAY, static: bytes = STATIC, **changes: object) -> oda.PublicKey:
    signed, remainder = card_certificate(**changes)
    return oda.icc_key(issuer(), signed, remainder, b"\x03", pan, static, today)


def test_certificates_of_the_test_scheme_are_taken() -> None:
    found = issuer()
    assert found.key == TEST_ISSUER.public
    assert found.serial == b"\x00\x00\x2a"
    assert found.expires == date(2030, 12, 31)
    assert card_key() == TEST_CARD.public


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: issuer(expiry="1214"), "has expired"),
        (lambda: issuer(expiry="1330"), "no valid expiry"),
        (lambda: issuer(expiry="AA30"), "no valid expiry"),
        (lambda: issuer(pan=Pan("4000009999990016")), "another issuer's"),
        (lambda: issuer(revoked=(b"\x00\x00\x2a",)), "revoked"),
        (lambda: issuer(algorithms=b"\x02\x01"), "unknown algorithm"),
        (lambda: issuer(algorithms=b"\x01\x02"), "unknown algorithm"),
        (lambda: issuer(exponent=b"\x01\x00\x01"), "hash"),
        (lambda: card_key(expiry="1214"), "has expired"),
        (lambda: card_key(pan=Pan("1234560012345616")), "another card's"),
        (lambda: card_key(static=b"changed"), "hash"),
    ],
)
def test_what_a_certificate_says_is_judged(call: Callable[[], object], words: str) -> None:
    with pytest.raises(IntegrityError, match=words):
        call()


def test_the_last_day_of_the_month_still_counts() -> None:
    assert issuer(today=date(2030, 12, 31)).expires == date(2030, 12, 31)
    with pytest.raises(IntegrityError, match="has expired"):
        issuer(today=date(2031, 1, 1))


def signed_static() -> bytes:
    return TEST_ISSUER.sign(0x03, b"\x01\xda\xc0" + b"\xbb" * (TEST_ISSUER.octets - 26), STATIC)


def signed_dynamic(data: bytes, behind: bytes, fill: bytes = b"\xbb") -> bytes:
    body = bytes((1, len(data))) + data
    return TEST_CARD.sign(0x05, body + fill * (TEST_CARD.octets - 23 - len(body)), behind)


def test_static_data_of_the_test_scheme() -> None:
    assert oda.verify_sda(issuer(), signed_static(), STATIC) == b"\xda\xc0"
    with pytest.raises(IntegrityError):
        oda.verify_sda(issuer(), signed_static(), b"changed")


@pytest.mark.parametrize(
    ("signed", "words"),
    [
        (signed_dynamic(b"\x01\x07", b"x"), "dynamic number of 1"),
        (signed_dynamic(b"\x09" + bytes(9), b"x"), "dynamic number of 9"),
        (signed_dynamic(b"\x02\x00\x01", b"x", fill=b"\xaa"), "padded"),
        (signed_dynamic(b"\x02\x00\x01", b"y"), "hash"),
    ],
)
def test_dynamic_data_are_judged(signed: bytes, words: str) -> None:
    with pytest.raises(IntegrityError, match=words):
        oda.verify_dda(TEST_CARD.public, signed, b"x")


def test_a_signature_may_not_claim_more_data_than_it_has() -> None:
    body = b"\x01\xff" + b"\xbb" * (TEST_CARD.octets - 25)
    with pytest.raises(IntegrityError, match="padded"):
        oda.verify_dda(TEST_CARD.public, TEST_CARD.sign(0x05, body, b"x"), b"x")


def test_a_static_signature_is_no_dynamic_one() -> None:
    with pytest.raises(IntegrityError):
        oda.verify_dda(TEST_ISSUER.public, signed_static(), STATIC)


def checks() -> list[tuple[str, Callable[..., object], tuple[bytes, ...]]]:
    """Every check with the octets that it is given: each of them is then damaged."""
    issued, issued_rest = issuer_certificate()
    carded, carded_rest = card_certificate()
    known = issuer()
    answer = octets("9F270180") + octets("9F360200019F10020102")
    covered = oda.cda_transaction_data(b"pdol", b"cdol", answer)
    dynamic = b"\x02\x00\x01\x80" + bytes(8) + hashlib.sha1(covered).digest()
    return [
        ("issuer", lambda a, b, c: oda.issuer_key(TEST_SCHEME, a, b, c, PAN, TODAY), (issued, issued_rest, b"\x03")),
        ("card", lambda a, b, c, d: oda.icc_key(known, a, b, c, PAN, d, TODAY), (carded, carded_rest, b"\x03", STATIC)),
        ("sda", lambda a, b: oda.verify_sda(known, a, b), (signed_static(), STATIC)),
        ("dda", lambda a, b: oda.verify_dda(TEST_CARD.public, a, b), (signed_dynamic(b"\x02\x00\x01", b"x"), b"x")),
        (
            "cda",
            lambda a, b, c: oda.verify_cda(TEST_CARD.public, a, b, c, 0x80),
            (signed_dynamic(dynamic, b"\xab\xab\xab\xab"), b"\xab\xab\xab\xab", covered),
        ),
    ]


@pytest.mark.parametrize(
    ("name", "check", "inputs"), checks(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_changed_octet_and_every_truncation_is_refused(
    name: str, check: Callable[..., object], inputs: tuple[bytes, ...]
) -> None:
    check(*inputs)
    for place, value in enumerate(inputs):
        for index in range(len(value)):
            changed = value[:index] + bytes((value[index] ^ 0x11,)) + value[index + 1 :]
            with pytest.raises(ProtocolError):
                check(*inputs[:place], changed, *inputs[place + 1 :])
            with pytest.raises(ProtocolError):
                check(*inputs[:place], value[:index], *inputs[place + 1 :])


def test_static_data_follow_the_file() -> None:
    record = octets("70045A021234")
    assert oda.static_data([(1, record)], None, b"\x3c\x00") == octets("5A021234")
    assert oda.static_data([(11, record), (1, record)], b"\x82", b"\x3c\x00") == record + octets("5A0212343C00")
    long = b"\x70\x81\x80" + octets("9F10817C") + bytes(0x7C)
    assert oda.static_data([(1, long)], None, b"") == long[3:]


@pytest.mark.parametrize(
    "call",
    [
        lambda: oda.static_data([(1, octets("5A021234"))], None, b""),
        lambda: oda.static_data([(1, octets("70045A0212"))], None, b""),
        lambda: oda.static_data([(1, octets("7002820000"))], None, b""),
        lambda: oda.static_data([], b"\x82\x95", b""),
        lambda: oda.static_data([(1, b"\x70\x80")], None, b""),
        lambda: oda.static_data([(1, b"\x70\x83\x00\x00\x00")], None, b""),
        lambda: oda.cda_transaction_data(b"", b"", b"\x9f"),
        lambda: oda.PublicKey.of(b"", b"\x03"),
        lambda: oda.PublicKey.of(bytes(128), b"\x03"),
        lambda: oda.PublicKey.of(b"\x80" + bytes(127), b"\x03"),
        lambda: oda.PublicKey.of(b"\x81" * 249, b"\x03"),
        lambda: oda.PublicKey.of(b"\x81" * 128, b"\x05"),
        lambda: oda.issuer_key(TEST_SCHEME, issuer_certificate()[0], b"", b"\x03", PAN, TODAY),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ProtocolError):
        call()


def test_objects_enter_the_hash_as_received() -> None:
    answer = octets("9F2701809F4B81020102DF8101015A9F36020001")
    assert oda.cda_transaction_data(b"p", b"c", answer, b"d") == b"pcd" + octets("9F270180DF8101015A9F36020001")


def test_a_short_key_has_no_room() -> None:
    small = TestKey(0xC3, 1, 1)
    with pytest.raises(ProtocolError):
        oda.verify_dda(small.public, b"\x00", b"")
