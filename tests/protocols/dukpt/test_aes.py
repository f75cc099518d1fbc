# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""AES DUKPT: the standard's supplement, every usage and key type, receiver against pure functions, refusals.

No second Python implementation is known, so the differential partner is written here, straight from the text of the
standard over the ``openssl``-independent ECB of the ``cryptography`` package, and shares no line with the code.
"""

import json
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.dukpt.aes import (
    AES_128,
    AES_192,
    AES_256,
    HMAC_128,
    HMAC_192,
    HMAC_256,
    TDEA_2_KEY,
    TDEA_3_KEY,
    Algorithm,
    KeyType,
    Receiver,
    Usage,
    initial_key,
    transaction_key,
    update_key,
    walk,
    working_key,
)
from protocols.dukpt.ksn import AesKsn
from protocols.errors import DecodeError, EncodeError
from protocols.mac import hmac_sha2
from protocols.pan import Pan
from protocols.pin.iso9564 import encipher_format_4
from protocols.primitives import AesKey
from protocols.secret import ClearKey, Pin
from tests.protocols.crypto_evidence import RUNS, recorded

H = bytes.fromhex
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "dukpt_aes.json").read_text())["vectors"]
TYPES = {
    "2TDEA": TDEA_2_KEY,
    "3TDEA": TDEA_3_KEY,
    "AES128": AES_128,
    "AES192": AES_192,
    "AES256": AES_256,
    "HMAC128 / SHA-256": HMAC_128,
}
KEY_TYPES = [TDEA_2_KEY, TDEA_3_KEY, AES_128, AES_192, AES_256, HMAC_128, HMAC_192, HMAC_256]
WORKING = [usage for usage in Usage if usage < 0x8000]
TEST_KSN = AesKsn.from_hex("123456789012345600000000")


def shown(key: ClearKey) -> str:
    return key.reveal().hex().upper()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vectors(vector: dict[str, object]) -> None:
    text, expected, kind = vector["input"], vector["expected"], str(vector["id"]).split("-")[0]
    assert isinstance(text, dict)
    ksn = AesKsn.from_hex(text["ksn"]) if "ksn" in text else AesKsn(H(text["ikid"]) + bytes(4))
    if kind == "ik":
        assert shown(initial_key(H(text["bdk"]), ksn)) == shown(Receiver(H(text["bdk"])).initial_key(ksn)) == expected
        return
    if kind == "txn":
        initial = H(text["ik"])
        if vector["status"] == "verified-but-must-be-rejected":
            assert shown(walk(initial, ksn.number)) == expected, "the arithmetic is right"
            with pytest.raises(DecodeError, match="17 one-bits"):
                transaction_key(initial, ksn)
            with pytest.raises(DecodeError, match="17 one-bits"):
                Receiver(initial).transaction_key(ksn)
            return
        assert shown(transaction_key(initial, ksn)) == expected
        return
    if kind == "update":
        assert shown(update_key(H(text["ik"]), ksn, TYPES[text["key_type"]])) == expected
        return
    transaction = H(text["txn_key"])
    if kind == "pin4":
        with working_key(transaction, ksn, Usage.PIN_ENCRYPTION, TYPES[text["pin_key_type"]]) as key:
            block = encipher_format_4(AesKey(key), Pin.from_text("1234"), Pan(text["pan"]), H(text["pin_field"])[8:])
        assert text["pin_field"].startswith("441234")
        assert block.hex().upper() == expected
        return
    key = working_key(transaction, ksn, Usage(int(text["usage"][:4], 16)), TYPES[text["key_type"]])
    if kind == "work":
        assert shown(key) == expected
    elif kind in ("cmacreq", "cmacrsp"):
        assert AesKey(key).cmac(text["data_ascii"].encode()).hex().upper() == expected
    elif kind == "hmacreq":
        assert hmac_sha2(key, text["data_ascii"].encode()).hex().upper() == expected
    else:
        data = text["data_ascii_zero_padded"].encode()
        assert AesKey(key).cbc_encipher(bytes(16), data + bytes(-len(data) % 16)).hex().upper() == expected


def restated(parent: bytes, usage: int, key_type: KeyType, whose: bytes) -> bytes:
    """One derivation, written out field by field."""
    derived = b""
    for block in range(1, 1 + -(-key_type.octets // 16)):
        data = bytes([1, block]) + usage.to_bytes(2, "big") + int(key_type.algorithm).to_bytes(2, "big")
        data += key_type.bits.to_bytes(2, "big") + whose
        derived += Cipher(algorithms.AES(parent), modes.ECB()).encryptor().update(data)
    return derived[: key_type.octets]


def restated_walk(bdk: bytes, ksn: AesKsn) -> tuple[bytes, bytes]:
    """Initial and transaction key, bit by bit from the left."""
    own = {16: AES_128, 24: AES_192, 32: AES_256}[len(bdk)]
    initial = key = restated(bdk, 0x8001, own, ksn.octets[:8])
    so_far = 0
    for place in range(31, -1, -1):
        if ksn.counter >> place & 1:
            so_far |= 1 << place
            key = restated(key, 0x8000, own, ksn.octets[4:8] + so_far.to_bytes(4, "big"))
    return initial, key


def against_the_restatement(cases: int, seed: int) -> None:
    source = random.Random(seed)
    receivers: dict[bytes, Receiver] = {}
    for case in range(cases):
        if case % 50 == 0:
            bdk = source.randbytes(source.choice([16, 24, 32]))
            receivers = {bdk: Receiver(bdk, remember=source.choice([0, 5, 4096]))}
        counter = source.randrange(1, 1 << source.randrange(1, 33))
        while bin(counter).count("1") > 16:
            counter &= counter - 1
        ksn = AesKsn(source.randbytes(8) + bytes(4)).with_counter(counter)
        initial, transaction = restated_walk(bdk, ksn)
        assert bytes(initial_key(bdk, ksn).reveal()) == initial
        assert bytes(transaction_key(initial, ksn).reveal()) == transaction
        assert bytes(receivers[bdk].transaction_key(ksn).reveal()) == transaction
        usage, key_type = source.choice(WORKING), source.choice(KEY_TYPES)
        if key_type.algorithm < Algorithm.AES_128 or key_type.octets <= len(bdk):
            expected = restated(transaction, usage, key_type, ksn.octets[4:])
            assert bytes(working_key(transaction, ksn, usage, key_type).reveal()) == expected
            assert bytes(receivers[bdk].working_key(ksn, usage, key_type).reveal()) == expected
            assert len(expected) == key_type.octets


def test_against_the_restatement() -> None:
    against_the_restatement(10_000, 1)


@pytest.mark.long
def test_against_the_restatement_long() -> None:
    name = "AES DUKPT against a restatement"
    with recorded(name, 2):
        against_the_restatement(RUNS[name], 2)


def test_usages_give_different_keys() -> None:
    transaction = bytes(range(32))
    ksn = TEST_KSN.with_counter(1)
    keys = [shown(working_key(transaction, ksn, usage, key_type)) for usage in WORKING for key_type in KEY_TYPES]
    assert len(set(keys)) == len(WORKING) * len(KEY_TYPES)
    assert Usage.DATA_BOTH_WAYS == 0x3002


def test_refusals() -> None:
    ksn = TEST_KSN.with_counter(1)
    for usage in (Usage.KEY_DERIVATION, Usage.KEY_DERIVATION_INITIAL_KEY):
        with pytest.raises(EncodeError, match="not a working key"):
            working_key(bytes(16), ksn, usage, AES_128)
    for key_type in (AES_192, AES_256, HMAC_192, HMAC_256):
        with pytest.raises(EncodeError, match="stronger"):
            working_key(bytes(16), ksn, Usage.PIN_ENCRYPTION, key_type)
        with pytest.raises(EncodeError, match="stronger"):
            Receiver(bytes(16)).working_key(ksn, Usage.PIN_ENCRYPTION, key_type)
    assert len(working_key(bytes(16), ksn, Usage.PIN_ENCRYPTION, TDEA_3_KEY)) == 24
    for call in (
        lambda: initial_key(bytes(8), ksn),
        lambda: Receiver(bytes(17)),
        lambda: update_key(b"", ksn, AES_128),
    ):
        with pytest.raises(EncodeError, match="16, 24 or 32"):
            call()
    for counter in (0, 0x1FFFF, 0xFFFFFFFF):
        with pytest.raises(DecodeError, match="one-bits"):
            transaction_key(bytes(16), TEST_KSN.with_counter(counter))
        with pytest.raises(DecodeError, match="one-bits"):
            Receiver(bytes(16)).working_key(TEST_KSN.with_counter(counter), Usage.PIN_ENCRYPTION, AES_128)


def test_a_wiped_receiver_derives_nothing() -> None:
    with Receiver(bytes(16)) as receiver:
        receiver.transaction_key(TEST_KSN.with_counter(1))
    with pytest.raises(EncodeError, match="wiped"):
        receiver.transaction_key(TEST_KSN.with_counter(1))
    assert "redacted" in repr(receiver)
