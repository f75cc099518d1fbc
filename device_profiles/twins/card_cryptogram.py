# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a virtual card computes with its key: cryptograms, and the check of the issuer's answer. No command, no state.

The issuer's TEST master key gives the card's own by option A or B; the application's cryptogram version says over what,
under which key and with which padding (Visa-like versions 10, 17 and 18; Mastercard-like 16, 17, 20 and 21). The answer
of the issuer is checked by the method that the same version prescribes (EMV 4.4 Book 2, 8.2).
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from device_profiles.card_profile import Application, CardProfile, Scheme
from protocols.emv.card_keys import account_block
from protocols.emv.cryptogram import (
    Method,
    Option,
    Session,
    application_cryptogram,
    arpc_1,
    arpc_2,
    icc_master_key_a,
    icc_master_key_b,
    mastercard_session_key,
    session_key_of_counter,
)
from protocols.emv.tags import Tag
from protocols.pan import Pan
from protocols.primitives import TdesKey, Use
from protocols.secret import ClearKey

APPROVING = (b"00", b"10", b"11")
"""Authorisation response codes by which an issuer approves: whole amount, part of it, VIP (ISO 8583:1987, DE39)."""
FLAG_APPROVES = 0x10
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

_CARD_PARTS = (_made(Tag.AIP), _made(Tag.ATC))
_M_RESULTS = _made(Tag.ISSUER_APPLICATION_DATA, 2, 8)
_M_COUNTERS = _made(Tag.ISSUER_APPLICATION_DATA, 10, 18)
_V, _M = Scheme.VISA, Scheme.MASTERCARD

COVERED: Mapping[tuple[Scheme, int], tuple[Part, ...]] = MappingProxyType(
    {
        (_V, 10): (*_TERMINAL_PARTS, _made(Tag.AIP), _made(Tag.ATC), _made(Tag.ISSUER_APPLICATION_DATA, 3)),
        (_V, 17): (
            _given(Tag.AMOUNT_AUTHORISED_NUMERIC),
            _given(Tag.UNPREDICTABLE_NUMBER),
            _made(Tag.ATC),
            _made(Tag.ISSUER_APPLICATION_DATA, 4, 5),
        ),
        (_V, 18): (*_TERMINAL_PARTS, _made(Tag.AIP), _made(Tag.ATC), _made(Tag.ISSUER_APPLICATION_DATA)),
        (_M, 16): (*_TERMINAL_PARTS, *_CARD_PARTS, _M_RESULTS),
        (_M, 17): (*_TERMINAL_PARTS, *_CARD_PARTS, _M_RESULTS, _M_COUNTERS),
        (_M, 20): (*_TERMINAL_PARTS, *_CARD_PARTS, _M_RESULTS),
        (_M, 21): (*_TERMINAL_PARTS, *_CARD_PARTS, _M_RESULTS, _M_COUNTERS),
    }
)
"""What each scheme's cryptogram version covers, in order. Version 10: the results with their length octet."""


class IssuerSays(NamedTuple):
    """The issuer's answer as the card reads it."""

    genuine: bool
    approves: bool


class CardCryptography:
    """One card's key for application cryptograms and its use."""

    def __init__(self, profile: CardProfile, application: Application | None = None) -> None:
        application = application or profile.application
        self.version = application.version
        self._covered = COVERED[application.scheme, self.version.number]
        with (
            ClearKey.from_hex(profile.keys.test_mk_ac) as issuer,
            TdesKey(issuer, Use.ENCIPHER) as issuer_key,
        ):
            pan, sequence = Pan(application.pan), application.sequence_number
            self._key = (
                icc_master_key_a(issuer_key, account_block(pan, sequence))
                if self.version.option is Option.A
                else icc_master_key_b(issuer_key, pan, sequence)
            )

    def cryptogram(self, given: Mapping[int, bytes], made: Mapping[int, bytes]) -> bytes:
        """The cryptogram over what the version covers, under the card's key or a session key of the counter."""
        data = b"".join(part(given, made) for part in self._covered)
        with self._session(made[Tag.ATC], given.get(Tag.UNPREDICTABLE_NUMBER, bytes(4))) as key:
            return application_cryptogram(key, data, self.version.padding)

    def judge(self, answer: bytes, cryptogram: bytes, atc: bytes, number: bytes = bytes(4)) -> IssuerSays:
        """Check issuer authentication data (tag 91) that answer ``cryptogram`` (EMV 4.4 Book 2, 8.2.1 and 8.2.2)."""
        with self._answering(atc, number) as key:
            if self.version.answer is Method.ARPC_1:
                if len(answer) != 10:
                    return IssuerSays(False, False)
                proof, code = answer[:8], answer[8:]
                genuine = hmac.compare_digest(arpc_1(key, cryptogram, code), proof)
                return IssuerSays(genuine, genuine and _approves(code))
            if not 8 <= len(answer) <= 16:
                return IssuerSays(False, False)
            proof, update, proprietary = answer[:4], answer[4:8], answer[8:]
            genuine = hmac.compare_digest(arpc_2(key, cryptogram, update, proprietary), proof)
            return IssuerSays(genuine, genuine and bool(update[1] & ISSUER_APPROVES))

    @contextmanager
    def _session(self, atc: bytes, number: bytes) -> Iterator[ClearKey]:
        if self.version.session is Session.NONE:
            yield self._key
        elif self.version.session is Session.COMMON:
            with session_key_of_counter(self._key, atc) as key:
                yield key
        else:
            with mastercard_session_key(self._key, atc, number) as key:
                yield key

    @contextmanager
    def _answering(self, atc: bytes, number: bytes) -> Iterator[ClearKey]:
        if not self.version.answer_under_session:
            yield self._key
            return
        with self._session(atc, number) as key:
            yield key


def _approves(code: bytes) -> bool:
    """The two octets behind the proof: a response code, or flags of which bit 5 of the second approves (M/Chip)."""
    return code in APPROVING if code.isalnum() else bool(code[1] & FLAG_APPROVES)
