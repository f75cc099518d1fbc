# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Garbage into offline data authentication: refused with our errors, also where a genuine key signed nonsense."""

import contextlib
import hashlib
import random
from datetime import date

import pytest

from protocols.emv import oda
from protocols.errors import ProtocolError
from protocols.pan import Pan
from tests.protocols import keys_evidence
from tests.protocols.emv.oda_samples import TEST_CA, TEST_CARD, TEST_ISSUER, TEST_SCHEME, TestKey

SEED = 20_261_122
PAN, TODAY = Pan("1234560012345608"), date(2026, 11, 22)
_FORMATS = (0x02, 0x03, 0x04, 0x05)


def blob(generator: random.Random, signer: TestKey) -> bytes:
    """Noise; noise of the key's length; or noise in a good frame, enciphered by the private key but hashed wrongly."""
    kind = generator.randrange(3)
    if kind == 0:
        return generator.randbytes(generator.randrange(300))
    if kind == 1:
        return generator.randbytes(signer.octets)
    form = generator.choice(_FORMATS)
    text = b"\x6a" + bytes((form,)) + generator.randbytes(signer.octets - 3) + b"\xbc"
    return pow(int.from_bytes(text, "big"), signer.private, signer.modulus).to_bytes(signer.octets, "big")


def nonsense(generator: random.Random, signer: TestKey, behind: bytes) -> bytes:
    """What a hostile owner of the key signs: good frame and hash around noise."""
    covered = bytes((generator.choice(_FORMATS),)) + generator.randbytes(signer.octets - 23)
    text = b"\x6a" + covered + hashlib.sha1(covered + behind).digest() + b"\xbc"
    return pow(int.from_bytes(text, "big"), signer.private, signer.modulus).to_bytes(signer.octets, "big")


def run(cases: int, seed: int) -> None:
    """Of blobs none is accepted; of signed nonsense whatever is must not end in an error of another kind."""
    generator = random.Random(seed)
    issuer = oda.IssuerKey(TEST_ISSUER.public, b"\0\0\1", TODAY)
    for _ in range(cases):
        rest, exponent = generator.randbytes(generator.randrange(40)), generator.choice((b"\x03", b"\x01\x00\x01", b""))
        behind = generator.randbytes(generator.randrange(20))
        which = generator.randrange(5)
        signer = (TEST_CA, TEST_ISSUER, TEST_ISSUER, TEST_CARD, TEST_CARD)[which]

        def check(
            signed: bytes, which: int = which, rest: bytes = rest, more: bytes = behind, e: bytes = exponent
        ) -> None:
            if which == 0:
                oda.issuer_key(TEST_SCHEME, signed, rest, e, PAN, TODAY)
            elif which == 1:
                oda.icc_key(issuer, signed, rest, e, PAN, more, TODAY)
            elif which == 2:
                oda.verify_sda(issuer, signed, more)
            elif which == 3:
                oda.verify_dda(TEST_CARD.public, signed, more)
            else:
                oda.verify_cda(TEST_CARD.public, signed, more, rest, 0x80)

        with pytest.raises(ProtocolError):
            check(blob(generator, signer))
        with contextlib.suppress(ProtocolError):
            check(
                nonsense(generator, signer, (rest + exponent if which < 2 else b"") + (b"" if which == 0 else behind))
            )


def test_garbage() -> None:
    run(300, SEED)


@pytest.mark.long
def test_garbage_long() -> None:
    name = "garbage into certificate recovery"
    with keys_evidence.recorded(name, SEED + 1):
        run(keys_evidence.RUNS[name], SEED + 1)
