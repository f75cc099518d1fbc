# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The cursor refuses short input; BCD, LRC and CRC agree with published values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.currency import BY_ALPHA, BY_NUMERIC, currency
from protocols.errors import DecodeError, EncodeError
from protocols.octets import Cursor, bcd_decode, bcd_encode, crc16, lrc, unhex, xor


def test_cursor_reads_in_order_and_names_what_is_missing() -> None:
    cursor = Cursor(bytes.fromhex("01 0203 0405"), "frame")
    assert (cursor.u8("kind"), cursor.u16("length"), cursor.left) == (1, 0x0203, 2)
    with pytest.raises(DecodeError, match=r"frame, octet 3: body takes 3 octets, 2 are left"):
        cursor.take(3, "body")
    with pytest.raises(DecodeError, match="2 octets behind"):
        cursor.end()
    assert cursor.rest() == b"\x04\x05"
    cursor.end()
    with pytest.raises(DecodeError):
        cursor.take(-1, "nothing")


@given(st.text("0123456789", min_size=1, max_size=20))
def test_bcd_round_trip(digits: str) -> None:
    octets = bcd_encode(digits, 10)
    assert len(octets) == 10
    assert bcd_decode(octets, "x").lstrip("0") == digits.lstrip("0")


def test_bcd_refusals() -> None:
    for digits, octets in (("123", 1), ("1a", 1), ("١", 1)):
        with pytest.raises(EncodeError):
            bcd_encode(digits, octets)
    with pytest.raises(DecodeError, match="PSN: a nibble above 9"):
        bcd_decode(b"\x1a", "PSN")


def test_check_sums_against_published_values() -> None:
    assert lrc(b"72\x03") == 0x06  # '72' in an STX packet of the IPP family
    assert lrc(b"087\x0e") == 0x31
    assert crc16(b"OPN\x17", 0) == 0xA8A9  # ABECS manual, OPN
    assert crc16(b"123456789", 0xFFFF) == 0x29B1  # CRC-16/CCITT-FALSE check value


def test_xor_and_unhex() -> None:
    assert xor(b"\x0f\xf0", b"\xff\xff") == b"\xf0\x0f"
    with pytest.raises(EncodeError):
        xor(b"\x00", b"")
    assert unhex("0aFF", "x") == b"\x0a\xff"
    for text in ("0", "zz", b"\xff\xff"):
        with pytest.raises(DecodeError, match=r"^key: not an even"):
            unhex(text, "key")


def test_currencies_have_unique_codes() -> None:
    assert len(BY_ALPHA) == len(BY_NUMERIC)
    assert (BY_ALPHA["EUR"].numeric, BY_ALPHA["USD"].numeric, BY_ALPHA["JPY"].decimals) == (978, 840, 0)
    assert all(0 < number < 1000 for number in BY_NUMERIC)


@pytest.mark.parametrize(
    ("code", "text", "minor", "words"),
    [
        ("EUR", "42.00", 4200, "EUR 42.00"),
        ("eur", "0.01", 1, "EUR 0.01"),
        ("JPY", "42", 42, "JPY 42"),
        ("KWD", "1.234", 1234, "KWD 1.234"),
        ("EUR", "42", 4200, "EUR 42.00"),
    ],
)
def test_amounts(code: str, text: str, minor: int, words: str) -> None:
    money = currency(code)
    assert money.minor_units(text) == minor
    assert money.words(minor) == words


@pytest.mark.parametrize("text", ["", "0", "-1", "1.234", "1e3", "NaN", "inf", "1,00", "99999999999.99", "4 2", "0x10"])
def test_amount_refusals(text: str) -> None:
    with pytest.raises(DecodeError):
        currency("EUR").minor_units(text)


def test_unknown_currency() -> None:
    with pytest.raises(DecodeError, match="currency"):
        currency("EURO")
