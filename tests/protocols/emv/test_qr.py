# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: every published payload is read and built alike; an exchanged or changed code is not paid (A13)."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv.qr import DYNAMIC, MerchantCode, Objects, Terms, decode, encode, sign, template, verify
from protocols.errors import DecodeError, EncodeError, IntegrityError

FACTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "emvco_qr.json").read_text(encoding="utf-8")
)["facts"]
PAYLOADS = [fact["payload"] for fact in FACTS if "crc_ok" in fact]
SHOP: Objects = (
    ("26", template((("00", "com.example"), ("01", "TILLGUARD000001")))),
    ("52", "5411"),
    ("53", "978"),
    ("54", "42.00"),
    ("58", "DE"),
    ("59", "TEST SHOP"),
    ("60", "BERLIN"),
)
TEST_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {"shop-1": TEST_KEY.public_key().public_bytes_raw()}
BOUND = {"26": SHOP[0][1], "59": "TEST SHOP"}
TERMS = Terms("order-77", 2_000, "shop-1")


def fits(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_published_payloads(payload: str) -> None:
    code = decode(payload, strict=False)
    assert encode(code.objects) == payload
    assert code.value("58") in ("CN", "BR", "LA", "KH", None)


def test_there_are_published_payloads() -> None:
    assert len(PAYLOADS) >= 10


def test_templates_and_characters_beyond_ascii() -> None:
    code = decode(PAYLOADS[0])
    assert dict(code.template("64")) == {"00": "ZH", "01": "最佳运输", "02": "北京"}
    assert code.template("62")[0][0] == "03"
    assert code.template("99") == ()
    assert code.value("59") == "BEST TRANSPORT"
    assert code.dynamic


@pytest.mark.parametrize("payload", [PAYLOADS[0], encode(SHOP)], ids=["published", "ours"])
def test_every_truncation_and_every_changed_character_is_refused(payload: str) -> None:
    for size in range(len(payload)):
        with pytest.raises(DecodeError):
            decode(payload[:size])
    for place in range(len(payload)):
        other = "7" if payload[place] != "7" else "8"
        with pytest.raises(DecodeError):
            decode(payload[:place] + other + payload[place + 1 :])


@given(st.text(max_size=120))
def test_garbage_gives_only_our_errors(text: str) -> None:
    for payload in (text, "000201" + text):
        with pytest.raises(DecodeError):
            decode(payload + "6304ZZZZ")


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        (SHOP[1:], "02 to 51"),
        (SHOP[:-1], "object 60 is missing"),
        ((*SHOP, ("59", "TWICE")), "object 59 stands there twice"),
    ],
)
def test_what_a_code_must_have(objects: Objects, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode(encode(objects))


@pytest.mark.parametrize(
    "objects",
    [(("00", "01"),), (("63", "0000"),), (("5", "x"),), (("ab", "x"),), (("59", ""),), (("59", "x" * 100),)],
    ids=str,
)
def test_what_cannot_be_encoded(objects: Objects) -> None:
    with pytest.raises(EncodeError):
        encode(objects)


def test_a_payload_has_an_end() -> None:
    with pytest.raises(EncodeError, match="512"):
        encode(tuple((f"{number}", "x" * 99) for number in range(26, 32)))
    with pytest.raises(DecodeError, match="512"):
        decode("0" * 513)


def test_a_signed_code_is_believed_and_read_by_anybody() -> None:
    payload = sign(SHOP, TERMS, TEST_KEY.sign)
    assert verify(payload, KEYS, 2_000, BOUND, fits) == TERMS
    code = decode(payload)
    assert code.value("01") == DYNAMIC
    assert code.value("54") == "42.00"


def altered(payload: str, **values: str) -> str:
    """The code with other values, its CRC made right again: what somebody with a printer can do."""
    code = decode(payload)
    return encode(tuple((name, values.get(f"o{name}", value)) for name, value in code.objects))


def test_an_exchanged_or_changed_code_is_not_paid() -> None:
    payload = sign(SHOP, TERMS, TEST_KEY.sign)
    other_key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    theirs: Objects = tuple((name, "THIEF" if name == "59" else value) for name, value in SHOP)
    cases = {
        "not signed": encode(SHOP),
        "signature is not": altered(payload, o54="4.20"),
        "is not known here": sign(SHOP, Terms("order-77", 2_000, "thief"), other_key.sign),
        "pays somebody else": sign(theirs, TERMS, TEST_KEY.sign),  # another merchant of the same acquirer
    }
    for why, code in cases.items():
        with pytest.raises(IntegrityError, match=why):
            verify(code, KEYS, 1_000, BOUND, fits)
    with pytest.raises(IntegrityError, match="signature is not"):
        verify(sign(SHOP, TERMS, other_key.sign), KEYS, 1_000, BOUND, fits)
    with pytest.raises(IntegrityError, match="time is over"):
        verify(payload, KEYS, 2_001, BOUND, fits)


def test_objects_behind_the_signature_are_refused() -> None:
    signed = decode(sign(SHOP, TERMS, TEST_KEY.sign))
    with pytest.raises(IntegrityError, match="signature is not"):
        verify(encode((*signed.objects, ("82", "extra"))), KEYS, 1_000, BOUND, fits)


@pytest.mark.parametrize(
    ("terms", "signature"),
    [("0004TGQR0204soon", "x" * 86), ("0004TGQR02041000", "x"), ("0004TGQR02041000", "é" * 86), ("0004TGQR", "x" * 86)],
)
def test_broken_terms(terms: str, signature: str) -> None:
    signed = template((("00", "TGQR"), ("01", signature)))
    code = encode((("01", DYNAMIC), *SHOP, ("80", terms + "0306shop-1"), ("81", signed)))
    with pytest.raises((DecodeError, IntegrityError)):
        verify(code, KEYS, 1_000, BOUND, fits)


def test_what_cannot_be_signed() -> None:
    with pytest.raises(EncodeError, match="put in by the encoder"):
        sign((*SHOP, ("80", "x")), TERMS, TEST_KEY.sign)
    with pytest.raises(EncodeError, match="64 expected"):
        sign(SHOP, TERMS, lambda message: b"short")


def test_an_empty_code_has_no_values() -> None:
    assert MerchantCode(()).value("59") is None
