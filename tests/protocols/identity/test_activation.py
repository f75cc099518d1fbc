# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Codes: every slip of one sign, or of two that changed places, is told; small letters and O for 0 are taken."""

import hashlib

import pytest

from protocols.errors import DecodeError
from protocols.identity.activation import ALPHABET, code_of, proof_of, read_code

CODES = [code_of(hashlib.sha256(bytes([number])).digest()[:10]) for number in range(20)]


def test_as_typed() -> None:
    for code in CODES:
        assert read_code(code) == code
        assert read_code(f" {code.lower().replace('-', ' ')} ") == code
        assert read_code(code.replace("0", "O").replace("1", "l")) == code


@pytest.mark.parametrize("code", CODES[:5])
def test_every_single_slip_is_told(code: str) -> None:
    for place, sign in enumerate(code):
        if sign == "-":
            continue
        for other in ALPHABET:
            if other != sign:
                with pytest.raises(DecodeError, match="mistyped"):
                    read_code(code[:place] + other + code[place + 1 :])


@pytest.mark.parametrize("code", CODES)
def test_two_signs_that_changed_places_are_told(code: str) -> None:
    bare = code.replace("-", "")
    for first in range(15):
        for second in range(first + 1, 15):
            if bare[first] != bare[second]:
                signs = list(bare)
                signs[first], signs[second] = signs[second], signs[first]
                with pytest.raises(DecodeError, match="mistyped"):
                    read_code("".join(signs))


@pytest.mark.parametrize("typed", ["", "1234", "U" * 16, "0" * 17, "\u0660" * 16])
def test_what_cannot_be_a_code(typed: str) -> None:
    with pytest.raises(DecodeError, match="16 letters and digits expected"):
        read_code(typed)


def test_a_proof_is_for_one_application() -> None:
    assert proof_of(CODES[0], "a" * 64) != proof_of(CODES[0], "b" * 64)
    assert len(proof_of(CODES[0], "a" * 64)) == 64
