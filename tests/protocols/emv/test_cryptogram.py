# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Card keys, cryptograms and answers: rules of each version, AES forms restated, and what callers get wrong."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv import card_keys
from protocols.emv import cryptogram as subject
from protocols.emv.cryptogram import (
    CVN_10,
    CVN_17,
    CVN_18,
    CVN_22,
    MASTERCARD_VERSIONS,
    VERSIONS,
    VISA_VERSIONS,
    AesCryptogramKey,
    CryptogramKey,
    Method,
    Session,
    Version,
)
from protocols.emv.issuer import Issuer
from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.mac import Padding
from protocols.pan import Pan
from protocols.primitives import AesKey, TdesKey, has_odd_parity
from protocols.secret import ClearKey

CARD_KEY = bytes.fromhex("154F349D8585CB7F6B0798E9839B10C1")
PAN = Pan("4000009999990016")
OBJECTS = {
    0x9F02: bytes.fromhex("000000004200"),
    0x9F03: bytes(6),
    0x9F1A: b"\x02\x80",
    0x95: bytes(5),
    0x5F2A: b"\x09\x78",
    0x9A: b"\x26\x11\x22",
    0x9C: b"\x00",
    0x9F37: bytes.fromhex("DEADBEEF"),
    0x82: b"\x1c\x00",
    0x9F36: b"\x00\x2a",
}
VISA_IAD = bytes.fromhex("06010A03A00000")
MASTERCARD_IAD = bytes.fromhex("0110A04003220000" + "DAC0" + "1122334455667788")


@pytest.mark.parametrize("place", range(8))
def test_any_wrong_octet_is_an_integrity_error(place: int) -> None:
    right = subject.application_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS)
    wrong = right[:place] + bytes((right[place] ^ 1,)) + right[place + 1 :]
    with pytest.raises(IntegrityError):
        subject.verify_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS, wrong)


def test_a_truncated_cryptogram_is_not_right() -> None:
    right = subject.application_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS)
    subject.verify_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS, right)
    for size in range(8):
        with pytest.raises(IntegrityError):
            subject.verify_cryptogram(CARD_KEY, b"transaction data", Padding.ZEROS, right[:size])


def test_option_b_of_a_short_pan_is_option_a() -> None:
    issuer = TdesKey(bytes(range(16)))
    assert card_keys.icc_master_key_b(issuer, PAN, 1) == card_keys.icc_master_key_a(
        issuer, card_keys.account_block(PAN, 1)
    )


def test_no_sequence_number_counts_as_zero() -> None:
    assert card_keys.account_block(PAN, None) == card_keys.account_block(PAN, 0) == bytes.fromhex("0000999999001600")


def test_a_short_pan_is_filled_on_the_left() -> None:
    assert card_keys.account_block(Pan("12345678"), 1).hex() == "0000001234567801"


@given(st.text("0123456789", min_size=8, max_size=19), st.integers(0, 99))
def test_derived_keys_have_odd_parity(digits: str, number: int) -> None:
    key = card_keys.icc_master_key_b(TdesKey(bytes(range(16))), Pan(digits), number)
    assert has_odd_parity(key)
    assert has_odd_parity(card_keys.session_key_of_counter(key, b"\x00\x01"))
    assert has_odd_parity(card_keys.visa_script_key(key, b"\x00\x01"))
    assert has_odd_parity(card_keys.tree_session_key(key, b"\x00\x01"))


def test_the_versions() -> None:
    assert dict(VERSIONS) == {10: CVN_10, 17: CVN_17, 18: CVN_18}
    assert dict(VISA_VERSIONS) == {10: CVN_10, 17: CVN_17, 18: CVN_18, 0x22: CVN_22}
    assert sorted(MASTERCARD_VERSIONS) == [16, 17, 20, 21]
    for version in (*VISA_VERSIONS.values(), *MASTERCARD_VERSIONS.values()):
        assert version.session_key == (version.session is not Session.NONE)
    for number, version in MASTERCARD_VERSIONS.items():
        assert (version.session is Session.COMMON) == bool(number & 0x04)
        assert ("COUNTERS" in version.tail.name) == bool(number & 0x01)
        assert version.answer is Method.ARPC_1


@pytest.mark.parametrize(
    ("version", "issuer_data", "tail"),
    [
        (CVN_10, VISA_IAD, "03A00000"),
        (CVN_18, VISA_IAD, "06010A03A00000"),
        (CVN_22, bytes(range(32)), bytes(range(32)).hex()),
        (MASTERCARD_VERSIONS[16], MASTERCARD_IAD, "A04003220000"),
        (MASTERCARD_VERSIONS[20], MASTERCARD_IAD, "A04003220000"),
        (MASTERCARD_VERSIONS[17], MASTERCARD_IAD, "A04003220000" + "1122334455667788"),
        (MASTERCARD_VERSIONS[21], MASTERCARD_IAD, "A04003220000" + "1122334455667788"),
    ],
)
def test_what_each_version_covers(version: Version, issuer_data: bytes, tail: str) -> None:
    covered = subject.cryptogram_data(version, OBJECTS | {0x9F10: issuer_data})
    assert covered == b"".join(OBJECTS.values()) + bytes.fromhex(tail)


def test_version_17_covers_little() -> None:
    covered = subject.cryptogram_data(CVN_17, OBJECTS | {0x9F10: VISA_IAD})
    assert covered.hex().upper() == "000000004200" + "DEADBEEF" + "002A" + "A0"


def test_missing_objects_are_named() -> None:
    for tag in (*OBJECTS, 0x9F10):
        given_objects = OBJECTS | {0x9F10: VISA_IAD}
        del given_objects[tag]
        with pytest.raises(DecodeError, match=f"without tag {tag:X}"):
            subject.cryptogram_data(CVN_10, given_objects)
    for version, size in ((CVN_10, 3), (CVN_17, 4), (CVN_18, 0), (MASTERCARD_VERSIONS[21], 17)):
        with pytest.raises(DecodeError, match="issuer application data"):
            subject.cryptogram_data(version, OBJECTS | {0x9F10: bytes(size)})


@pytest.mark.parametrize("version", [*VISA_VERSIONS.values(), *MASTERCARD_VERSIONS.values()])
def test_the_issuers_keys_are_the_cards(version: Version) -> None:
    issuer_key, account, counter, number = bytes(range(16)), card_keys.account_block(PAN, 1), b"\x00\x2a", b"\xde" * 4
    card = card_keys.icc_master_key_a(TdesKey(issuer_key), account)
    key = subject.transaction_key(version, card, counter, number)
    with Issuer(issuer_key) as issuer:
        keys = issuer.keys(version, account, counter, number)
        made = keys.cryptogram.cryptogram(b"data", version.padding)
        assert made == CryptogramKey(key).cryptogram(b"data", version.padding)
        answering = key if version.answer_under_session else card
        assert keys.answer.answer_1(made, b"00") == subject.arpc_1(answering, made, b"00")
        assert keys.answer.answer_2(made, bytes(4)) == subject.arpc_2(answering, made, bytes(4))
        assert repr(issuer) == "Issuer(redacted)"
        assert repr(keys.cryptogram) == "CryptogramKey(redacted)"
    with pytest.raises(EncodeError):
        issuer.keys(version, account, counter, number)


def ecb(key: bytes, data: bytes) -> bytes:
    return Cipher(AES(key), modes.ECB()).encryptor().update(data)


def aes_cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


@pytest.mark.parametrize("size", [16, 24, 32])
@given(st.data())
def test_option_c_and_aes_sessions_as_the_book_says(size: int, data: st.DataObject) -> None:
    """Book 2, A1.4.3 and A1.3.1, restated over the bare cipher: no public value of these exists."""
    issuer = data.draw(st.binary(min_size=size, max_size=size))
    digits, number = data.draw(st.text("0123456789", min_size=8, max_size=19)), data.draw(st.integers(0, 99))
    block = int(f"{digits}{number:02}", 16).to_bytes(16, "big")
    other = bytes(octet ^ 0xFF for octet in block)
    card = (ecb(issuer, block) + ecb(issuer, other))[:size]
    made = card_keys.icc_master_key_c(AesKey(issuer), size, Pan(digits), number)
    assert made == ClearKey(card)

    counter, cryptogram = data.draw(st.binary(min_size=2, max_size=2)), data.draw(st.binary(min_size=8, max_size=8))
    for diversifier, session in (
        (counter + bytes(14), card_keys.aes_session_key_of_counter(made, counter)),
        (cryptogram + bytes(8), card_keys.aes_session_key_of_cryptogram(made, cryptogram)),
    ):
        first, second = (diversifier[:2] + mark + diversifier[3:] for mark in (b"\xf0", b"\x0f"))
        expected = ecb(card, diversifier) if size == 16 else (ecb(card, first) + ecb(card, second))[:size]
        assert session == ClearKey(expected)
        key = AesCryptogramKey(session)
        covered = data.draw(st.binary(max_size=60))
        right = aes_cmac(expected, covered)[:8]
        assert key.cryptogram(covered) == right
        key.verify(covered, right)
        with pytest.raises(IntegrityError):
            key.verify(covered, right[:7])
        assert (
            key.answer_2(right, b"\x00\x80\x00\x00", b"more")
            == aes_cmac(expected, right + b"\x00\x80\x00\x00" + b"more")[:4]
        )
        assert repr(key) == "AesCryptogramKey(redacted)"


def test_a_tree_gives_every_counter_another_key() -> None:
    keys = [bytes(card_keys.tree_session_key(CARD_KEY, number.to_bytes(2, "big")).reveal()) for number in range(200)]
    assert len(set(keys)) == 200


@pytest.mark.parametrize(
    "call",
    [
        lambda: card_keys.account_block(PAN, 100),
        lambda: card_keys.icc_master_key_a(TdesKey(bytes(16)), bytes(7)),
        lambda: card_keys.icc_master_key_c(AesKey(bytes(16)), 15, PAN, 0),
        lambda: card_keys.session_key(bytes(16), bytes(7)),
        lambda: card_keys.session_key_of_counter(bytes(16), bytes(3)),
        lambda: card_keys.mastercard_session_key(bytes(16), bytes(2), bytes(3)),
        lambda: card_keys.visa_script_key(bytes(8), bytes(2)),
        lambda: card_keys.visa_script_key(bytes(16), bytes(1)),
        lambda: card_keys.aes_session_key(bytes(16), bytes(8)),
        lambda: card_keys.aes_session_key(bytes(15), bytes(16)),
        lambda: card_keys.aes_session_key_of_cryptogram(bytes(16), bytes(7)),
        lambda: card_keys.tree_session_key(bytes(16), bytes(2), 8, 2),
        lambda: card_keys.tree_session_key(bytes(16), bytes(2), 8, 4, bytes(8)),
        lambda: card_keys.tree_session_key(bytes(8), bytes(2)),
        lambda: card_keys.tree_session_key(bytes(16), bytes(3)),
        lambda: card_keys.tree_session_key(bytes(16), bytes(2), 17, 2),
        lambda: CryptogramKey(bytes(8)),
        lambda: Issuer(bytes(8)),
        lambda: Issuer(bytes(range(16))).keys(CVN_10, bytes(7), bytes(2)),
        lambda: Issuer(bytes(range(16))).keys(CVN_10, bytes(8), bytes(1)),
        lambda: subject.arpc_1(bytes(16), bytes(7), bytes(2)),
        lambda: subject.arpc_1(bytes(16), bytes(8), bytes(3)),
        lambda: subject.arpc_2(bytes(16), bytes(8), bytes(3)),
        lambda: subject.arpc_2(bytes(16), bytes(8), bytes(4), bytes(9)),
    ],
)
def test_wrong_sizes_are_the_callers_fault(call: Callable[[], Any]) -> None:
    with pytest.raises(EncodeError):
        call()
