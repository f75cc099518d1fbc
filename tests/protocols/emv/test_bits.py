# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Bit fields: every named bit has words, every bit stands where the books put it, unknown bits are said."""

import pytest

from protocols.emv import bits
from protocols.emv.bits import OCTETS, WORDS, Aip, Auc, CryptogramType, Ctq, CvmCode, Field, Tsi, Ttq, Tvr
from protocols.errors import DecodeError


@pytest.mark.parametrize("kind", list(OCTETS), ids=lambda kind: kind.__name__)
def test_every_named_bit_has_words_and_fits(kind: type[Field]) -> None:
    named = list(kind)
    assert {int(bit) for bit in named} == set(WORDS[kind])
    assert all(0 < bit < 1 << 8 * OCTETS[kind] and bit & bit - 1 == 0 for bit in named)
    assert len(set(WORDS[kind].values())) == len(named)


@pytest.mark.parametrize("kind", list(OCTETS), ids=lambda kind: kind.__name__)
def test_decode_and_encode(kind: type[Field]) -> None:
    size = OCTETS[kind]
    octets = bytes(range(0xF0, 0xF0 + size))
    assert kind.decode(octets).encode() == octets
    assert kind.decode(octets).hex == octets.hex().upper()
    assert len(kind.decode(b"\xff" * size).words()) == 8 * size
    for wrong in (size - 1, size + 1):
        with pytest.raises(DecodeError):
            kind.decode(bytes(wrong))


@pytest.mark.parametrize(
    ("bit", "octet", "place"),
    [
        (Tvr.ODA_NOT_PERFORMED, 1, 8),
        (Tvr.EXPIRED, 2, 7),
        (Tvr.ONLINE_CVM_CAPTURED, 3, 3),
        (Tvr.OVER_FLOOR_LIMIT, 4, 8),
        (Tvr.DEFAULT_TDOL, 5, 8),
        (Tsi.SCRIPT_PROCESSING, 1, 3),
        (Aip.DDA, 1, 6),
        (Aip.CDA, 1, 1),
        (Aip.RELAY_RESISTANCE, 2, 1),
        (Ttq.EMV_MODE, 1, 6),
        (Ttq.ONLINE_PIN, 1, 3),
        (Ttq.ONLINE_CRYPTOGRAM_REQUIRED, 2, 8),
        (Ttq.CVM_REQUIRED, 2, 7),
        (Ttq.CONSUMER_DEVICE_CVM, 3, 7),
        (Ctq.ONLINE_PIN_REQUIRED, 1, 8),
        (Ctq.CONSUMER_DEVICE_CVM_PERFORMED, 2, 8),
        (Auc.DOMESTIC_CASH, 1, 8),
        (Auc.INTERNATIONAL_CASHBACK, 2, 7),
    ],
)
def test_bits_stand_where_the_books_put_them(bit: Field, octet: int, place: int) -> None:
    octets = bit.encode()
    assert octets[octet - 1] == 1 << place - 1
    assert sum(octets) == octets[octet - 1]


def test_words() -> None:
    assert Ttq.decode(bytes.fromhex("24C04000")).words() == (
        "EMV mode supported",
        "online PIN supported",
        "online cryptogram required",
        "CVM required",
        "consumer device CVM supported",
    )
    assert Ctq.decode(bytes.fromhex("0001")).words() == ("byte 2, bit 1 (no meaning known)",)
    assert Tvr.decode(bytes(5)).words() == ()


@pytest.mark.parametrize(
    ("cid", "said"),
    [
        (0x80, ("ARQC: the card asks for online authorisation",)),
        (0x40, ("TC: the card approves offline",)),
        (0x00, ("AAC: the card declines",)),
        (0xC0, ("a cryptogram type that is reserved",)),
        (0x0A, ("AAC: the card declines", "advice required", "PIN try limit exceeded")),
        (0x07, ("AAC: the card declines", "a reason that is reserved")),
    ],
)
def test_cid_words(cid: int, said: tuple[str, ...]) -> None:
    assert bits.cid_words(cid) == said
    assert all(bits.cid_words(value) for value in range(256))
    assert all(kind.words for kind in CryptogramType)


def test_cvm_rules_in_words() -> None:
    assert bits.cvm_rule_words(0x42, 0x03) == (
        "enciphered PIN, checked online",
        "if the terminal supports the method",
        "then the next rule",
    )
    assert bits.cvm_rule_words(CvmCode.NO_CVM, 0x00)[2] == "then verification fails"
    assert bits.cvm_rule_words(0x06, 0x0A)[:2] == ("face offline", "under a condition that is reserved")
    assert bits.cvm_rule_words(0x20, 0x00)[0] == "a method that is reserved"
    assert bits.cvm_results_words(bytes.fromhex("1F0002")) == "no cardholder verification, always: successful"
    assert bits.cvm_results_words(bytes.fromhex("020009")).endswith("reserved")
    with pytest.raises(DecodeError):
        bits.cvm_results_words(b"\x1f\x00")
