# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys in parts for several people: XOR of all components, or any m of n shares. Asks no person and keeps no part.

A key enters a device as components that nobody holds all of (PCI PIN v3.1, requirement 6; ISO 11568:2023). XOR
components need every person; each component and the key have check values, so that a mistyped one is found at once.

Shares (Shamir, 1979) need m of n people. Each octet of the key is the value at 0 of a random polynomial of degree m - 1
over GF(256), with the AES polynomial x^8 + x^4 + x^3 + x + 1; share i is its value at i. Fewer shares than m say
nothing about the key, so a wrong or missing share cannot be told from a right one by itself: compare the check value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.keyblock.codes import Cipher
from protocols.primitives import (
    AesKey,
    KeyOctets,
    TdesKey,
    check_value,
    check_value_cmac,
    is_single_strength,
    with_odd_parity,
)
from protocols.secret import ClearKey, Secret

MOST_COMPONENTS = 9  # one digit in host commands (A4, GY); nobody asks nine people
MOST_SHARES = 255  # the field has 255 places other than 0
_GENERATOR = 3  # of the multiplicative group of GF(256) under the AES polynomial


def _tables() -> tuple[bytes, bytes]:
    powers = bytearray(510)
    logarithms = bytearray(256)
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logarithms[value] = exponent
        doubled = value << 1 ^ (0x11B if value & 0x80 else 0)
        value = doubled ^ value
    return bytes(powers), bytes(logarithms)


_POWERS, _LOGARITHMS = _tables()


@dataclass(frozen=True, slots=True)
class Share:
    """One share: its number from 1, how many are needed, and its octets."""

    number: int
    needed: int
    octets: ClearKey


def key_check_value(cipher: Cipher, key: KeyOctets) -> bytes:
    """The check value of a key or component: 3 octets by zeros for TDES, 5 by CMAC for AES (X9.24-1:2017, Annex A)."""
    if cipher is Cipher.AES:
        with AesKey(key) as aes:
            return check_value_cmac(aes)
    with TdesKey(key) as tdes:
        return check_value(tdes)


def split(key: KeyOctets, count: int, randomness: bytes, *, odd_parity: bool = False) -> tuple[ClearKey, ...]:
    """``count`` components whose exclusive or is ``key``. ``randomness``: fresh octets, ``count - 1`` times its length.

    ``odd_parity`` gives every component the parity of a DES key; the joined key then has to be given it as well.
    """
    size = len(key)
    if not 2 <= count <= MOST_COMPONENTS:
        raise EncodeError(f"{count} components, 2 to {MOST_COMPONENTS} expected")
    if len(randomness) < size * (count - 1):
        raise EncodeError(f"{len(randomness)} octets of randomness, {size * (count - 1)} needed")
    made = [bytearray(randomness[size * place : size * (place + 1)]) for place in range(count - 1)]
    made.append(_added([_octets(key), *made]))
    if odd_parity:
        made = [with_odd_parity(octets) for octets in made]
    return tuple(ClearKey(octets) for octets in made)


def join(components: Sequence[KeyOctets], *, odd_parity: bool = False) -> ClearKey:
    """The exclusive or of 2 to 9 components of one length (PCI PIN v3.1, 6-1). ``odd_parity`` adjusts it for DES.

    :class:`DecodeError` also for two equal components, which cancel out: that is always a person's mistake.
    """
    if not 2 <= len(components) <= MOST_COMPONENTS:
        raise DecodeError("components", f"{len(components)} given, 2 to {MOST_COMPONENTS} expected")
    octets = [_octets(component) for component in components]
    try:
        if len({len(part) for part in octets}) != 1 or not octets[0]:
            raise DecodeError("components", "all of one length expected")
        if len({bytes(part) for part in octets}) != len(octets):
            raise DecodeError("components", "two of them are equal")
        joined = _added(octets)
    finally:
        for part in octets:
            part[:] = bytes(len(part))
    return ClearKey(with_odd_parity(joined) if odd_parity else joined)


def share(key: KeyOctets, needed: int, total: int, randomness: bytes) -> tuple[Share, ...]:
    """``total`` shares of which any ``needed`` give the key again. ``randomness``: ``needed - 1`` times its length."""
    octets = _octets(key)
    size = len(octets)
    if not 2 <= needed <= total <= MOST_SHARES:
        raise EncodeError(f"{needed} of {total} shares, 2 to {MOST_SHARES} and no more needed than made expected")
    if len(randomness) < size * (needed - 1):
        raise EncodeError(f"{len(randomness)} octets of randomness, {size * (needed - 1)} needed")
    coefficients = [octets, *(bytearray(randomness[size * place : size * (place + 1)]) for place in range(needed - 1))]
    shares = []
    for number in range(1, total + 1):
        value = bytearray(size)
        for row in reversed(coefficients):  # Horner's rule at place `number`
            for place in range(size):
                value[place] = _times(value[place], number) ^ row[place]
        shares.append(Share(number, needed, ClearKey(value)))
    for row in coefficients:
        row[:] = bytes(size)
    return tuple(shares)


def combine(shares: Sequence[Share]) -> ClearKey:
    """The key of enough shares of one kind. A wrong share gives a wrong key: compare its check value."""
    numbers = [part.number for part in shares]
    if not shares or len({(part.needed, len(part.octets)) for part in shares}) != 1:
        raise DecodeError("shares", "some, all of one kind and length, expected")
    if len(set(numbers)) != len(numbers) or not all(1 <= number <= MOST_SHARES for number in numbers):
        raise DecodeError("shares", f"different numbers from 1 to {MOST_SHARES} expected")
    if len(shares) < shares[0].needed:
        raise DecodeError("shares", f"{len(shares)} given, {shares[0].needed} needed")
    used = shares[: shares[0].needed]
    value = bytearray(len(used[0].octets))
    for part in used:
        weight = 1  # Lagrange's basis at 0: the product of x / (x + own) over the other numbers
        for other in used:
            if other.number != part.number:
                weight = _times(weight, _over(other.number, other.number ^ part.number))
        for place, octet in enumerate(part.octets.reveal()):
            value[place] ^= _times(octet, weight)
    return ClearKey(value)


def confirm(cipher: Cipher, key: KeyOctets, expected: bytes) -> None:
    """:class:`IntegrityError` unless ``expected`` is the beginning, 2 octets or more, of the key's check value."""
    found = key_check_value(cipher, key)
    if len(expected) < 2 or found[: len(expected)] != expected:
        raise IntegrityError("the check value is another")


def is_weak(cipher: Cipher, key: KeyOctets) -> bool:
    """Whether a joined key is all zeros or a TDES key worth one DES key: what a device refuses (NIST SP 800-67 r2)."""
    octets = _octets(key)
    weak = not any(octets) or (cipher is Cipher.TDES and len(octets) > 8 and is_single_strength(octets))
    octets[:] = bytes(len(octets))
    return weak


def _octets(key: KeyOctets) -> bytearray:
    return bytearray(key.reveal() if isinstance(key, Secret) else key)


def _added(parts: Sequence[bytearray]) -> bytearray:
    total = bytearray(len(parts[0]))
    for part in parts:
        for place, octet in enumerate(part):
            total[place] ^= octet
    return total


def _times(first: int, second: int) -> int:
    return _POWERS[_LOGARITHMS[first] + _LOGARITHMS[second]] if first and second else 0


def _over(first: int, second: int) -> int:
    return _POWERS[_LOGARITHMS[first] - _LOGARITHMS[second] + 255] if first else 0
