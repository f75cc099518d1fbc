# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN change forms of issuer scripts: public values, pyemv, round trips, faults."""

import json
import random
from pathlib import Path

import pyemv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin import pin_change
from protocols.secret import ClearKey, ClearPinBlock, Pin
from tests.protocols.crypto_evidence import RUNS, recorded

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
    name = "Visa PIN change against pyemv"
    with recorded(name, 7):
        visa_against_pyemv(RUNS[name], 7)


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
