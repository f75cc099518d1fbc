# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""RSA public keys as hosts exchange them: RSAPublicKey of PKCS #1 in DER, its integers in one of two forms.

Encoding 02 is DER as X.690 has it: integers are signed, so a modulus whose first bit is set has a zero octet in front.
Encoding 01 leaves that octet out; a unit's published key shows it. Both are read by what they say, not by their length.
"""

from dataclasses import dataclass

from protocols.errors import DecodeError, EncodeError

UNSIGNED, SIGNED = "01", "02"
_INTEGER, _SEQUENCE = 0x02, 0x30
LARGEST_MODULUS = 512  # octets


@dataclass(frozen=True, slots=True)
class RsaPublicKey:
    """Modulus and public exponent."""

    modulus: int
    exponent: int

    def encode(self, encoding: str) -> bytes:
        """The DER of an encoding."""
        inner = b"".join(_integer(number, encoding) for number in (self.modulus, self.exponent))
        return bytes((_SEQUENCE,)) + _length(len(inner)) + inner

    @classmethod
    def decode(cls, der: bytes, encoding: str) -> "RsaPublicKey":
        """What :meth:`encode` made, and nothing that has two forms; :class:`DecodeError`."""
        inner, rest = _taken(der, _SEQUENCE)
        modulus, inner = _taken(inner, _INTEGER)
        exponent, behind = _taken(inner, _INTEGER)
        if rest or behind or not any(modulus) or not any(exponent) or len(modulus) > LARGEST_MODULUS + 1:
            raise DecodeError("public key", "modulus and exponent expected, and nothing behind")
        key = cls(int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big"))
        if key.encode(encoding) != der:
            raise DecodeError("public key", "the shortest form of its encoding expected")
        return key


def _integer(number: int, encoding: str) -> bytes:
    if number <= 0:
        raise EncodeError("a positive number expected")
    size = (number.bit_length() + (7 if encoding == UNSIGNED else 8)) // 8
    octets = number.to_bytes(size, "big")
    return bytes((_INTEGER,)) + _length(size) + octets


def _length(count: int) -> bytes:
    if count < 0x80:
        return bytes((count,))
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def _taken(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of an element of ``tag`` in front, and what is behind it."""
    if len(data) < 2 or data[0] != tag:
        raise DecodeError("public key", "another DER element expected")
    count, start = data[1], 2
    if count & 0x80:
        start = 2 + (count & 0x7F)
        if start > 4:
            raise DecodeError("public key", "a shorter DER element expected")
        count = int.from_bytes(data[2:start], "big")
    if len(data) < start + count:
        raise DecodeError("public key", "the whole DER element expected")
    return data[start : start + count], data[start + count :]
