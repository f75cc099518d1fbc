# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Card codes: public values, the relations between them, psec as the other implementation, refusals."""

import json
import random
from pathlib import Path

import psec
import pytest
from cryptography.utils import CryptographyDeprecationWarning

from protocols.card_code import (
    CardVerificationKey,
    amex_csc,
    cavv,
    cvc3,
    cvc3_iv,
    cvv,
    cvv2,
    dcvv,
    icvv,
    matches,
)
from protocols.errors import EncodeError
from protocols.pan import Pan
from protocols.primitives import TdesKey, with_odd_parity
from tests.protocols.crypto_evidence import RUNS, recorded

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning"
)
H = bytes.fromhex
VECTORS = [
    vector
    for vector in json.loads((Path(__file__).parents[1] / "vectors" / "cvv_pvv_ibm.json").read_text())["vectors"]
    if vector["id"].startswith(("cvv", "cavv", "cvc3", "dcvv"))
]
TEST_CVK = H("0123456789ABCDEFFEDCBA9876543210")


def card_key(issuer: bytes, pan: str, psn: str) -> bytes:
    """EMV option A, restated for the tests: the issuer's key diversified by the last 16 digits of PAN and PSN."""
    block = H((pan + psn)[-16:].rjust(16, "0"))
    key = TdesKey(issuer)
    return bytes(with_odd_parity(key.encipher(block) + key.encipher(bytes(octet ^ 0xFF for octet in block))))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vectors(vector: dict[str, object]) -> None:
    text = vector["input"]
    assert isinstance(text, dict)
    kind = str(vector["id"]).split("-")[0]
    pan = Pan(text["pan"])
    if kind == "cvv":
        code = cvv(CardVerificationKey(H(text["cvk"])), pan, text["expiry"], text["service_code"])
    elif kind == "cavv":
        code = cavv(CardVerificationKey(H(text["cvk"])), pan, text["upn"], text["auth_result"], text["second_factor"])
    elif kind == "dcvv":
        key = card_key(H(text["imk"]), text["pan"], text["psn"])
        code = dcvv(CardVerificationKey(key), pan, text["expiry"], text["service_code"], text["atc"])
    else:
        key = card_key(H(text["imk"]), text["pan"], text["psn"])
        five = cvc3(key, cvc3_iv(key, H(text["track_template"])), H(text["atc"]), H(text["un"]))
        assert len(five) == 5
        code = five[-len(str(vector["expected"])) :]
    assert code == vector["expected"]
    assert matches(code, str(vector["expected"]))


def test_variants_differ_by_service_code_alone() -> None:
    key, pan = CardVerificationKey(TEST_CVK), Pan("4000009999990016")
    assert cvv2(key, pan, "2812") == cvv(key, pan, "2812", "000")
    assert icvv(key, pan, "2812") == cvv(key, pan, "2812", "999")
    assert dcvv(key, pan, "2812", "201", pan.digits[:4]) == cvv(key, pan, "2812", "201")
    assert cavv(key, pan, "2812", "2", "01") == cvv(key, pan, "2812", "201")
    assert not matches(cvv2(key, pan, "2812"), "00")
    assert repr(key) == "CardVerificationKey(redacted)"


def against_psec(cases: int, seed: int) -> None:
    source, short = random.Random(seed), 0
    for _ in range(cases):
        key = source.randbytes(16)
        pan = "".join(source.choices("0123456789", k=source.randrange(12, 20)))
        expiry = "".join(source.choices("0123456789", k=4))
        service = "".join(source.choices("0123456789", k=3))
        ours = cvv(CardVerificationKey(key), Pan(pan), expiry, service)
        theirs = psec.cvv.generate_cvv(key, pan, expiry, service)
        # psec 1.3.0 has no second pass: a block with fewer than three decimal digits gives it a shorter code.
        assert len(ours) == 3
        assert ours.startswith(theirs)
        short += len(theirs) < 3
    assert short <= cases // 2_000


def test_against_psec() -> None:
    against_psec(10_000, 3)


@pytest.mark.long
def test_against_psec_long() -> None:
    name = "CVV against psec"
    with recorded(name, 4):
        against_psec(RUNS[name], 4)


def test_decimalisation_falls_back_to_letters() -> None:
    source = random.Random(5)
    key = CardVerificationKey(TEST_CVK)
    # Sixteen digits asked for: all decimal digits first, then every letter less ten, in order.
    for _ in range(200):
        digits = "".join(source.choices("0123456789", k=30))
        long = key.code(digits, 16)
        assert len(long) == 16
        assert long.isdigit()
        assert long.startswith(key.code(digits))


def test_american_express() -> None:
    # Structure only: no public value is known. The issuer digits decide where the expiry stands.
    key = TdesKey(TEST_CVK)
    codes = amex_csc(key, Pan("371234567890123"), "9912")
    assert (len(codes.five), len(codes.four), len(codes.three)) == (5, 4, 3)
    assert (codes.five + codes.four + codes.three).isdigit()
    block = key.encipher(H("9912" + "123456789012")).hex().upper()
    decimals = [c for c in block if c.isdigit()]
    assert (codes.five + codes.four + codes.three).startswith("".join(decimals)[:12])
    assert amex_csc(key, Pan("341234567890123"), "9912") != codes
    letters = {letter: str((ord(letter) - 64 + 5) % 10) for letter in "ABCDEF"}
    expected = decimals + [
        str(ord(c) - 64) if place < 5 else letters[c] for place, c in enumerate(block) if not c.isdigit()
    ]
    assert codes.five + codes.four + codes.three == "".join(expected)[:12]


@pytest.mark.parametrize("number", ["4000009999990016", "361234567890123", "37123456789012"])
def test_american_express_refuses_other_numbers(number: str) -> None:
    with pytest.raises(EncodeError) as caught:
        amex_csc(TdesKey(TEST_CVK), Pan(number), "9912")
    assert number not in str(caught.value)


def test_bad_input_is_refused_and_not_quoted() -> None:
    key, pan = CardVerificationKey(TEST_CVK), Pan("4000009999990016")
    for call in (
        lambda: cvv(key, pan, "281", "201"),
        lambda: cvv(key, pan, "28x2", "201"),
        lambda: cvv(key, pan, "2812", "2001"),
        lambda: dcvv(key, pan, "2812", "201", "00G1"),
        lambda: cavv(key, pan, "2812", "22", "01"),
        lambda: key.code("0" * 33),
        lambda: key.code("xyz"),
        lambda: CardVerificationKey(bytes(8)),
        lambda: cvc3(TEST_CVK, bytes(2), bytes(2), bytes(3)),
        lambda: cvc3(TEST_CVK, bytes(1), bytes(2), bytes(4)),
        lambda: amex_csc(TdesKey(TEST_CVK), Pan("371234567890123"), "991"),
    ):
        with pytest.raises(EncodeError) as caught:
            call()
        assert pan.digits not in str(caught.value)
