# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN blocks: published values, round trips of every length, the one error of every content fault, what is wiped."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin import iso9564
from protocols.pin.iso9564 import (
    Format,
    decipher,
    decipher_format_4,
    decipher_pin,
    decode_format_0,
    decode_format_1,
    decode_format_2,
    decode_format_3,
    decode_format_4,
    encipher,
    encipher_format_4,
    encipher_pin,
    encode_format_0,
    encode_format_1,
    encode_format_2,
    encode_format_3,
    encode_format_4,
    pan_field_4,
)
from protocols.primitives import AesKey, TdesKey
from protocols.secret import ClearPinBlock, Pin
from tests.protocols.leftovers import counted

H = bytes.fromhex
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "pin_blocks.json").read_text())["vectors"]
ISO_VECTORS = [vector for vector in VECTORS if vector["input"]["format"] in (0, 1, 2, 3, 4)]
TEST_TDES = TdesKey(H("0123456789ABCDEFFEDCBA9876543210"))
TEST_AES = AesKey(bytes(range(16)))
TEST_PAN = Pan("4000009999990016")

pins = st.text("0123456789", min_size=4, max_size=12)
pans = st.text("0123456789", min_size=12, max_size=19).map(Pan)
randoms = st.binary(min_size=8, max_size=8)


def digits(pin: Pin) -> str:
    return "".join(str(digit) for digit in pin)


def outcome(given_input: dict[str, object]) -> str:
    """What a vector asks for, as text."""
    form = given_input["format"]
    text = {name: str(value) for name, value in given_input.items()}
    account = text.get("pan") or text.get("pan_rightmost12_excl_check", "") + "0"
    pan = Pan(account) if len(account) > 1 else TEST_PAN
    if "pinblock" in text:
        block = H(text["pinblock"])
        if form == 4:
            pin = decipher_format_4(AesKey(H(text["key"])), block, pan)
            return encode_format_4(pin, bytes(8)).reveal()[:8].hex().upper()
        clear = ClearPinBlock(block)
        if form == 2:
            return digits(decode_format_2(clear))
        return digits(decode_format_0(clear, pan) if form == 0 else decode_format_3(clear, pan))
    if form == 4 and "pin" not in text:
        return pan_field_4(pan).hex().upper()
    pin = Pin.from_text(text["pin"])
    if form == 4 and "key" in text:
        return encipher_format_4(AesKey(H(text["key"])), pin, pan, H(text["random8"])).hex().upper()
    encoded = {
        0: lambda: encode_format_0(pin, pan),
        1: lambda: encode_format_1(pin, H(text["fill_nibbles"].rjust(16, "0"))),
        2: lambda: encode_format_2(pin),
        4: lambda: encode_format_4(pin, bytes(8)),
    }[form]()  # type: ignore[index]  # one of the four numbers
    return encoded.reveal()[:8].hex().upper()


@pytest.mark.parametrize("vector", ISO_VECTORS, ids=lambda vector: vector["id"])
def test_vectors(vector: dict[str, object]) -> None:
    given_input, expected = vector["input"], str(vector["expected"])
    assert isinstance(given_input, dict)
    if expected.startswith("reject"):
        with pytest.raises(DecodeError, match="not a PIN of 4 to 12 digits"):
            outcome(given_input)
    else:
        # Of a format 4 PIN field only the left half is determined.
        assert outcome(given_input) == (expected[:16] if vector["id"] == "iso4-dec-0" else expected)


@given(pins, pans, randoms)
def test_round_trip_of_every_format(text: str, pan: Pan, random: bytes) -> None:
    pin = Pin.from_text(text)
    assert digits(decode_format_0(encode_format_0(pin, pan), pan)) == text
    assert digits(decode_format_1(encode_format_1(pin, random))) == text
    assert digits(decode_format_2(encode_format_2(pin))) == text
    assert digits(decode_format_3(encode_format_3(pin, pan, random), pan)) == text
    assert digits(decode_format_4(encode_format_4(pin, random))) == text
    for form in (Format.ISO_0, Format.ISO_1, Format.ISO_3, Format.ISO_4):
        key = TEST_AES if form == Format.ISO_4 else TEST_TDES
        block = encipher_pin(key, form, pin, pan, random)
        assert len(block) == key.block_octets
        assert digits(decipher_pin(key, form, block, pan)) == text
    assert digits(pin) == text, "encoding must not touch the PIN"


@given(pins, pans, randoms)
def test_fill_is_what_the_standard_allows(text: str, pan: Pan, random: bytes) -> None:
    pin = Pin.from_text(text)
    account = int(pan.account_field, 16)
    three = f"{int.from_bytes(encode_format_3(pin, pan, random).reveal(), 'big') ^ account:016X}"
    assert three[:2] == f"3{len(text):X}"
    assert three[2 : 2 + len(text)] == text
    assert all(fill in "ABCDEF" for fill in three[2 + len(text) :])
    one = encode_format_1(pin, random).reveal().hex().upper()
    assert one[: 2 + len(text)] == f"1{len(text):X}{text}"
    assert one[2 + len(text) :] == random.hex().upper()[2 + len(text) :]
    four = encode_format_4(pin, random).reveal().hex().upper()
    assert four == f"4{len(text):X}{text}".ljust(16, "A") + random.hex().upper()


def test_every_format_3_fill_occurs() -> None:
    seen = [set() for _ in range(10)]  # type: list[set[str]]
    pin, pan = Pin.from_text("1234"), Pan("0000000000000")
    for number in range(400):
        fill = encode_format_3(pin, pan, (number * 7919**3).to_bytes(8, "big")).reveal().hex().upper()[6:]
        for place, nibble in enumerate(fill):
            seen[place].add(nibble)
    assert all(nibbles == set("ABCDEF") for nibbles in seen)


def test_the_pan_binds() -> None:
    pin, other = Pin.from_text("1234"), Pan("4000001999990016")
    blocks = {
        Format.ISO_0: encipher_pin(TEST_TDES, Format.ISO_0, pin, TEST_PAN, b""),
        Format.ISO_3: encipher_pin(TEST_TDES, Format.ISO_3, pin, TEST_PAN, bytes(8)),
        Format.ISO_4: encipher_pin(TEST_AES, Format.ISO_4, pin, TEST_PAN, bytes(8)),
    }
    for form, block in blocks.items():
        key = TEST_AES if form == Format.ISO_4 else TEST_TDES
        with pytest.raises(DecodeError):
            decipher_pin(key, form, block, other)
    # Format 4 binds the whole PAN, formats 0 and 3 the 12 digits before the check digit.
    assert digits(decipher_pin(TEST_TDES, Format.ISO_0, blocks[Format.ISO_0], Pan("1230009999990019"))) == "1234"
    with pytest.raises(DecodeError):
        decipher_pin(TEST_AES, Format.ISO_4, blocks[Format.ISO_4], Pan("4000009999990017"))


def test_every_content_fault_is_one_error() -> None:
    """Every octet of every format set to every value: a PIN or the same words, and never the data."""
    pin, random = Pin.from_text("12345"), bytes(range(8))
    said: set[str] = set()
    accepted = 0
    for form, encoded, decode in (
        (0, encode_format_0(pin, TEST_PAN), lambda block: decode_format_0(block, TEST_PAN)),
        (1, encode_format_1(pin, random), decode_format_1),
        (2, encode_format_2(pin), decode_format_2),
        (3, encode_format_3(pin, TEST_PAN, random), lambda block: decode_format_3(block, TEST_PAN)),
        (4, encode_format_4(pin, random), decode_format_4),
    ):
        good = bytes(encoded.reveal())
        for place in range(len(good)):
            for value in range(256):
                block = ClearPinBlock(good[:place] + bytes([value]) + good[place + 1 :])
                try:
                    assert 4 <= len(decode(block)) <= 12
                    accepted += 1
                except DecodeError as fault:
                    said.add(str(fault))
        assert form in range(5)
    assert said == {"PIN block: not a PIN of 4 to 12 digits under this key, format and account number"}
    assert accepted


def test_lengths_are_told_apart_from_content() -> None:
    for size in (0, 7, 9, 16):
        for decode in (decode_format_1, decode_format_2, lambda block: decode_format_0(block, TEST_PAN)):
            with pytest.raises(DecodeError, match=f"{size} octets, 8 expected"):
                decode(ClearPinBlock(bytes(size)))
    for size in (0, 8, 15, 17, 32):
        with pytest.raises(DecodeError, match=f"{size} octets, 16 expected"):
            decode_format_4(ClearPinBlock(bytes(size)))
        with pytest.raises(DecodeError, match=f"{size} octets, 16 expected"):
            decipher_format_4(TEST_AES, bytes(size), TEST_PAN)
    with pytest.raises(DecodeError, match="7 octets, 8 expected"):
        decipher(TEST_TDES, bytes(7))


def test_formats_belong_to_block_sizes_and_places() -> None:
    pin = Pin.from_text("1234")
    for call in (
        lambda: encipher(TEST_AES, encode_format_0(pin, TEST_PAN)),
        lambda: decipher(TEST_AES, bytes(16)),
        lambda: encipher_format_4(TEST_TDES, pin, TEST_PAN, bytes(8)),
        lambda: decipher_format_4(TEST_TDES, bytes(16), TEST_PAN),
        lambda: decipher_pin(TEST_AES, Format.ISO_0, bytes(16), TEST_PAN),
    ):
        with pytest.raises(EncodeError, match="-octet blocks"):
            call()
    with pytest.raises(EncodeError, match="formats 0 to 3"):
        encipher(TEST_TDES, encode_format_4(pin, bytes(8)))
    for form in (Format.ISO_2, Format.VISA_PIN_CHANGE, Format.MASTERCARD_PIN_CHANGE):
        with pytest.raises(EncodeError, match="not enciphered for interchange"):
            encipher_pin(TEST_TDES, form, pin, TEST_PAN, bytes(8))
        with pytest.raises(EncodeError, match="not enciphered for interchange"):
            decipher_pin(TEST_TDES, form, bytes(8), TEST_PAN)
    for random in (b"", bytes(7), bytes(9)):
        for encode in (
            lambda octets: encode_format_1(pin, octets),
            lambda octets: encode_format_3(pin, TEST_PAN, octets),
            lambda octets: encode_format_4(pin, octets),
            lambda octets: encipher_format_4(TEST_AES, pin, TEST_PAN, octets),
        ):
            with pytest.raises(EncodeError, match="random octets"):
                encode(random)


def test_pan_field_by_length() -> None:
    for size in range(8, 20):
        field = pan_field_4(Pan("123456789012345678901"[:size])).hex().upper()
        assert len(field) == 32
        assert field[0] == f"{max(size - 12, 0):X}"
        assert field[1:].startswith("123456789012345678901"[:size].rjust(12, "0"))
        assert not field[1 + max(size, 12) :].strip("0")


def test_clear_fields_are_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytearray that held a clear PIN is all zero when the call is over, also when it fails."""
    kept: list[bytearray] = []

    def deciphered(key: object, block: bytes, real: object = iso9564.deciphered) -> bytearray:
        field = real(key, block)  # type: ignore[operator]  # the function under watch
        kept.append(field)
        return field  # type: ignore[no-any-return]

    monkeypatch.setattr(iso9564, "deciphered", deciphered)
    pin = Pin.from_text("1234")
    good = encipher_pin(TEST_TDES, Format.ISO_0, pin, TEST_PAN, b"")
    decipher_pin(TEST_TDES, Format.ISO_0, good, TEST_PAN)
    with pytest.raises(DecodeError):
        decipher_pin(TEST_TDES, Format.ISO_0, bytes(8), TEST_PAN)
    decipher_pin(TEST_AES, Format.ISO_4, encipher_pin(TEST_AES, Format.ISO_4, pin, TEST_PAN, bytes(8)), TEST_PAN)
    assert len(kept) == 3
    assert not any(octet for field in kept for octet in field)


@pytest.mark.parametrize("form", [0, 1, 2, 3, 4, 9])
def test_no_clear_field_is_left_in_memory(form: int) -> None:
    """A process that has encoded, deciphered and translated blocks (9: SM4's) is searched for the clear PIN field."""

    def found(stage: str) -> int:
        return counted("tests.protocols.pin.pin_leftovers", str(form), stage)

    assert found("control") > 0, "the search must find a field that is there"
    assert found("used") == 0
