# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a decoder of PINs, serial numbers, states or references is given, it returns a value or raises
DecodeError (IntegrityError for a MAC), and the error's text never holds the input.

CI runs a few hundred cases a codec; ``-m long`` runs at least 100 000, from the seed below.
"""

import random
from collections.abc import Callable

import pytest

from protocols.dukpt.ksn import AesKsn, TdesKsn
from protocols.dukpt.originator import AesOriginator, OriginatorState, TdesOriginator
from protocols.errors import DecodeError, IntegrityError
from protocols.mac import RetailMacKey
from protocols.pan import Pan, Track2
from protocols.pin import pin_change, sm4_block
from protocols.pin.iso9564 import (
    Format,
    decipher_pin,
    decode_format_0,
    decode_format_1,
    decode_format_2,
    decode_format_3,
    decode_format_4,
    encipher_pin,
    encode_format_0,
    encode_format_1,
    encode_format_2,
    encode_format_3,
    encode_format_4,
)
from protocols.pin.reference import DecimalisationTable, natural_pin, pin_from_offset
from protocols.pin.translation import translate
from protocols.primitives import AesKey, Sm4Key, TdesKey
from protocols.secret import ClearPinBlock, Pin
from tests.protocols.crypto_evidence import garbage_run, recorded

SEED = 9564
CI_CASES, LONG_CASES = 400, 100_000
TEST_OCTETS = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
TDES, AES, SM4 = TdesKey(TEST_OCTETS), AesKey(TEST_OCTETS), Sm4Key(TEST_OCTETS)
MAC, TABLE = RetailMacKey(TEST_OCTETS), DecimalisationTable("0123456789012345")
PAN, PIN, RANDOM = Pan("4000009999990016"), Pin.from_text("73915"), bytes(range(8))
TDES_KSN, AES_KSN = TdesKsn.from_hex("FFFF9876543210E00000"), AesKsn.from_hex("123456789012345600000000")

Decoder = Callable[[bytes], object]


def block(encoded: ClearPinBlock) -> bytes:
    return bytes(encoded.reveal())


def enciphered(form: Format) -> tuple[Decoder, bytes]:
    key = AES if form == Format.ISO_4 else TDES
    return (lambda data: decipher_pin(key, form, data, PAN)), encipher_pin(key, form, PIN, PAN, RANDOM)


def sm4(variant: sm4_block.Variant) -> tuple[Decoder, bytes]:
    return (lambda data: sm4_block.decipher(SM4, data, PAN, variant)), sm4_block.encipher(SM4, PIN, PAN, variant)


def text(read: Callable[[str], object]) -> Decoder:
    return lambda data: read(data.decode("latin-1"))


CODECS: dict[str, tuple[Decoder, bytes]] = {
    "format 0": (lambda data: decode_format_0(ClearPinBlock(data), PAN), block(encode_format_0(PIN, PAN))),
    "format 1": (lambda data: decode_format_1(ClearPinBlock(data)), block(encode_format_1(PIN, RANDOM))),
    "format 2": (lambda data: decode_format_2(ClearPinBlock(data)), block(encode_format_2(PIN))),
    "format 3": (lambda data: decode_format_3(ClearPinBlock(data), PAN), block(encode_format_3(PIN, PAN, RANDOM))),
    "format 4": (lambda data: decode_format_4(ClearPinBlock(data)), block(encode_format_4(PIN, RANDOM))),
    "format 0 enciphered": enciphered(Format.ISO_0),
    "format 1 enciphered": enciphered(Format.ISO_1),
    "format 3 enciphered": enciphered(Format.ISO_3),
    "format 4 enciphered": enciphered(Format.ISO_4),
    "translation": (
        lambda data: translate(TDES, Format.ISO_0, TDES, Format.ISO_0, data, PAN),
        encipher_pin(TDES, Format.ISO_0, PIN, PAN, b""),
    ),
    "SM4 whole field": sm4(sm4_block.Variant.WHOLE_FIELD),
    "SM4 zero-filled": sm4(sm4_block.Variant.ZERO_FILLED),
    "Visa PIN change": (
        lambda data: pin_change.decode_visa(ClearPinBlock(data), TEST_OCTETS, PIN),
        block(pin_change.encode_visa(PIN, TEST_OCTETS, PIN)),
    ),
    "Mastercard PIN change": (
        lambda data: pin_change.decode_mastercard(ClearPinBlock(data), PAN),
        block(pin_change.encode_mastercard(PIN, PAN)),
    ),
    "TDES KSN": (TdesKsn, TDES_KSN.with_counter(3).octets),
    "TDES KSN as text": (TdesKsn.from_hex, str(TDES_KSN).encode()),
    "AES KSN": (AesKsn, AES_KSN.with_counter(3).octets),
    "AES KSN as text": (AesKsn.from_hex, str(AES_KSN).encode()),
    "TDES DUKPT state": (
        lambda data: TdesOriginator.restore(OriginatorState(data)),
        bytes(TdesOriginator(TEST_OCTETS, TDES_KSN).state().reveal()),
    ),
    "AES DUKPT state": (
        lambda data: AesOriginator.restore(OriginatorState(data)),
        bytes(AesOriginator(TEST_OCTETS, AES_KSN).state().reveal()),
    ),
    "decimalisation table": (text(DecimalisationTable), b"0123456789012345"),
    "validation data": (text(lambda given: natural_pin(TDES, TABLE, given)), b"4000009999990016"),
    "PIN offset": (text(lambda given: pin_from_offset(TDES, TABLE, "4000009999990016", given)), b"12345"),
    "PAN": (text(Pan), b"4000009999990016"),
    "track 2": (text(Track2.from_text), b"4000009999990016D281220112345"),
    "retail MAC": (lambda data: MAC.verify(b"message", data), MAC.mac(b"message")),
}


def judge(decode: Decoder, data: bytes) -> bool:
    """Whether ``data`` was accepted; anything but a value or the two errors fails the test."""
    try:
        decode(data)
    except (DecodeError, IntegrityError) as fault:
        if len(data) >= 4:
            shown = str(fault)
            assert data.hex() not in shown.lower()
            assert data.decode("latin-1") not in shown
        return False
    return True


def garbage(cases: int, seed: int, decode: Decoder, good: bytes) -> None:
    source = random.Random(seed)
    for _ in range(cases):
        kind = source.randrange(3)
        if kind == 0:
            data = source.randbytes(source.choice([len(good), source.randrange(2 * len(good) + 2)]))
        else:
            mutated = bytearray(good)
            for _ in range(source.randint(1, 4)):
                mutated[source.randrange(len(mutated))] = source.randrange(256)
            data = bytes(mutated if kind == 1 else mutated[: source.randrange(len(mutated) + 1)])
        judge(decode, data)


@pytest.mark.parametrize("name", CODECS)
def test_the_good_one_is_accepted_and_every_truncation_refused(name: str) -> None:
    decode, good = CODECS[name]
    assert judge(decode, good)
    # These take shorter input by rule: a left part of a MAC, offsets from 4 digits, serial numbers filled with F,
    # account numbers from 8 digits, tracks with less discretionary data.
    least = {"retail MAC": 4, "PIN offset": 4, "TDES KSN as text": 16, "PAN": 8, "track 2": 24}.get(name, len(good))
    for size in range(len(good)):
        assert judge(decode, good[:size]) == (size >= least), size
    if name not in ("PIN offset", "PAN", "track 2"):
        assert not judge(decode, good + good[:1])


@pytest.mark.parametrize("name", CODECS)
def test_every_one_octet_mutation(name: str) -> None:
    decode, good = CODECS[name]
    for place in range(len(good)):
        for value in range(256):
            judge(decode, good[:place] + bytes([value]) + good[place + 1 :])


@pytest.mark.parametrize("name", CODECS)
def test_garbage(name: str) -> None:
    garbage(CI_CASES, SEED, *CODECS[name])


@pytest.mark.long
@pytest.mark.parametrize("name", CODECS)
def test_garbage_long(name: str) -> None:
    with recorded(garbage_run(name), SEED + 1):
        garbage(LONG_CASES, SEED + 1, *CODECS[name])
