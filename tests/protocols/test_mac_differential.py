# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""MACs against psec and the ``openssl`` command: other implementations, random keys and messages.

OpenSSL has no retail MAC, but one CBC run over a long random string holds the chaining value of each of its prefixes;
each prefix is a message, so a few calls of the command judge thousands of MACs.
"""

import random
import subprocess

import psec
import pytest
from cryptography.utils import CryptographyDeprecationWarning

from protocols.mac import CbcMacKey, CmacKey, Padding, RetailMacKey, Sha2, hmac_sha2
from protocols.primitives import AesKey, BlockKey, Sm4Key, TdesKey
from tests.protocols.crypto_evidence import RUNS, recorded

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning"
)
SEED = 20170404
CASES = 10_000


def openssl(mode: str, key: bytes, data: bytes, *, iv: bytes | None = None, decrypt: bool = False) -> bytes:
    """The ``openssl enc`` command over whole blocks."""
    command = ["openssl", "enc", f"-{mode}", "-nopad", "-K", key.hex(), *(["-d"] if decrypt else [])]
    command += [] if iv is None else ["-iv", iv.hex()]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def test_retail_and_cbc_macs_against_openssl() -> None:
    source = random.Random(SEED)
    per_key = 500
    for _ in range(CASES // per_key):
        key = source.randbytes(16)
        left, right = key[:8] * 3, key[8:] * 3
        data = source.randbytes(8 * per_key)
        chained = openssl("des-ede3-cbc", left, data, iv=bytes(8))
        retail = openssl("des-ede3", left, openssl("des-ede3", right, chained, decrypt=True))
        triple = openssl("des-ede3-cbc", key + key[:8], data, iv=bytes(8))
        ours, simple, both = RetailMacKey(key), CbcMacKey(TdesKey(key[:8])), CbcMacKey(TdesKey(key))
        for end in range(8, len(data) + 1, 8):
            place = slice(end - 8, end)
            message = data[:end]
            if end % 128:  # the short ones in full, of the long ones every 16th: the walk is the same
                chaining = chained[end - 16 : end - 8] if end > 8 else bytes(8)
                assert ours.last(chaining, data[place], Padding.NONE) == retail[place]
                assert simple.last(chaining, data[place], Padding.ZEROS) == chained[place]
            else:
                assert ours.mac(message, Padding.NONE) == retail[place]
                assert simple.mac(message, Padding.ZEROS) == chained[place]
                assert both.mac(message, Padding.NONE) == triple[place]


def doubled(value: bytes) -> bytes:
    """Doubling in GF(2^n), as SP 800-38B, 6.1 makes its subkeys."""
    bits = 8 * len(value)
    number = int.from_bytes(value, "big") << 1
    if number >> bits:
        number ^= 1 << bits | {64: 0x1B, 128: 0x87}[bits]
    return number.to_bytes(len(value), "big")


@pytest.mark.parametrize(
    ("kind", "cipher", "size"),
    [
        (AesKey, "aes-128", 16),
        (AesKey, "aes-192", 24),
        (AesKey, "aes-256", 32),
        (TdesKey, "des-ede3", 24),
        (Sm4Key, "sm4", 16),
    ],
)
def test_cmac_against_openssl_block_by_block(kind: type[BlockKey], cipher: str, size: int) -> None:
    source = random.Random(f"{cipher} {SEED}")
    blocks = 250
    ecb = cipher if cipher == "des-ede3" else f"{cipher}-ecb"
    for _ in range(CASES // blocks):
        key = source.randbytes(size)
        ours = CmacKey(kind(key))
        octets = ours.block_octets
        data = source.randbytes(octets * blocks)
        chained = bytes(octets) + openssl(f"{cipher}-cbc", key, data, iv=bytes(octets))
        whole = doubled(openssl(ecb, key, bytes(octets)))
        broken = doubled(whole)
        lengths = [max(1, source.randrange(octets * blocks)) for _ in range(blocks)]
        lasts = b""
        for length in lengths:
            start = (length - 1) // octets * octets
            tail = data[start:length]
            masked = xor(tail, whole) if len(tail) == octets else xor((tail + b"\x80").ljust(octets, b"\x00"), broken)
            lasts += xor(masked, chained[start : start + octets])
        expected = openssl(ecb, key, lasts)
        for place, length in enumerate(lengths):
            assert ours.mac(data[:length]) == expected[place * octets : (place + 1) * octets]


@pytest.mark.parametrize("cipher", ["AES-128-CBC", "AES-192-CBC", "AES-256-CBC", "DES-EDE3-CBC", "SM4-CBC"])
def test_cmac_against_the_openssl_mac_command(cipher: str) -> None:
    source = random.Random(cipher)
    kind: type[BlockKey] = {"AES": AesKey, "DES": TdesKey, "SM4": Sm4Key}[cipher[:3]]
    size = {"AES-128-CBC": 16, "AES-256-CBC": 32, "SM4-CBC": 16}.get(cipher, 24)
    for _ in range(6):
        key, data = source.randbytes(size), source.randbytes(source.randrange(80))
        command = ["openssl", "mac", "-cipher", cipher, "-macopt", f"hexkey:{key.hex()}", "-in", "-", "CMAC"]
        said = subprocess.run(command, input=data, capture_output=True, check=True).stdout
        assert kind(key).cmac(data).hex().upper() == said.decode().strip()


@pytest.mark.parametrize("function", Sha2)
def test_hmac_against_the_openssl_command(function: Sha2) -> None:
    source = random.Random(function.value)
    for _ in range(6):
        key, data = source.randbytes(source.randrange(1, 160)), source.randbytes(source.randrange(300))
        command = ["openssl", "mac", "-digest", function.value, "-macopt", f"hexkey:{key.hex()}", "-in", "-", "HMAC"]
        said = subprocess.run(command, input=data, capture_output=True, check=True).stdout
        assert hmac_sha2(key, data, function).hex().upper() == said.decode().strip()


def against_psec(cases: int, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(cases):
        key, other = source.randbytes(16), source.randbytes(16)
        data = source.randbytes(source.randrange(1, 48))
        method = source.choice([Padding.ZEROS, Padding.ONE_AND_ZEROS, Padding.LENGTH])
        assert RetailMacKey(key).mac(data, method) == psec.mac.generate_retail_mac(key[:8], key[8:], data, int(method))
        assert CbcMacKey(TdesKey(other)).mac(data, method) == psec.mac.generate_cbc_mac(other, data, int(method))


def test_against_psec() -> None:
    against_psec(CASES, SEED)


@pytest.mark.long
def test_against_psec_long() -> None:
    name = "retail MAC and CBC-MAC against psec"
    with recorded(name, SEED + 1):
        against_psec(RUNS[name], SEED + 1)
