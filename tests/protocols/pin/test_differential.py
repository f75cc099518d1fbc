# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN blocks and references against psec, an independent library: random keys, PINs, accounts and tables."""

import random
from collections.abc import Callable

import psec
import pytest
from cryptography.utils import CryptographyDeprecationWarning

from protocols.errors import DecodeError
from protocols.pan import Pan
from protocols.pin.iso9564 import (
    Format,
    decipher_format_4,
    decode_format_0,
    decode_format_2,
    decode_format_3,
    encipher_format_4,
    encode_format_0,
    encode_format_2,
    encode_format_3,
)
from protocols.pin.reference import DecimalisationTable, offset, pin_from_offset, pvv
from protocols.pin.translation import translate
from protocols.primitives import AesKey, TdesKey
from protocols.secret import ClearPinBlock, Pin
from tests.protocols.crypto_evidence import RUNS, recorded

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning"
)
CASES = 10_000
SEED = 95_64


def number(source: random.Random, least: int, most: int) -> str:
    return "".join(source.choices("0123456789", k=source.randint(least, most)))


def digits(pin: Pin) -> str:
    return "".join(str(digit) for digit in pin)


def blocks(cases: int, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(cases):
        text, account = number(source, 4, 12), number(source, 13, 19)
        pin, pan = Pin.from_text(text), Pan(account)
        assert bytes(encode_format_0(pin, pan).reveal()) == psec.pinblock.encode_pinblock_iso_0(text, account)
        assert bytes(encode_format_2(pin).reveal()) == psec.pinblock.encode_pinblock_iso_2(text)
        ours = encode_format_3(pin, pan, source.randbytes(8))
        assert psec.pinblock.decode_pinblock_iso_3(bytes(ours.reveal()), account) == text
        theirs = psec.pinblock.encode_pinblock_iso_3(text, account)
        assert digits(decode_format_3(ClearPinBlock(theirs), pan)) == text


def enciphered_blocks(cases: int, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(cases):
        text, account = number(source, 4, 12), number(source, 12, 19)
        octets = source.randbytes(source.choice([16, 24, 32]))
        key, pan = AesKey(octets), Pan(account)
        ours = encipher_format_4(key, Pin.from_text(text), pan, source.randbytes(8))
        assert psec.pinblock.decipher_pinblock_iso_4(octets, ours, account) == text
        theirs = psec.pinblock.encipher_pinblock_iso_4(octets, text, account)
        assert digits(decipher_format_4(key, theirs, pan)) == text


def verdicts(cases: int, seed: int) -> None:
    """Mutated blocks: both libraries accept the same ones and read the same PIN."""
    source = random.Random(seed)
    for _ in range(cases):
        text, account = number(source, 4, 12), number(source, 13, 19)
        pin, pan = Pin.from_text(text), Pan(account)
        for encoded, decode, their_decode in (
            (encode_format_0(pin, pan), decode_format_0, psec.pinblock.decode_pinblock_iso_0),
            (encode_format_3(pin, pan, source.randbytes(8)), decode_format_3, psec.pinblock.decode_pinblock_iso_3),
            (encode_format_2(pin), lambda block, _: decode_format_2(block), lambda block, _: _iso_2(block)),
        ):
            mutated = bytearray(encoded.reveal())
            for _ in range(source.randint(1, 2)):
                mutated[source.randrange(8)] ^= 1 << source.randrange(8)
            try:
                ours: str | None = digits(decode(ClearPinBlock(bytes(mutated)), pan))
            except DecodeError:
                ours = None
            try:
                theirs: str | None = their_decode(bytes(mutated), account)
            except ValueError:
                theirs = None
            assert ours == theirs


def _iso_2(block: bytes) -> str:
    return str(psec.pinblock.decode_pinblock_iso_2(block))


def translations(cases: int, seed: int) -> None:
    """Format 0 to 0, 3 and 4 against deciphering, decoding, encoding and enciphering anew; garbage blocks included."""
    source = random.Random(seed)
    for _ in range(cases):
        text, account = number(source, 4, 12), number(source, 13, 19)
        first, second, modern = source.randbytes(16), source.randbytes(16), source.randbytes(16)
        pan, keys = Pan(account), (TdesKey(first), TdesKey(second), AesKey(modern))
        block = psec.des.encrypt_tdes_ecb(first, psec.pinblock.encode_pinblock_iso_0(text, account))
        expected = psec.des.encrypt_tdes_ecb(second, psec.pinblock.encode_pinblock_iso_0(text, account))
        assert translate(keys[0], Format.ISO_0, keys[1], Format.ISO_0, block, pan) == expected
        random8 = source.randbytes(8)
        three = translate(keys[0], Format.ISO_0, keys[1], Format.ISO_3, block, pan, random8)
        clear = psec.des.decrypt_tdes_ecb(second, three)
        assert psec.pinblock.decode_pinblock_iso_3(clear, account) == text
        four = translate(keys[0], Format.ISO_0, keys[2], Format.ISO_4, block, pan, random8)
        assert psec.pinblock.decipher_pinblock_iso_4(modern, four, account) == text
        with pytest.raises(DecodeError):  # under another key; one block in ten million would pass by chance
            translate(keys[1], Format.ISO_0, keys[1], Format.ISO_0, block, pan)


def references(cases: int, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(cases):
        octets, account, index = source.randbytes(16), number(source, 13, 19), number(source, 1, 1)
        key, text = TdesKey(octets), number(source, 4, 12)
        assert pvv(key, Pan(account), int(index), Pin.from_text(text)) == psec.pin.generate_visa_pvv(
            octets, index, text[:4], account
        )
        table = number(source, 16, 16)
        ours = DecimalisationTable(table, strict=False)
        data = number(source, 16, 16)
        assert offset(key, ours, data, Pin.from_text(text)) == psec.pin.generate_ibm3624_offset(
            octets, table, text, data, 0, 16, "F"
        )
        step = number(source, 4, 12)
        assert digits(pin_from_offset(key, ours, data, step)) == psec.pin.generate_ibm3624_pin(
            octets, table, step, data, 0, 16, "F"
        )


def test_blocks() -> None:
    blocks(CASES, SEED)


def test_enciphered_blocks() -> None:
    enciphered_blocks(CASES, SEED + 1)


def test_verdicts_on_mutated_blocks() -> None:
    verdicts(CASES, SEED + 2)


def test_translations() -> None:
    translations(CASES, SEED + 5)


def test_references() -> None:
    references(CASES, SEED + 3)


LONG: dict[str, Callable[[int, int], None]] = {
    "PIN blocks against psec": blocks,
    "PIN blocks of format 4 against psec": enciphered_blocks,
    "verdicts on mutated PIN blocks against psec": verdicts,
    "PIN translation against psec": translations,
    "PVV and IBM 3624 against psec": references,
}


@pytest.mark.long
@pytest.mark.parametrize("name", LONG)
def test_long(name: str) -> None:
    with recorded(name, SEED + 4):
        LONG[name](RUNS[name], SEED + 4)
