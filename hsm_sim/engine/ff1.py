# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""FF1 for decimal digits: digits enciphered as digits of the same number. Knows no PIN and no host.

NIST SP 800-38G, 5.1: ten Feistel rounds whose function is a CBC-MAC under AES. Revision 1 asks for at least a million
possible texts; shorter ones are computed all the same, since what uses them here has no choice of length.
"""

from protocols.errors import EncodeError
from protocols.primitives import AesKey

ROUNDS = 10
_RADIX = 10
_BLOCK = 16
_LONGEST = 32  # the halves stay under 16 octets, so that the round function is one block


def encipher(key: AesKey, tweak: bytes, digits: str) -> str:
    """As many digits; ``key`` enciphers and chains, ``tweak`` is any octets that belong to the text."""
    return _walk(key, tweak, digits, range(ROUNDS), 1)


def decipher(key: AesKey, tweak: bytes, digits: str) -> str:
    """The way back."""
    return _walk(key, tweak, digits, range(ROUNDS - 1, -1, -1), -1)


def _walk(key: AesKey, tweak: bytes, digits: str, rounds: range, sign: int) -> str:
    size = len(digits)
    if not (2 <= size <= _LONGEST and digits.isascii() and digits.isdigit()):
        raise EncodeError(f"2 to {_LONGEST} decimal digits expected")
    left_size = size // 2
    right_size = size - left_size
    octets = ((10**right_size - 1).bit_length() + 7) // 8
    width = 4 * ((octets + 3) // 4) + 4
    head = b"".join(
        (
            bytes((1, 2, 1)),
            _RADIX.to_bytes(3, "big"),
            bytes((ROUNDS, left_size % 256)),
            size.to_bytes(4, "big"),
            len(tweak).to_bytes(4, "big"),
        )
    )
    filled = tweak + bytes((-len(tweak) - octets - 1) % _BLOCK)
    left, right = int(digits[:left_size]), int(digits[left_size:])
    for number in rounds:
        # Each half is as long as the round's parity says: the left half in even rounds, the right half in odd ones.
        modulus = 10 ** (left_size if number % 2 == 0 else right_size)
        kept = right if sign > 0 else left
        material = head + filled + bytes((number,)) + kept.to_bytes(octets, "big")
        mixed = int.from_bytes(key.cbc_encipher(bytes(_BLOCK), material)[-_BLOCK:][:width], "big")
        if sign > 0:
            left, right = right, (left + mixed) % modulus
        else:
            left, right = (right - mixed) % modulus, left
    return f"{left:0{left_size}}{right:0{right_size}}"
