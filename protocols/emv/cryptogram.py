# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Application cryptograms and their answers: what a card proves, and how its issuer replies. Knows no command.

The way of a key (EMV 4.3 Book 2, Annex A1, :mod:`protocols.emv.card_keys`): the issuer's master key and the account
give the card's master key; that key and the transaction counter may give a session key; one of the two makes the
cryptogram as a MAC over data that the cryptogram version names, and answers it with the ARPC. Which of the two, how the
data is padded and what it is made of is a property of the card application's cryptogram version number (CVN): see
:data:`VISA_VERSIONS` and :data:`MASTERCARD_VERSIONS`, whose numbers overlap.

Card and issuer compute the same; the card holds only its own master key.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from protocols.emv.card_keys import (
    account_block,
    icc_master_key_a,
    icc_master_key_b,
    icc_master_key_c,
    mastercard_session_key,
    session_key,
    session_key_of_counter,
)
from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.key_series import KeySeries
from protocols.mac import Padding, pad
from protocols.octets import xor
from protocols.primitives import AesKey, KeyOctets, TdesKey, Use
from protocols.secret import ClearKey, Secret

__all__ = [
    "CRYPTOGRAM_OCTETS",
    "CVN_10",
    "CVN_17",
    "CVN_18",
    "CVN_22",
    "MASTERCARD_VERSIONS",
    "VERSIONS",
    "VISA_VERSIONS",
    "AesCryptogramKey",
    "CryptogramKey",
    "Method",
    "Option",
    "Session",
    "Tail",
    "Version",
    "account_block",
    "application_cryptogram",
    "arpc_1",
    "arpc_2",
    "cryptogram_data",
    "icc_master_key_a",
    "icc_master_key_b",
    "icc_master_key_c",
    "mastercard_session_key",
    "session_key",
    "session_key_of_counter",
    "transaction_key",
    "verify_cryptogram",
]

CRYPTOGRAM_OCTETS = 8
_KEY = 16  # octets: EMV uses TDES keys of double length only


class Method(Enum):
    """The two ways of an issuer to answer a cryptogram (EMV 4.3 Book 2, 8.2)."""

    ARPC_1 = 1
    """Response code added to the cryptogram and enciphered: 8 octets."""
    ARPC_2 = 2
    """MAC over cryptogram, card status update and proprietary data: 4 octets."""


class Option(Enum):
    """How the card's master key is made (EMV 4.3 Book 2, A1.4)."""

    A = "A"
    B = "B"


class Session(Enum):
    """Which key makes the cryptogram."""

    NONE = "the card's master key"
    COMMON = "a session key of the counter"
    MASTERCARD = "a session key of counter and unpredictable number"


class Tail(Enum):
    """What of the issuer application data (9F10) a cryptogram covers, behind the terminal's data."""

    VISA_CVR = (3, None)
    """The card verification results with their length octet, of formats 0, 1 and 3."""
    VISA_CVR_OCTET_2 = (4, 5)
    WHOLE = (0, None)
    MASTERCARD_CVR = (2, 8)
    MASTERCARD_CVR_COUNTERS = (2, 18)
    """The 6 octets of results and the 8 of counters; the data authentication code between them is left out."""


_TERMINAL = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36)
_QUICK = (0x9F02, 0x9F37, 0x9F36)
_IAD = 0x9F10


@dataclass(frozen=True, slots=True)
class Version:
    """How a cryptogram version makes its cryptograms."""

    number: int
    session_key: bool
    """Whether a session key is used instead of the card's master key."""
    padding: Padding
    answer: Method
    option: Option = Option.A
    session: Session = Session.NONE
    answer_under_session: bool = False
    """Whether the answer is made with the session key; otherwise with the card's master key."""
    covered: tuple[int, ...] = _TERMINAL
    tail: Tail = Tail.WHOLE


def _version(
    number: int, option: Option, session: Session, answer: Method, under_session: bool, tail: Tail,
    padding: Padding = Padding.ONE_AND_ZEROS, covered: tuple[int, ...] = _TERMINAL,
) -> Version:  # fmt: skip
    return Version(number, session is not Session.NONE, padding, answer, option, session, under_session, covered, tail)


CVN_10 = _version(10, Option.A, Session.NONE, Method.ARPC_1, False, Tail.VISA_CVR, Padding.ZEROS)
CVN_17 = _version(17, Option.A, Session.NONE, Method.ARPC_1, False, Tail.VISA_CVR_OCTET_2, Padding.ZEROS, _QUICK)
CVN_18 = _version(18, Option.B, Session.COMMON, Method.ARPC_2, True, Tail.WHOLE)
CVN_22 = _version(0x22, Option.B, Session.COMMON, Method.ARPC_2, True, Tail.WHOLE)

VERSIONS: Mapping[int, Version] = MappingProxyType({version.number: version for version in (CVN_10, CVN_17, CVN_18)})
"""The Visa-like versions of cards with issuer application data in formats 0, 1 and 3 (7 octets)."""
VISA_VERSIONS: Mapping[int, Version] = MappingProxyType({**VERSIONS, CVN_22.number: CVN_22})
"""These and version 22 (hexadecimal), which cards with format 2 (32 octets) have: as 18, but for its script keys."""
MASTERCARD_VERSIONS: Mapping[int, Version] = MappingProxyType(
    {
        number: _version(number, Option.A, session, Method.ARPC_1, session is Session.COMMON, tail)
        for number, session, tail in (
            (16, Session.MASTERCARD, Tail.MASTERCARD_CVR),
            (17, Session.MASTERCARD, Tail.MASTERCARD_CVR_COUNTERS),
            (20, Session.COMMON, Tail.MASTERCARD_CVR),
            (21, Session.COMMON, Tail.MASTERCARD_CVR_COUNTERS),
        )
    }
)
"""M/Chip: bit 3 of the number chooses the common session key, bit 1 adds the counters to what is covered."""


class CryptogramKey:
    """A TDES key for cryptograms and their answers, as live contexts. Bound to one thread."""

    __slots__ = ("_chain", "_final", "_state")

    def __init__(self, key: KeyOctets, series: KeySeries | None = None) -> None:
        """Copy a key of 16 octets: the card's master key or a session key. ``series`` makes the contexts, if given."""
        octets = key.reveal() if isinstance(key, Secret) else key
        if len(octets) != _KEY:
            raise EncodeError(f"cryptogram key of {len(octets)} octets, {_KEY} expected")
        own = KeySeries(TdesKey, _KEY) if series is None else series
        left = bytearray(_KEY)
        left[:8] = left[8:] = octets[:8]
        self._chain = own.chain(left)
        self._final = own.encipher(octets)
        self._state = 0  # what the live chain adds by itself: the last block it gave out
        left[:] = bytes(_KEY)
        if series is None:
            own.wipe()

    def cryptogram(self, data: bytes, padding: Padding) -> bytes:
        """ARQC, TC or AAC over ``data`` (EMV 4.3 Book 2, 8.1.2 and A1.2.1): 8 octets. Card, and issuer to compare.

        ISO/IEC 9797-1:2011 algorithm 3: all blocks but the last are chained under the left half of the key.
        """
        padded = pad(data, padding, 8)
        mixed = int.from_bytes(padded[-8:], "big")
        if len(padded) > 8:
            first = int.from_bytes(padded[:8], "big") ^ self._state
            last = self._chain(first.to_bytes(8, "big") + padded[8:-8])[-8:]
            self._state = int.from_bytes(last, "big")
            mixed ^= self._state
        return self._final(mixed.to_bytes(8, "big"))

    def verify(self, data: bytes, padding: Padding, received: bytes) -> None:
        """:class:`IntegrityError` unless ``received`` is the whole cryptogram. Issuer side, constant time."""
        if not hmac.compare_digest(self.cryptogram(data, padding), received):
            raise IntegrityError("the application cryptogram does not match the transaction data")

    def answer_1(self, cryptogram: bytes, response_code: bytes) -> bytes:
        """The issuer's answer by method 1 (EMV 4.3 Book 2, 8.2.1): 8 octets. ``response_code`` has 2 octets."""
        return self._final(_answer_1_block(cryptogram, response_code))

    def answer_2(self, cryptogram: bytes, card_status_update: bytes, proprietary: bytes = b"") -> bytes:
        """The issuer's answer by method 2 (EMV 4.3 Book 2, 8.2.2): 4 octets. Up to 8 octets of proprietary data."""
        data = _answer_2_data(cryptogram, card_status_update, proprietary)
        return self.cryptogram(data, Padding.ONE_AND_ZEROS)[:4]

    def __repr__(self) -> str:
        return "CryptogramKey(redacted)"


class AesCryptogramKey:
    """An AES key for cryptograms and answers: the MAC is CMAC (EMV 4.3 Book 2, A1.2.2). Bound to one thread."""

    __slots__ = ("_key",)

    def __init__(self, key: KeyOctets) -> None:
        """Copy a session key of 16, 24 or 32 octets."""
        self._key = AesKey(key, Use.CMAC)

    def cryptogram(self, data: bytes) -> bytes:
        """ARQC, TC or AAC over ``data``: the left 8 octets of its CMAC. Card, and issuer to compare."""
        return self._key.cmac(data)[:CRYPTOGRAM_OCTETS]

    def verify(self, data: bytes, received: bytes) -> None:
        """:class:`IntegrityError` unless ``received`` is the whole cryptogram. Issuer side, constant time."""
        if not hmac.compare_digest(self.cryptogram(data), received):
            raise IntegrityError("the application cryptogram does not match the transaction data")

    def answer_2(self, cryptogram: bytes, card_status_update: bytes, proprietary: bytes = b"") -> bytes:
        """The issuer's answer by method 2, 4 octets; method 1 does not exist for AES (EMV 4.3 Book 2, 8.2.1)."""
        return self._key.cmac(_answer_2_data(cryptogram, card_status_update, proprietary))[:4]

    def __repr__(self) -> str:
        return "AesCryptogramKey(redacted)"


def transaction_key(version: Version, card_key: KeyOctets, counter: bytes, unpredictable_number: bytes) -> ClearKey:
    """The key that makes the cryptogram of a transaction: the card's own, or a session key of it (A1.3)."""
    if version.session is Session.NONE:
        return ClearKey(card_key.reveal() if isinstance(card_key, Secret) else memoryview(card_key))
    if version.session is Session.COMMON:
        return session_key_of_counter(card_key, counter)
    return mastercard_session_key(card_key, counter, unpredictable_number)


def cryptogram_data(version: Version, objects: Mapping[int, bytes]) -> bytes:
    """What a cryptogram covers, out of the transaction's data objects by tag.

    :class:`DecodeError` for an object that is missing, or issuer application data too short for the version.
    """
    missing = [tag for tag in (*version.covered, _IAD) if tag not in objects]
    if missing:
        raise DecodeError("transaction data", f"without tag {missing[0]:X}, which this cryptogram version covers")
    issuer_data, (start, stop) = objects[_IAD], version.tail.value
    if len(issuer_data) < (stop or start + 1):
        raise DecodeError(
            "issuer application data", f"{len(issuer_data)} octets, {stop or start + 1} at least expected"
        )
    tail = issuer_data[start:stop]
    if version.tail is Tail.MASTERCARD_CVR_COUNTERS:
        tail = tail[:6] + tail[8:]
    return b"".join(objects[tag] for tag in version.covered) + tail


def application_cryptogram(key: KeyOctets, data: bytes, padding: Padding) -> bytes:
    """ARQC, TC or AAC over ``data`` under one key: see :meth:`CryptogramKey.cryptogram`."""
    return CryptogramKey(key).cryptogram(data, padding)


def verify_cryptogram(key: KeyOctets, data: bytes, padding: Padding, received: bytes) -> None:
    """:class:`IntegrityError` unless ``received`` is the whole cryptogram over ``data``. Issuer side, constant time."""
    CryptogramKey(key).verify(data, padding, received)


def arpc_1(key: KeyOctets, cryptogram: bytes, response_code: bytes) -> bytes:
    """The issuer's answer by method 1 under one key: see :meth:`CryptogramKey.answer_1`."""
    with TdesKey(key, Use.ENCIPHER) as cipher:
        return cipher.encipher(_answer_1_block(cryptogram, response_code))


def arpc_2(key: KeyOctets, cryptogram: bytes, card_status_update: bytes, proprietary: bytes = b"") -> bytes:
    """The issuer's answer by method 2 under one key: see :meth:`CryptogramKey.answer_2`."""
    return CryptogramKey(key).answer_2(cryptogram, card_status_update, proprietary)


def _answer_1_block(cryptogram: bytes, response_code: bytes) -> bytes:
    if len(cryptogram) != CRYPTOGRAM_OCTETS or len(response_code) != 2:
        raise EncodeError(
            f"ARPC method 1 takes a cryptogram of 8 octets and a response code of 2, "
            f"{len(cryptogram)} and {len(response_code)} given"
        )
    return xor(cryptogram, response_code + bytes(6))


def _answer_2_data(cryptogram: bytes, card_status_update: bytes, proprietary: bytes) -> bytes:
    if len(cryptogram) != CRYPTOGRAM_OCTETS or len(card_status_update) != 4 or len(proprietary) > 8:
        raise EncodeError(
            f"ARPC method 2 takes a cryptogram of 8 octets, a status update of 4 and up to 8 more, "
            f"{len(cryptogram)}, {len(card_status_update)} and {len(proprietary)} given"
        )
    return cryptogram + card_status_update + proprietary
