# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A TEST certification authority with its issuers, as read from TOML: private keys of ours. It signs nothing itself.

Only virtual cards are certified by it. The keys' names say TEST; no payment system knows them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from device_profiles import catalog
from device_profiles.hexadecimal import octets
from tillguard.settings import load

KIND = "authorities"
EXPONENT = 3  # EMV 4.4 Book 2, Annex B2.1: 3 or 65537
MODULUS_OCTETS = range(64, 249)  # most: EMV 4.4 Book 2, Annex D1; fewer hold no certificate


def _number(text: str, what: str) -> int:
    try:
        value = int.from_bytes(bytes.fromhex(text), "big")
    except ValueError:
        value = 0
    if value < 3 or not value & 1:
        raise ValueError(f"{what}: an odd number in hexadecimal digits expected")
    return value


@dataclass(frozen=True, slots=True)
class TestKeyPair:
    """A TEST key pair of RSA with exponent 3, as its two primes."""

    __test__ = False
    test_p: str = field(repr=False)
    test_q: str = field(repr=False)

    def __post_init__(self) -> None:
        p, q = self.primes
        bits = (p * q).bit_length()
        if not (p - 1) % EXPONENT or not (q - 1) % EXPONENT or bits % 8 or bits // 8 not in MODULUS_OCTETS:
            raise ValueError(
                "test-p and test-q: primes whose product fills 64 to 248 octets and fits exponent 3 expected"
            )

    @property
    def primes(self) -> tuple[int, int]:
        """Both."""
        return _number(self.test_p, "test-p"), _number(self.test_q, "test-q")


@dataclass(frozen=True, slots=True)
class TestIssuer:
    """An issuer: the leading digits of its account numbers, its certificate's serial number, its key."""

    __test__ = False
    identifier: str
    serial: str
    key: TestKeyPair

    def __post_init__(self) -> None:
        if not (3 <= len(self.identifier) <= 8 and self.identifier.isascii() and self.identifier.isdigit()):
            raise ValueError("identifier: 3 to 8 digits expected")
        octets(self.serial, "serial", 3)


@dataclass(frozen=True, slots=True)
class TestAuthority:
    """The authority. ``rids``: the payment systems whose authority it plays; ``expires``: MMYY of all certificates."""

    __test__ = False
    title: str
    rids: tuple[str, ...]
    index: str
    expires: str
    key: TestKeyPair
    issuers: Mapping[str, TestIssuer]

    def __post_init__(self) -> None:
        octets(self.index, "index", 1)
        for rid in self.rids:
            octets(rid, "rids", 5)
        if not re.fullmatch(r"(0[1-9]|1[0-2])[0-9]{2}", self.expires):
            raise ValueError("expires: MMYY expected")


def load_authority(name_or_path: str) -> TestAuthority:
    """An authority of this package by name, or of a user's own file by path; Fault where there is none."""
    return load(catalog.find(KIND, name_or_path), TestAuthority)
