# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a virtual card has of RSA: its certificates, made at personalisation, and its signatures. TEST keys only.

The signing half of :mod:`protocols.emv.oda`, written apart from it, since a twin must not share the code that judges
it: EMV 4.4 Book 2, 5.1, 6.1, 6.5.1 and 6.6.1. Timing does not matter here, because the keys are published.
"""

import hashlib
from typing import NamedTuple

from device_profiles.authority_profile import EXPONENT, TestAuthority, TestIssuer, TestKeyPair

HEADER, TRAILER, PAD = b"\x6a", b"\xbc", b"\xbb"
ISSUER_CERTIFICATE, STATIC, CARD_CERTIFICATE, DYNAMIC = b"\x02", b"\x03", b"\x04", b"\x05"
SHA_1_AND_RSA = b"\x01\x01"
AROUND = 23  # octets: header, format, hash and trailer
EXPONENT_OCTETS = bytes((EXPONENT,))


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()  # the standard's hash


class CardRsa:
    """A TEST private key, used through its primes."""

    __slots__ = ("_p", "_p_private", "_q", "_q_inverse", "_q_private", "modulus", "octets")

    def __init__(self, pair: TestKeyPair) -> None:
        self._p, self._q = pair.primes
        self.modulus = self._p * self._q
        self.octets = (self.modulus.bit_length() + 7) // 8
        self._p_private = pow(EXPONENT, -1, self._p - 1)
        self._q_private = pow(EXPONENT, -1, self._q - 1)
        self._q_inverse = pow(self._q, -1, self._p)

    def raised(self, text: bytes) -> bytes:
        """The private operation on a text as long as the modulus."""
        number = int.from_bytes(text, "big")
        left, right = pow(number, self._p_private, self._p), pow(number, self._q_private, self._q)
        whole = right + (left - right) * self._q_inverse % self._p * self._q
        return whole.to_bytes(self.octets, "big")

    def signed(self, form: bytes, body: bytes, behind: bytes = b"") -> bytes:
        """``body``, filled up, as a signature that gives its text back; ``behind`` is hashed only (Annex A2.1)."""
        text = form + body.ljust(self.octets - AROUND, PAD)
        return self.raised(HEADER + text + _sha1(text + behind) + TRAILER)

    @property
    def modulus_octets(self) -> bytes:
        """The public half."""
        return self.modulus.to_bytes(self.octets, "big")


class Certificate(NamedTuple):
    """A certificate and the part of the key that did not fit into it."""

    octets: bytes
    remainder: bytes


def _certificate(signer: CardRsa, form: bytes, named: bytes, key: CardRsa, behind: bytes) -> Certificate:
    fixed = named + SHA_1_AND_RSA + bytes((key.octets, len(EXPONENT_OCTETS)))
    room = signer.octets - AROUND - len(fixed)
    inside, remainder = key.modulus_octets[:room], key.modulus_octets[room:]
    return Certificate(signer.signed(form, fixed + inside, remainder + EXPONENT_OCTETS + behind), remainder)


def issuer_certificate(authority: TestAuthority, issuer: TestIssuer) -> Certificate:
    """Tags 90 and 92 (Book 2, 5.1, table 2)."""
    named = bytes.fromhex(issuer.identifier.ljust(8, "F") + authority.expires + issuer.serial)
    return _certificate(CardRsa(authority.key), ISSUER_CERTIFICATE, named, CardRsa(issuer.key), b"")


def card_certificate(issuer: CardRsa, expires: str, pan: str, serial: str, key: CardRsa, static: bytes) -> Certificate:
    """Tags 9F46 and 9F48, or with no ``static`` data 9F2D and 9F2F (Book 2, 6.1, table 10, and 7.1, table 24)."""
    named = bytes.fromhex(pan.ljust(20, "F") + expires + serial)
    return _certificate(issuer, CARD_CERTIFICATE, named, key, static)


def static_signature(issuer: CardRsa, code: bytes, static: bytes) -> bytes:
    """Tag 93: ``code`` is the data authentication code (Book 2, 5.1, table 3)."""
    return issuer.signed(STATIC, b"\x01" + code, static)


def dynamic_signature(key: CardRsa, data: bytes, behind: bytes) -> bytes:
    """Tag 9F4B over ICC dynamic ``data`` and what the terminal gave (Book 2, 6.5.1, table 15)."""
    return key.signed(DYNAMIC, b"\x01" + bytes((len(data),)) + data, behind)


def combined_data(number: bytes, cid: int, cryptogram: bytes, transaction: bytes) -> bytes:
    """The ICC dynamic data of CDA: number, CID, cryptogram and the transaction's hash (Book 2, 6.6.1, table 19)."""
    return bytes((len(number),)) + number + bytes((cid,)) + cryptogram + _sha1(transaction)
