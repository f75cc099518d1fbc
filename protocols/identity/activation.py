# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Activation codes: what the merchant gets by another way than the terminal. Draws no random numbers, keeps no code.

Sixteen signs in four groups, of an alphabet of 31 (no I, L, O, U, V): 74 bits and a check sign, so that a slip of the
pen is told from a wrong code. A code is spent with its first right use and dies of a few wrong ones; it opens nothing
by itself, since the certificate goes only to the key of the application that the code was made for.
"""

import hmac

from protocols.errors import DecodeError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTWXYZ"
SIGNS = 16
RANDOM_OCTETS = 10
_LABEL = b"tillguard activation 1\0"
LIFE_S = 24 * 3600
TRIES = 5
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})


def code_of(random: bytes) -> str:
    """The code of ten random octets: the number they make, modulo 31 to the 15th, and the check sign."""
    if len(random) != RANDOM_OCTETS:
        raise ValueError(f"{RANDOM_OCTETS} random octets expected")
    number, signs = int.from_bytes(random, "big"), ""
    for _ in range(SIGNS - 1):
        number, sign = divmod(number, len(ALPHABET))
        signs += ALPHABET[sign]
    signs += ALPHABET[_check(signs)]
    return "-".join("".join(signs[start : start + 4]) for start in range(0, SIGNS, 4))


def proof_of(code: str, application: str) -> str:
    """That somebody has the code, for this application's digest alone: HMAC-SHA-256 (RFC 2104), hexadecimal."""
    return hmac.digest(code.encode("ascii"), _LABEL + application.encode("ascii"), "sha256").hex()


def read_code(typed: str) -> str:
    """A code as it was typed, in its one form; :class:`DecodeError` where it cannot be one. Small letters are taken."""
    bare = "".join(typed.upper().replace("-", "").split()).translate(_READ_AS)
    if len(bare) != SIGNS or any(sign not in ALPHABET for sign in bare):
        raise DecodeError("activation code", f"{SIGNS} letters and digits expected")
    if ALPHABET[_check(bare[:-1])] != bare[-1]:
        raise DecodeError("activation code", "mistyped: its last sign does not fit the others")
    return "-".join(bare[start : start + 4] for start in range(0, SIGNS, 4))


def _check(signs: str) -> int:
    """Weighted sum modulo the alphabet's prime length: finds every wrong sign and every two that changed places."""
    return sum((place + 1) * ALPHABET.index(sign) for place, sign in enumerate(signs)) % len(ALPHABET)
