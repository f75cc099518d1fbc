# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Secrets print redacted, refuse to travel, and are wiped."""

import copy
import json
import pickle

import pytest

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan, Track2
from protocols.secret import ClearKey, ClearPinBlock, Pin, Secret

KEY = "0123456789abcdeffedcba9876543210"


@pytest.mark.parametrize("kind", [ClearKey, ClearPinBlock, Secret])
def test_prints_redacted(kind: type[Secret]) -> None:
    secret = kind.from_hex(KEY)
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", str([secret]), str({"k": secret})):
        assert KEY not in text.lower()
        assert "redacted" in text


def test_refuses_to_be_copied_pickled_hashed_or_written_as_json() -> None:
    for secret in (ClearKey.from_hex(KEY), Pin.from_text("123456")):
        for way in (copy.copy, copy.deepcopy, pickle.dumps, json.dumps, hash):
            with pytest.raises(TypeError):
                way(secret)


def test_takes_over_and_wipes_what_it_is_given() -> None:
    octets = bytearray.fromhex(KEY)
    with ClearKey(octets) as key:
        assert octets == bytes(16)
        assert key.reveal() == bytes.fromhex(KEY)
        view = key.reveal()
    assert bytes(view) == bytes(16)
    assert len(key) == 16


def test_compares_by_value_and_never_with_octets() -> None:
    assert ClearKey.from_hex(KEY) == ClearKey.from_hex(KEY)
    assert ClearKey.from_hex(KEY) != ClearKey(bytes(16))
    assert ClearKey.from_hex(KEY) != bytes.fromhex(KEY)


def test_view_cannot_change_the_secret() -> None:
    with pytest.raises(TypeError):
        ClearKey.from_hex(KEY).reveal()[0] = 1


@pytest.mark.parametrize("text", ["0", "zz", "01 2", "é1"])
def test_hex_error_quotes_nothing(text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        ClearKey.from_hex(text)
    assert text not in str(caught.value)
    assert caught.value.__suppress_context__


def test_pin_has_4_to_12_digits() -> None:
    assert list(Pin.from_text("0912")) == [0, 9, 1, 2]
    assert list(Pin.from_text(bytearray(b"123456789012"))) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    for text in ("", "123", "1234567890123", "12a4", "12 4", "١٢٣٤"):
        with pytest.raises(EncodeError) as caught:
            Pin.from_text(text)
        assert not text or text not in str(caught.value)


def test_pin_text_given_as_bytearray_is_wiped() -> None:
    typed = bytearray(b"4711")
    Pin.from_text(typed)
    assert typed == bytes(4)


def test_pan_prints_masked_everywhere() -> None:
    pan = Pan("4000001234567899")
    assert str(pan) == "400000******7899"
    for text in (repr(pan), f"{pan}", f"{pan:>30}", str([pan]), repr(Track2(pan, "2812", "201", "00"))):
        assert "1234567899" not in text
        assert "******7899" in text
    with pytest.raises(TypeError):
        pickle.dumps(pan)
    with pytest.raises(TypeError):
        pickle.dumps(Track2(pan, "2812", "201", "00"))


def test_short_pan_shows_four_digits_only() -> None:
    assert str(Pan("12345678")) == "****5678"


@pytest.mark.parametrize("digits", ["", "1234567", "1" * 20, "12345678a", "١٢٣٤٥٦٧٨"])
def test_pan_refuses_without_quoting(digits: str) -> None:
    with pytest.raises(DecodeError) as caught:
        Pan(digits)
    assert not digits or digits not in str(caught.value)


def test_account_field_and_check_digit() -> None:
    assert Pan("4000001234567899").account_field == "000123456789"
    assert Pan("12345678").account_field == "000001234567"
    assert Pan("4111111111111111").has_luhn_digit()
    assert not Pan("4111111111111112").has_luhn_digit()


def test_track2_round_trip_and_refusals() -> None:
    track = Track2.from_text("4111111111111111D28122011234500000F")
    assert (track.expiry, track.service_code, track.discretionary) == ("2812", "201", "1234500000")
    assert Track2.from_text(track.text("=")) == track
    for text in ("", "4111111111111111", "4111111111111111D28", "4111111111111111D2812201" + "0" * 30, "D2812201"):
        with pytest.raises(DecodeError):
            Track2.from_text(text)
