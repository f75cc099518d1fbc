# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which translations are permitted: the whole table, the reasons, and what the translation itself does."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin.iso9564 import Format, decipher_pin, encipher_pin
from protocols.pin.translation import Purpose, translate, verdict
from protocols.primitives import AesKey, TdesKey
from protocols.secret import Pin

KEYS = {
    Format.ISO_0: TdesKey(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")),
    Format.ISO_1: TdesKey(bytes.fromhex("1123456789ABCDEFFEDCBA9876543211")),
    Format.ISO_3: TdesKey(bytes.fromhex("2123456789ABCDEFFEDCBA9876543212")),
    Format.ISO_4: AesKey(bytes(range(16))),
}
TEST_PAN, OTHER_PAN = Pan("4000009999990016"), Pan("4000009999980017")
BOUND = {Format.ISO_0, Format.ISO_3, Format.ISO_4}
PERMITTED = {
    Purpose.INTERCHANGE: {(a, b) for a in BOUND for b in BOUND} | {(Format.ISO_1, b) for b in BOUND | {Format.ISO_1}},
    Purpose.TO_CARD: {(a, Format.ISO_2) for a in BOUND | {Format.ISO_1, Format.ISO_2}},
    Purpose.ISSUER_SCRIPT: {
        (a, b)
        for a in BOUND | {Format.ISO_1}
        for b in (Format.MASTERCARD_PIN_CHANGE, Format.VISA_PIN_CHANGE, Format.VISA_PIN_CHANGE_WITH_CURRENT)
    },
}
PERMITTED[Purpose.ISSUANCE] = PERMITTED[Purpose.INTERCHANGE]


def test_the_whole_table() -> None:
    for source, destination, purpose in itertools.product(Format, Format, Purpose):
        judged = verdict(source, destination, purpose)
        assert judged.permitted == ((source, destination) in PERMITTED[purpose]), (source, destination, purpose)
        assert judged.reason
        assert judged.permitted == (judged.reason == "permitted")


def test_reasons() -> None:
    assert "no account number" in verdict(Format.ISO_0, Format.ISO_1).reason
    assert "reader and the card" in verdict(Format.ISO_0, Format.ISO_2).reason
    assert "never an origin" in verdict(Format.ISO_2, Format.ISO_0).reason
    assert "issuer's script" in verdict(Format.ISO_0, Format.VISA_PIN_CHANGE).reason
    assert "card alone" in verdict(Format.VISA_PIN_CHANGE, Format.ISO_0).reason
    assert "submission" in verdict(Format.ISO_0, Format.ISO_3, Purpose.TO_CARD).reason


@pytest.mark.parametrize("source", sorted(BOUND))
def test_the_account_number_may_change_only_at_issuance(source: Format) -> None:
    for destination in BOUND:
        assert not verdict(source, destination, pan_changes=True).permitted
        assert verdict(source, destination, Purpose.ISSUANCE, pan_changes=True).permitted
    assert verdict(Format.ISO_1, Format.ISO_0, pan_changes=True).permitted, "format 1 names no account"


@given(
    st.text("0123456789", min_size=4, max_size=12),
    st.sampled_from(sorted(KEYS)),
    st.sampled_from(sorted(KEYS)),
    st.binary(min_size=8, max_size=8),
)
def test_translation_keeps_the_pin(text: str, source: Format, destination: Format, random: bytes) -> None:
    block = encipher_pin(KEYS[source], source, Pin.from_text(text), TEST_PAN, random)
    arguments = (KEYS[source], source, KEYS[destination], destination, block, TEST_PAN, random)
    if not verdict(source, destination).permitted:
        with pytest.raises(EncodeError, match="refused"):
            translate(*arguments)
        return
    onward = translate(*arguments)
    assert decipher_pin(KEYS[destination], destination, onward, TEST_PAN) == Pin.from_text(text)


def test_the_short_way_judges_as_the_long_way_does() -> None:
    key, form = KEYS[Format.ISO_0], Format.ISO_0
    other = KEYS[Format.ISO_3]
    good = encipher_pin(key, form, Pin.from_text("1234"), TEST_PAN, b"")
    short = translate(key, form, other, form, good, TEST_PAN)
    assert short == translate(key, form, other, form, good, TEST_PAN, destination_pan=TEST_PAN)
    for place in range(8):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            outcomes = []
            for extra in ({}, {"destination_pan": TEST_PAN}):
                try:
                    outcomes.append(str(translate(key, form, other, form, bad, TEST_PAN, **extra)))
                except DecodeError as fault:
                    outcomes.append(str(fault))
            assert outcomes[0] == outcomes[1]
    for size in (0, 7, 9, 16):
        with pytest.raises(DecodeError, match="8 expected"):
            translate(key, form, other, form, bytes(size), TEST_PAN)
    for pair in ((KEYS[Format.ISO_4], key), (key, KEYS[Format.ISO_4])):
        with pytest.raises(EncodeError, match="-octet blocks"):
            translate(pair[0], form, pair[1], form, good, TEST_PAN)


def test_a_new_account_number_at_issuance() -> None:
    key, form = KEYS[Format.ISO_0], Format.ISO_0
    block = encipher_pin(key, form, Pin.from_text("1234"), TEST_PAN, b"")
    with pytest.raises(EncodeError, match="only at card issuance"):
        translate(key, form, key, form, block, TEST_PAN, destination_pan=OTHER_PAN)
    moved = translate(key, form, key, form, block, TEST_PAN, destination_pan=OTHER_PAN, purpose=Purpose.ISSUANCE)
    assert decipher_pin(key, form, moved, OTHER_PAN) == Pin.from_text("1234")
    assert "9999" not in str(verdict(form, form, pan_changes=True))
