# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Application cryptograms and what they rest on: card keys, session keys, ARQC, ARPC. Knows no tag and no command.

The way of a key (EMV 4.3 Book 2, Annex A1): the issuer's master key and the account give the card's master key; that
key and the transaction counter may give a session key; one of the two makes the cryptogram as a MAC over data that the
cryptogram version names, and answers it with the ARPC. Which of the two, and how the data is padded, is a property of
the card application's cryptogram version number (CVN): see :data:`VERSIONS`.

Card and issuer compute the same; the card holds only its own master key.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from protocols.errors import EncodeError, IntegrityError
from protocols.mac import Padding, RetailMacKey
from protocols.octets import xor
from protocols.pan import Pan
from protocols.primitives import BlockKey, KeyOctets, TdesKey, Use, with_odd_parity
from protocols.secret import ClearKey

CRYPTOGRAM_OCTETS = 8
_DECIMALS = str.maketrans("abcdef", "012345")  # EMV 4.3 Book 2, A1.4.2, step 3


class Method(Enum):
    """The two ways of an issuer to answer a cryptogram (EMV 4.3 Book 2, 8.2)."""

    ARPC_1 = 1
    """Response code added to the cryptogram and enciphered: 8 octets."""
    ARPC_2 = 2
    """MAC over cryptogram, card status update and proprietary data: 4 octets."""


@dataclass(frozen=True, slots=True)
class Version:
    """How a cryptogram version makes its cryptograms."""

    number: int
    session_key: bool
    """Whether a session key of the transaction counter is used instead of the card's master key."""
    padding: Padding
    answer: Method


CVN_10 = Version(10, False, Padding.ZEROS, Method.ARPC_1)
CVN_17 = Version(17, False, Padding.ZEROS, Method.ARPC_1)
CVN_18 = Version(18, True, Padding.ONE_AND_ZEROS, Method.ARPC_2)

VERSIONS: Mapping[int, Version] = MappingProxyType({version.number: version for version in (CVN_10, CVN_17, CVN_18)})
"""Cryptogram versions of Visa-like applications whose arithmetic is public and covered by vectors."""


def account_block(pan: Pan, sequence_number: int | None) -> bytes:
    """The rightmost 16 digits of PAN and sequence number as BCD (EMV 4.3 Book 2, A1.4.1): 8 octets."""
    return bytes.fromhex(_account_digits(pan, sequence_number)[-16:].rjust(16, "0"))


def icc_master_key_a(issuer_key: BlockKey, account: bytes) -> ClearKey:
    """The card's master key by option A from an account block (EMV 4.3 Book 2, A1.4.1): 16 octets, odd parity."""
    if len(account) != 8:
        raise EncodeError(f"account block of {len(account)} octets, 8 expected")
    return _two_parts(issuer_key, account, xor(account, b"\xff" * 8))


def icc_master_key_b(issuer_key: BlockKey, pan: Pan, sequence_number: int | None) -> ClearKey:
    """The card's master key by option B, for PANs above 16 digits (EMV 4.3 Book 2, A1.4.2); else option A."""
    if len(pan) <= 16:
        return icc_master_key_a(issuer_key, account_block(pan, sequence_number))
    digits = _account_digits(pan, sequence_number)
    # SHA-1 here spreads account digits; nothing rests on its resistance to collisions.
    digest = hashlib.sha1(bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, "0")), usedforsecurity=False)
    text = digest.hexdigest()
    chosen = "".join(character for character in text if character.isdigit())
    chosen += "".join(character for character in text if character.isalpha()).translate(_DECIMALS)
    return icc_master_key_a(issuer_key, bytes.fromhex(chosen[:16]))


def session_key(card_key: KeyOctets, diversifier: bytes) -> ClearKey:
    """The session key of a diversifier of 8 octets (EMV 4.3 Book 2, A1.3.1): 16 octets, odd parity."""
    if len(diversifier) != 8:
        raise EncodeError(f"diversifier of {len(diversifier)} octets, 8 expected")
    left, right = (diversifier[:2] + mark + diversifier[3:] for mark in (b"\xf0", b"\x0f"))
    with TdesKey(card_key, Use.ENCIPHER) as key:
        return _two_parts(key, left, right)


def session_key_of_counter(card_key: KeyOctets, counter: bytes) -> ClearKey:
    """The session key for an application transaction counter of 2 octets, filled with zeros (A1.3.1)."""
    if len(counter) != 2:
        raise EncodeError(f"transaction counter of {len(counter)} octets, 2 expected")
    return session_key(card_key, counter + bytes(6))


def application_cryptogram(key: KeyOctets, data: bytes, padding: Padding) -> bytes:
    """ARQC, TC or AAC over ``data`` (EMV 4.3 Book 2, 8.1.2 and A1.2.1): 8 octets. Card, and issuer to compare."""
    return RetailMacKey(key).mac(data, padding)


def verify_cryptogram(key: KeyOctets, data: bytes, padding: Padding, received: bytes) -> None:
    """:class:`IntegrityError` unless ``received`` is the whole cryptogram over ``data``. Issuer side, constant time."""
    if not hmac.compare_digest(application_cryptogram(key, data, padding), received):
        raise IntegrityError("the application cryptogram does not match the transaction data")


def arpc_1(key: KeyOctets, cryptogram: bytes, response_code: bytes) -> bytes:
    """The issuer's answer by method 1 (EMV 4.3 Book 2, 8.2.1): 8 octets. ``response_code`` has 2 octets."""
    if len(cryptogram) != CRYPTOGRAM_OCTETS or len(response_code) != 2:
        raise EncodeError(
            f"ARPC method 1 takes a cryptogram of 8 octets and a response code of 2, "
            f"{len(cryptogram)} and {len(response_code)} given"
        )
    with TdesKey(key, Use.ENCIPHER) as cipher:
        return cipher.encipher(xor(cryptogram, response_code + bytes(6)))


def arpc_2(key: KeyOctets, cryptogram: bytes, card_status_update: bytes, proprietary: bytes = b"") -> bytes:
    """The issuer's answer by method 2 (EMV 4.3 Book 2, 8.2.2): 4 octets. Up to 8 octets of proprietary data."""
    if len(cryptogram) != CRYPTOGRAM_OCTETS or len(card_status_update) != 4 or len(proprietary) > 8:
        raise EncodeError(
            f"ARPC method 2 takes a cryptogram of 8 octets, a status update of 4 and up to 8 more, "
            f"{len(cryptogram)}, {len(card_status_update)} and {len(proprietary)} given"
        )
    return RetailMacKey(key).mac(cryptogram + card_status_update + proprietary, Padding.ONE_AND_ZEROS)[:4]


def _account_digits(pan: Pan, sequence_number: int | None) -> str:
    number = sequence_number or 0  # a card without a sequence number counts as 00
    if not 0 <= number <= 99:
        raise EncodeError(f"PAN sequence number {number}, 0 to 99 expected")
    return f"{pan.digits}{number:02}"


def _two_parts(key: BlockKey, left: bytes, right: bytes) -> ClearKey:
    parts = bytearray(key.encipher(left))
    parts += key.encipher(right)
    made = ClearKey(with_odd_parity(parts))
    parts[:] = bytes(len(parts))
    return made
