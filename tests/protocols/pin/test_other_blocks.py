# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""UnionPay's SM4 blocks and the PIN change forms: public values, round trips, one error, refusals."""

import json
import random
import subprocess
from pathlib import Path

import pyemv
import pytest
from cryptography.utils import CryptographyDeprecationWarning
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin import pin_change, sm4_block
from protocols.pin.sm4_block import Variant
from protocols.primitives import Sm4Key, TdesKey, check_value
from protocols.secret import ClearKey, ClearPinBlock, Pin

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning"
)
H = bytes.fromhex
VECTORS = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "pin_blocks.json").read_text())["vectors"]
}
TEST_PAN = Pan("4000009999990016")
TEST_CARD_KEY = H("0123456789ABCDEFFEDCBA9876543210")
pins = st.text("0123456789", min_size=4, max_size=12)


def digits(pin: Pin) -> str:
    return "".join(str(digit) for digit in pin)


def test_sm4_working_key() -> None:
    vector = VECTORS["sm4-key"]
    text = vector["input"]
    key = Sm4Key(H(text["tmk"])).decipher(H(text["key_under_tmk"]))
    assert key.hex().upper() == vector["expected"]
    assert check_value(Sm4Key(key), 8).hex().upper() == text["check_value"]


@pytest.mark.parametrize("name", ["sm4-whole", "sm4-zero-filled"])
def test_sm4_vectors(name: str) -> None:
    vector = VECTORS[name]
    text, key = vector["input"], Sm4Key(H(vector["input"]["key"]))
    pin, pan, variant = Pin.from_text(text["pin"]), Pan(text["pan"]), Variant[text["variant"]]
    assert sm4_block.encode(pin, pan, variant).reveal().hex().upper() == text["clear"]
    block = sm4_block.encipher(key, pin, pan, variant)
    assert block.hex().upper() == vector["expected"]
    assert digits(sm4_block.decipher(key, block, pan, variant)) == text["pin"]
    command = ["openssl", "enc", "-sm4-ecb", "-nopad", "-K", text["key"]]
    said = subprocess.run(command, input=H(text["clear"]), capture_output=True, check=True).stdout
    assert said == block, "OpenSSL's command disagrees"


@given(pins, st.sampled_from(Variant), st.sampled_from([TEST_PAN, None]))
def test_sm4_round_trip(text: str, variant: Variant, pan: Pan | None) -> None:
    block = sm4_block.encode(Pin.from_text(text), pan, variant)
    assert digits(sm4_block.decode(block, pan, variant)) == text
    if pan is None:
        assert block.reveal().hex().upper().startswith(f"0{len(text):X}{text}".ljust(16, "F"))


def test_sm4_content_faults_are_one_error() -> None:
    said = set()
    for variant in Variant:
        good = bytes(sm4_block.encode(Pin.from_text("12345"), TEST_PAN, variant).reveal())
        for place in range(16):
            for value in range(256):
                block = ClearPinBlock(good[:place] + bytes([value]) + good[place + 1 :])
                try:
                    sm4_block.decode(block, TEST_PAN, variant)
                except DecodeError as fault:
                    said.add(str(fault))
        for other in Variant:
            if other is not variant:
                with pytest.raises(DecodeError):
                    sm4_block.decode(ClearPinBlock(good), TEST_PAN, other)
        with pytest.raises(DecodeError, match="8 octets, 16 expected"):
            sm4_block.decode(ClearPinBlock(good[:8]), TEST_PAN, variant)
        with pytest.raises(EncodeError):
            sm4_block.encipher(TdesKey(TEST_CARD_KEY), Pin.from_text("1234"), TEST_PAN, variant)
    assert len(said) == 1


def test_pin_change_vectors() -> None:
    visa = VECTORS["visa-41"]
    block = pin_change.encode_visa(Pin.from_text(visa["input"]["pin"]), H(visa["input"]["card_key"]))
    assert block.reveal().hex().upper() == visa["expected"]
    mastercard = VECTORS["mastercard-35"]
    block = pin_change.encode_mastercard(Pin.from_text(mastercard["input"]["pin"]), Pan(mastercard["input"]["pan"]))
    assert block.reveal().hex().upper() == mastercard["expected"]


def visa_against_pyemv(cases: int, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(cases):
        key = source.randbytes(16)
        new = "".join(source.choices("0123456789", k=source.randrange(4, 13)))
        current = "".join(source.choices("0123456789", k=source.randrange(4, 13))) if source.random() < 0.5 else None
        ours = pin_change.encode_visa(Pin.from_text(new), key, None if current is None else Pin.from_text(current))
        assert bytes(ours.reveal()) == pyemv.sm.format_vis_pin_block(key, new, current)


def test_visa_against_pyemv() -> None:
    visa_against_pyemv(2_000, 6)


@pytest.mark.long
def test_visa_against_pyemv_long() -> None:
    visa_against_pyemv(200_000, 7)


@given(pins, st.one_of(st.none(), pins))
def test_pin_change_round_trip(new: str, current: str | None) -> None:
    old = None if current is None else Pin.from_text(current)
    key = ClearKey(bytearray(TEST_CARD_KEY))
    block = pin_change.encode_visa(Pin.from_text(new), key, old)
    assert digits(pin_change.decode_visa(block, key, old)) == new
    assert bytes(key.reveal()) == TEST_CARD_KEY, "the caller's key was touched"
    block = pin_change.encode_mastercard(Pin.from_text(new), TEST_PAN)
    assert digits(pin_change.decode_mastercard(block, TEST_PAN)) == new


def test_pin_change_faults() -> None:
    block = pin_change.encode_visa(Pin.from_text("1234"), TEST_CARD_KEY)
    with pytest.raises(DecodeError, match="not a PIN"):
        pin_change.decode_visa(block, bytes(16))
    with pytest.raises(DecodeError, match="not a PIN"):
        pin_change.decode_mastercard(block, TEST_PAN)
    with pytest.raises(DecodeError, match="8 expected"):
        pin_change.decode_visa(ClearPinBlock(bytes(9)), TEST_CARD_KEY)
    octets = bytearray(TEST_CARD_KEY)
    pin_change.encode_visa(Pin.from_text("1234"), octets)
    assert octets == TEST_CARD_KEY, "the caller's bytearray was wiped"
    with pytest.raises(EncodeError, match="16 expected"):
        pin_change.encode_visa(Pin.from_text("1234"), bytes(8))
