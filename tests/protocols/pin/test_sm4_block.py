# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""UnionPay's SM4 blocks: public values, OpenSSL's SM4, round trips, the one error, refusals."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin import sm4_block
from protocols.pin.sm4_block import Variant
from protocols.primitives import Sm4Key, TdesKey, check_value
from protocols.secret import ClearPinBlock, Pin

H = bytes.fromhex
VECTORS = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "pin_blocks.json").read_text())["vectors"]
}
TEST_PAN = Pan("4000009999990016")
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
            sm4_block.encipher(TdesKey(bytes(16)), Pin.from_text("1234"), TEST_PAN, variant)
    assert len(said) == 1
