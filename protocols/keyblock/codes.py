# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the characters of a key block's header mean: versions, usages, algorithms, modes, exportability. Data only.

ANSI X9.143:2021, 6.2 and 6.3 (TR-31:2018, A.5; ISO 20038:2017, Annex A for version E). Digits in a field are the
owner's own codes; any other code that is not listed is unknown, which a codec keeps and a policy refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Self


class Cipher(Enum):
    """The block cipher of a protection key."""

    TDES = "TDES"
    AES = "AES"


class Binding(Enum):
    """How the key for encipherment and the key for authentication come from the protection key."""

    VARIANT = "variant"
    """Exclusive or with 45.. and 4D.. ("E" and "M")."""
    DERIVATION_CBC = "derivation, CBC"
    DERIVATION_CTR = "derivation, CTR"


@dataclass(frozen=True, slots=True)
class Form:
    """What a version identifier prescribes (X9.143:2021, 6.2, table 1 and 7; ISO 20038:2017, A.2 for E)."""

    version: str
    words: str
    cipher: Cipher
    binding: Binding
    block_octets: int
    mac_octets: int
    seniority: int
    """Order of strength for a policy's floor: a higher number binds better."""


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        form.version: form
        for form in (
            Form("A", "TDES, key variant binding (TR-31:2005)", Cipher.TDES, Binding.VARIANT, 8, 4, 1),
            Form("C", "TDES, key variant binding (TR-31:2010)", Cipher.TDES, Binding.VARIANT, 8, 4, 2),
            Form("B", "TDES, key derivation binding (TR-31:2010)", Cipher.TDES, Binding.DERIVATION_CBC, 8, 8, 3),
            Form("E", "AES, key derivation binding, CTR (ISO 20038)", Cipher.AES, Binding.DERIVATION_CTR, 16, 16, 4),
            Form("D", "AES, key derivation binding, CBC (TR-31:2018)", Cipher.AES, Binding.DERIVATION_CBC, 16, 16, 5),
        )
    }
)


class _Code(StrEnum):
    words: str

    def __new__(cls, code: str, words: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member


class Algorithm(_Code):
    """What the wrapped key is a key of (X9.143:2021, 6.3.2, table 3)."""

    AES = "A", "AES"
    DES = "D", "DES"
    ELLIPTIC_CURVE = "E", "elliptic curve"
    HMAC = "H", "HMAC"
    RSA = "R", "RSA"
    DSA = "S", "DSA"
    TDES = "T", "triple DES"


KEY_OCTETS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {Algorithm.TDES: (16, 24), Algorithm.AES: (16, 24, 32), Algorithm.DES: (8,)}
)
"""Lengths that a symmetric key may have; the longest is what X9.143:2021, 5 and 6.1 pad to, which hides the length."""
HIDDEN_OCTETS: Mapping[str, int] = MappingProxyType({Algorithm.TDES: 24, Algorithm.DES: 24, Algorithm.AES: 32})


class Mode(_Code):
    """What operation the key may do (X9.143:2021, 6.3.3, table 4)."""

    BOTH = "B", "encipher and decipher, wrap and unwrap"
    GENERATE_VERIFY = "C", "generate and verify"
    DECIPHER = "D", "decipher or unwrap only"
    ENCIPHER = "E", "encipher or wrap only"
    GENERATE = "G", "generate only"
    UNRESTRICTED = "N", "no restriction but the usage's"
    SIGN = "S", "sign only"
    SIGN_DECIPHER = "T", "sign and decipher"
    VERIFY = "V", "verify only"
    DERIVE = "X", "derive other keys"
    VARIANT = "Y", "make key variants"


class Exportability(_Code):
    """Whether the key may leave (X9.143:2021, 6.3.5, table 6)."""

    TRUSTED = "E", "exportable in a key block under a trusted key"
    NONE = "N", "not exportable"
    SENSITIVE = "S", "sensitive: exportable in other forms as well"


class Context(_Code):
    """Where the block may be used (X9.143:2021, 6.2, table 1, octet 14)."""

    ANY = "0", "as the wrapping key says"
    STORAGE = "1", "storage only"
    EXCHANGE = "2", "exchange only"


@dataclass(frozen=True, slots=True)
class Usage:
    """One key usage: its code, words, and the algorithms and modes that the standard allows with it."""

    code: str
    words: str
    algorithms: str
    modes: str


_SYMMETRIC, _TDES_AES, _ASYMMETRIC = "TADH", "TA", "RES"
_ENCIPHER, _MAC, _DERIVE = "BDEN", "CGVN", "XN"

USAGES: Mapping[str, Usage] = MappingProxyType(
    {
        code: Usage(code, words, algorithms, modes)
        for code, words, algorithms, modes in (
            ("B0", "base derivation key (BDK)", _TDES_AES, _DERIVE),
            ("B1", "initial DUKPT key", _TDES_AES, _DERIVE),
            ("B2", "base key variant key", _TDES_AES, "XYN"),
            ("B3", "key derivation key (not X9.24)", _TDES_AES, _DERIVE),
            ("C0", "card verification key", _TDES_AES, _MAC),
            ("D0", "data encipherment key", _TDES_AES + "D", _ENCIPHER),
            ("D1", "asymmetric key pair for data", _ASYMMETRIC, _ENCIPHER),
            ("D2", "key for a decimalisation table", _TDES_AES, _ENCIPHER),
            ("D3", "key for sensitive data", _TDES_AES, _ENCIPHER),
            ("E0", "issuer master key: application cryptograms", _TDES_AES, _DERIVE),
            ("E1", "issuer master key: script confidentiality", _TDES_AES, _DERIVE),
            ("E2", "issuer master key: script integrity", _TDES_AES, _DERIVE),
            ("E3", "issuer master key: data authentication code", _TDES_AES, _DERIVE),
            ("E4", "issuer master key: dynamic numbers", _TDES_AES, _DERIVE),
            ("E5", "issuer master key: card personalisation", _TDES_AES, _DERIVE),
            ("E6", "issuer master key: other", _TDES_AES, _DERIVE),
            ("E7", "chip card key pair for PIN encipherment", _ASYMMETRIC, _ENCIPHER),
            ("I0", "initialisation vector", _SYMMETRIC, "N"),
            ("K0", "key encipherment key", _TDES_AES, _ENCIPHER),
            ("K1", "key block protection key (X9.143)", _TDES_AES, _ENCIPHER),
            ("K2", "key pair of a TR-34 receiver", _ASYMMETRIC, _ENCIPHER),
            ("K3", "key pair for key wrapping or agreement", _ASYMMETRIC, "BDEXN"),
            ("K4", "key block protection key (ISO 20038)", _TDES_AES, _ENCIPHER),
            ("M0", "MAC key, ISO 16609 algorithm 1", "T", _MAC),
            ("M1", "MAC key, ISO 9797-1 algorithm 1", _TDES_AES + "D", _MAC),
            ("M2", "MAC key, ISO 9797-1 algorithm 2", _TDES_AES + "D", _MAC),
            ("M3", "MAC key, ISO 9797-1 algorithm 3", _TDES_AES + "D", _MAC),
            ("M4", "MAC key, ISO 9797-1 algorithm 4", _TDES_AES + "D", _MAC),
            ("M5", "MAC key, ISO 9797-1:1999 algorithm 5", _TDES_AES + "D", _MAC),
            ("M6", "MAC key, CMAC", _TDES_AES, _MAC),
            ("M7", "MAC key, HMAC", "H", _MAC),
            ("M8", "MAC key, ISO 9797-1 algorithm 6", _TDES_AES, _MAC),
            ("P0", "PIN encipherment key", _TDES_AES, _ENCIPHER),
            ("P1", "PIN generation key", _TDES_AES, _MAC),
            ("S0", "key pair for signatures", _ASYMMETRIC, "SVN"),
            ("S1", "key pair of a certification authority", _ASYMMETRIC, "SVN"),
            ("S2", "key pair for other than X9.24", _ASYMMETRIC, "SVTBDEN"),
            ("V0", "PIN verification key, other", _TDES_AES, _MAC),
            ("V1", "PIN verification key, IBM 3624", _TDES_AES, _MAC),
            ("V2", "PIN verification key, Visa PVV", _TDES_AES, _MAC),
            ("V3", "PIN verification key, X9.132 algorithm 1", _TDES_AES, _MAC),
            ("V4", "PIN verification key, X9.132 algorithm 2", _TDES_AES, _MAC),
            ("V5", "PIN verification key, X9.132 algorithm 3", _TDES_AES, _MAC),
        )
    }
)
"""Key usages (X9.143:2021, 6.3.1, table 2)."""


def is_own(code: str) -> bool:
    """Whether a code is left to the owner: digits (X9.143:2021, 6.3)."""
    return code.isdigit()


def usage_words(code: str) -> str:
    """A usage in words."""
    known = USAGES.get(code)
    return known.words if known else _other(code)


def algorithm_words(code: str) -> str:
    """An algorithm in words."""
    return _words(Algorithm, code)


def mode_words(code: str) -> str:
    """A mode of use in words."""
    return _words(Mode, code)


def exportability_words(code: str) -> str:
    """An exportability in words."""
    return _words(Exportability, code)


def context_words(code: str) -> str:
    """A key context in words."""
    return _words(Context, code)


def _words(table: type[_Code], code: str) -> str:
    return next((member.words for member in table if member.value == code), _other(code))


def _other(code: str) -> str:
    return "the owner's own code" if is_own(code) else "unknown to the standard"
