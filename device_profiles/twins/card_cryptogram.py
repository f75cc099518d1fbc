# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a virtual card computes with its key: cryptograms, and the check of the issuer's answer. No command, no state.

The issuer's TEST master key gives the card's own by option A or B; the application's cryptogram version says over what,
under which key and with which padding (Visa-like versions 10, 17 and 18). The answer of the issuer is checked by the
method that the same version prescribes (EMV 4.4 Book 2, 8.2).
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from device_profiles.card_profile import CardProfile
from protocols.emv.cryptogram import (
    VERSIONS,
    Method,
    application_cryptogram,
    arpc_1,
    arpc_2,
    icc_master_key_b,
    session_key_of_counter,
)
from protocols.emv.tags import Tag
from protocols.pan import Pan
from protocols.primitives import TdesKey, Use
from protocols.secret import ClearKey

APPROVING = (b"00", b"10", b"11")
"""Authorisation response codes by which an issuer approves: whole amount, part of it, VIP (ISO 8583:1987, DE39)."""
ISSUER_APPROVES = 0x80  # card status update, octet 2 bit 8 (EMV 4.4 Book 2, 8.2.2; common core definitions)

Part: TypeAlias = Callable[[Mapping[int, bytes], Mapping[int, bytes]], bytes]
"""A part of what a cryptogram covers, out of what the terminal gave and what the card made."""


def _given(tag: Tag) -> Part:
    return lambda given, made: given.get(tag, bytes(tag.least))


def _made(tag: Tag, start: int = 0, stop: int | None = None) -> Part:
    return lambda given, made: made[tag][start:stop]


_TERMINAL_PARTS = tuple(
    _given(tag)
    for tag in (
        Tag.AMOUNT_AUTHORISED_NUMERIC,
        Tag.AMOUNT_OTHER_NUMERIC,
        Tag.TERMINAL_COUNTRY,
        Tag.TVR,
        Tag.TRANSACTION_CURRENCY,
        Tag.TRANSACTION_DATE,
        Tag.TRANSACTION_TYPE,
        Tag.UNPREDICTABLE_NUMBER,
    )
)

COVERED: Mapping[int, tuple[Part, ...]] = MappingProxyType(
    {
        10: (*_TERMINAL_PARTS, _made(Tag.AIP), _made(Tag.ATC), _made(Tag.ISSUER_APPLICATION_DATA, 3)),
        17: (
            _given(Tag.AMOUNT_AUTHORISED_NUMERIC),
            _given(Tag.UNPREDICTABLE_NUMBER),
            _made(Tag.ATC),
            _made(Tag.ISSUER_APPLICATION_DATA, 4, 5),
        ),
        18: (*_TERMINAL_PARTS, _made(Tag.AIP), _made(Tag.ATC), _made(Tag.ISSUER_APPLICATION_DATA)),
    }
)
"""What each cryptogram version covers, in order. Version 10: the verification results with their length octet."""


class IssuerSays(NamedTuple):
    """The issuer's answer as the card reads it."""

    genuine: bool
    approves: bool


class CardCryptography:
    """One card's key for application cryptograms and its use."""

    def __init__(self, profile: CardProfile) -> None:
        application = profile.application
        self.version = VERSIONS[application.cryptogram_version]
        with (
            ClearKey.from_hex(profile.keys.test_mk_ac) as issuer,
            TdesKey(issuer, Use.ENCIPHER) as issuer_key,
        ):
            self._key = icc_master_key_b(issuer_key, Pan(application.pan), application.sequence_number)

    def cryptogram(self, given: Mapping[int, bytes], made: Mapping[int, bytes]) -> bytes:
        """The cryptogram over what the version covers, under the card's key or a session key of the counter."""
        data = b"".join(part(given, made) for part in COVERED[self.version.number])
        with self._key_for(made[Tag.ATC]) as key:
            return application_cryptogram(key, data, self.version.padding)

    def judge(self, answer: bytes, cryptogram: bytes, atc: bytes) -> IssuerSays:
        """Check issuer authentication data (tag 91) that answer ``cryptogram`` (EMV 4.4 Book 2, 8.2.1 and 8.2.2)."""
        with self._key_for(atc) as key:
            if self.version.answer is Method.ARPC_1:
                if len(answer) != 10:
                    return IssuerSays(False, False)
                proof, code = answer[:8], answer[8:]
                genuine = hmac.compare_digest(arpc_1(key, cryptogram, code), proof)
                return IssuerSays(genuine, genuine and code in APPROVING)
            if not 8 <= len(answer) <= 16:
                return IssuerSays(False, False)
            proof, update, proprietary = answer[:4], answer[4:8], answer[8:]
            genuine = hmac.compare_digest(arpc_2(key, cryptogram, update, proprietary), proof)
            return IssuerSays(genuine, genuine and bool(update[1] & ISSUER_APPROVES))

    @contextmanager
    def _key_for(self, atc: bytes) -> Iterator[ClearKey]:
        if not self.version.session_key:
            yield self._key
            return
        with session_key_of_counter(self._key, atc) as key:
            yield key
