# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN references: public values, the algebra of offsets, decimalisation tables, constant-time comparison's outcomes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin.reference import (
    DecimalisationTable,
    check_table,
    decimalise,
    natural_pin,
    offset,
    pin_from_offset,
    pvv,
    verify_offset,
    verify_pvv,
)
from protocols.primitives import TdesKey
from protocols.secret import Pin

H = bytes.fromhex
VECTORS = [
    vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "cvv_pvv_ibm.json").read_text())["vectors"]
    if vector["id"].startswith(("pvv", "ibm"))
]
TEST_PVK = TdesKey(H("0123456789ABCDEFFEDCBA9876543210"))
TEST_PAN = Pan("4000009999990016")
TABLE = DecimalisationTable("0123456789012345")
DATA = "4000009999990016"
pins = st.text("0123456789", min_size=4, max_size=12)


def digits(pin: Pin) -> str:
    return "".join(str(digit) for digit in pin)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vectors(vector: dict[str, object]) -> None:
    text, expected = vector["input"], str(vector["expected"])
    assert isinstance(text, dict)
    key = TdesKey(H(text.get("pvk") or text["pvk_clear"]))
    if "pvki" in text:
        pan = Pan(text["pan"] if "pan" in text else text["account12"] + "0")
        assert pvv(key, pan, int(text["pvki"]), Pin.from_text(text["pin"])) == expected
        assert verify_pvv(key, pan, int(text["pvki"]), Pin.from_text(text["pin"]), expected)
    elif "pin" in text:
        table = DecimalisationTable(text["dectab"])
        assert offset(key, table, text["validation_data"], Pin.from_text(text["pin"])) == expected
        assert verify_offset(key, table, text["validation_data"], Pin.from_text(text["pin"]), expected, 4)
    else:
        table = DecimalisationTable(text["dectab"])
        assert digits(pin_from_offset(key, table, text["validation_data"], text["offset"])) == expected


@given(pins, st.integers(0, 9))
def test_pvv_reads_eleven_digits_and_four(text: str, index: int) -> None:
    reference = pvv(TEST_PVK, TEST_PAN, index, Pin.from_text(text))
    assert len(reference) == 4
    assert reference.isdigit()
    assert reference == pvv(TEST_PVK, Pan("9" + TEST_PAN.account_field[1:] + "7"), index, Pin.from_text(text[:4]))
    assert verify_pvv(TEST_PVK, TEST_PAN, index, Pin.from_text(text), reference)
    wrong = f"{(int(reference) + 1) % 10000:04d}"
    assert not verify_pvv(TEST_PVK, TEST_PAN, index, Pin.from_text(text), wrong)
    assert not verify_pvv(TEST_PVK, TEST_PAN, index, Pin.from_text(text), "")


def test_pvv_index_is_one_digit() -> None:
    for index in (-1, 10):
        with pytest.raises(EncodeError, match="one digit"):
            pvv(TEST_PVK, TEST_PAN, index, Pin.from_text("1234"))


@given(pins)
def test_offset_and_pin_invert_each_other(text: str) -> None:
    pin = Pin.from_text(text)
    reference = offset(TEST_PVK, TABLE, DATA, pin)
    assert digits(pin_from_offset(TEST_PVK, TABLE, DATA, reference)) == text
    natural = natural_pin(TEST_PVK, TABLE, DATA, len(text))
    assert offset(TEST_PVK, TABLE, DATA, natural) == "0" * len(text)
    assert [(int(step) + base) % 10 for step, base in zip(reference, natural, strict=True)] == list(pin)
    assert verify_offset(TEST_PVK, TABLE, DATA, pin, reference.ljust(12, "F"), len(text))
    other = "".join(str((int(step) + 1) % 10) for step in reference)
    assert not verify_offset(TEST_PVK, TABLE, DATA, pin, other, len(text))


def test_check_length() -> None:
    pin = Pin.from_text("123456")
    assert offset(TEST_PVK, TABLE, DATA, pin, 4) == offset(TEST_PVK, TABLE, DATA, pin)[:4]
    for length in (3, 7):
        with pytest.raises(EncodeError, match="check length"):
            offset(TEST_PVK, TABLE, DATA, pin, length)
    for length in (3, 13):
        with pytest.raises(EncodeError, match="4 to 12"):
            natural_pin(TEST_PVK, TABLE, DATA, length)


@pytest.mark.parametrize(
    "digits_", ["012345678901234", "01234567890123456", "012345678901234A", "", "０１２３４５６７８９０１２３４５"]
)
def test_what_is_not_a_table(digits_: str) -> None:
    with pytest.raises(DecodeError, match="16 decimal digits"):
        DecimalisationTable(digits_)


@pytest.mark.parametrize("digits_", ["0000000000000000", "0123456012345601", "0000012345678901", "0000012345670123"])
def test_a_skewed_table_is_refused(digits_: str) -> None:
    with pytest.raises(DecodeError, match="different digits") as caught:
        DecimalisationTable(digits_)
    assert digits_ not in str(caught.value)
    assert DecimalisationTable(digits_, strict=False).decimalise(bytes(8)) == bytes([int(digits_[0])] * 16)


def test_good_tables_pass() -> None:
    for good in ("0123456789012345", "1234567890123456", "8351296477461538", "0000111122345678"):
        check_table(good)


@pytest.mark.parametrize(
    "data", ["", "123", "400000999999001G", "40000099999900160", "4000009999990016FF", "4000 00999999001"]
)
def test_bad_validation_data(data: str) -> None:
    with pytest.raises(DecodeError, match=r"16|hexadecimal") as caught:
        natural_pin(TEST_PVK, TABLE, data)
    assert len(data) < 4 or data not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "123", "1234567890123", "12F4", "１２３４"])
def test_bad_offset(bad: str) -> None:
    with pytest.raises(DecodeError, match="4 to 12 decimal digits"):
        pin_from_offset(TEST_PVK, TABLE, DATA, bad)


def test_decimalisation() -> None:
    assert decimalise(H("12AB34CD56EF7890"), 4) == "1234"
    assert decimalise(H("ABCDEFABCDEFABC1"), 4) == "1012"
    assert decimalise(H("FFFFFFFFFFFFFFFF"), 3) == "555"
