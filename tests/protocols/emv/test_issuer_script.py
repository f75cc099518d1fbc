# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Issuer scripts: their MACs, enciphered data and PIN changes. Recorded values are in test_recorded_emv."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv import card_keys
from protocols.emv import issuer_script as subject
from protocols.emv.issuer_script import Encipherment, ScriptKeys
from protocols.errors import EncodeError
from protocols.mac import Padding, RetailMacKey
from protocols.primitives import AesKey, TdesKey
from protocols.secret import ClearPinBlock, Pin

SMI, SMC, AC_KEY = (bytes(range(start, start + 16)) for start in (1, 33, 65))
COUNTER, CRYPTOGRAM = b"\x00\x1c", bytes.fromhex("29CCA15AE665FA2E")
BLOCK = bytes.fromhex("249999FFFFFFFFFF")


def without_padding(clear: bytes) -> bytes:
    return clear.rstrip(b"\x00")[:-1]


@given(st.binary(min_size=1, max_size=80))
def test_enciphered_data_come_back(data: bytes) -> None:
    key = TdesKey(SMC)
    visa = without_padding(key.decipher(subject.encipher_data(SMC, data, Encipherment.VISA)))
    assert (visa[0], visa[1:]) == (len(data), data)
    assert without_padding(key.cbc_decipher(bytes(8), subject.encipher_data(SMC, data, Encipherment.EMV))) == data
    mastercard = key.cbc_decipher(bytes(8), subject.encipher_data(SMC, data, Encipherment.MASTERCARD))
    assert (mastercard if len(data) % 8 == 0 else without_padding(mastercard)) == data
    aes = AesKey(SMC)
    assert without_padding(aes.cbc_decipher(bytes(16), subject.aes_encipher_data(SMC, data))) == data


def test_a_pin_block_is_data_like_any_other() -> None:
    for how in Encipherment:
        assert subject.encipher_data(SMC, ClearPinBlock(BLOCK), how) == subject.encipher_data(SMC, BLOCK, how)
    assert subject.aes_encipher_data(SMC, ClearPinBlock(BLOCK)) == subject.aes_encipher_data(SMC, BLOCK)


def test_the_keys_of_a_script() -> None:
    assert subject.script_key(ScriptKeys.VISA, SMI, COUNTER, CRYPTOGRAM) == card_keys.visa_script_key(SMI, COUNTER)
    assert subject.script_key(ScriptKeys.COMMON, SMI, COUNTER, CRYPTOGRAM) == card_keys.session_key(SMI, CRYPTOGRAM)
    assert subject.SCRIPT_KEYS["visa"][0x22] is ScriptKeys.COMMON
    assert set(subject.SCRIPT_KEYS["mastercard"].values()) == {ScriptKeys.COMMON}


def test_a_macs_pieces() -> None:
    header, data = bytes.fromhex("8424000210"), b"12345678"
    whole = RetailMacKey(SMI).mac(header + COUNTER + CRYPTOGRAM + data, Padding.ONE_AND_ZEROS)
    assert subject.command_mac(SMI, header, data, COUNTER + CRYPTOGRAM) == whole
    assert subject.command_mac(SMI, header, data, COUNTER + CRYPTOGRAM, 4) == whole[:4]
    assert (
        subject.aes_command_mac(SMI, header, data, COUNTER + CRYPTOGRAM, 6)
        == AesKey(SMI).cmac(header + COUNTER + CRYPTOGRAM + data)[:6]
    )


def test_pin_changes_are_whole_commands() -> None:
    new, current = Pin.from_text("9999"), Pin.from_text("8888")
    first = subject.visa_pin_change(SMI, SMC, AC_KEY, COUNTER, CRYPTOGRAM, new)
    second = subject.visa_pin_change(SMI, SMC, AC_KEY, COUNTER, CRYPTOGRAM, new, current)
    third = subject.iso_2_pin_change(SMI, SMC, COUNTER, CRYPTOGRAM, new)
    fourth = subject.iso_2_pin_change(SMI, SMC, COUNTER, CRYPTOGRAM, new, Encipherment.VISA)
    assert [command[:5].hex() for command in (first, second, third, fourth)] == [
        "8424000218", "8424000118", "8424000210", "8424000218",
    ]  # fmt: skip
    for command in (first, second, third, fourth):
        assert len(command) == 5 + command[4]
        assert command[-8:] == subject.command_mac(SMI, command[:5], command[5:-8], COUNTER + CRYPTOGRAM)
    assert TdesKey(SMC).cbc_decipher(bytes(8), third[5:-8]) == BLOCK


def test_a_cryptogram_is_counted_up() -> None:
    assert subject.counted_up(CRYPTOGRAM, 0) == CRYPTOGRAM
    assert subject.counted_up(CRYPTOGRAM, 2).hex().upper() == "29CCA15AE665FA30"
    assert subject.counted_up(b"\xff" * 8, 1) == bytes(8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: subject.command_mac(SMI, bytes(4)),
        lambda: subject.command_mac(SMI, bytes(5), b"", bytes(9)),
        lambda: subject.command_mac(SMI, bytes(5), b"", b"", 3),
        lambda: subject.aes_command_mac(SMI, bytes(5), b"", b"", 9),
        lambda: subject.encipher_data(SMC, b"", Encipherment.EMV),
        lambda: subject.encipher_data(SMC, bytes(248), Encipherment.EMV),
        lambda: subject.aes_encipher_data(SMC, b""),
    ],
)
def test_wrong_sizes_are_the_callers_fault(call: Callable[[], object]) -> None:
    with pytest.raises(EncodeError):
        call()
