# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The issuer's side of cryptograms: one master key kept for all its cards. Keeps no account and decides nothing.

What a host or its HSM does for every authorisation: from the account to the card's key, to the session key, to the
cryptogram and the answer. The keys in between live for one call and in no object of their own; they are not given odd
parity, which DES does not read.
"""

from typing import NamedTuple, Self

from protocols.emv.cryptogram import CryptogramKey, Session, Version
from protocols.errors import EncodeError
from protocols.key_series import KeySeries
from protocols.primitives import KeyOctets, TdesKey, Use

_COMPLEMENT = bytes(octet ^ 0xFF for octet in range(256))


class CryptogramKeys(NamedTuple):
    """The key that makes a transaction's cryptogram, and the one that answers it; often the same."""

    cryptogram: CryptogramKey
    answer: CryptogramKey


class Issuer:
    """An issuer master key for application cryptograms. Bound to one thread."""

    __slots__ = ("_key", "_series")

    def __init__(self, key: KeyOctets) -> None:
        """Copy a TDES key of 16 octets."""
        if len(key) != 16:
            raise EncodeError(f"issuer master key of {len(key)} octets, 16 expected")
        self._key = TdesKey(key, Use.ENCIPHER)
        self._series = KeySeries(TdesKey, 16)

    def keys(
        self, version: Version, account: bytes, counter: bytes, unpredictable_number: bytes = bytes(4)
    ) -> CryptogramKeys:
        """The keys of one transaction of one card (EMV 4.3 Book 2, A1.3 and A1.4). Issuer's side.

        ``account`` is :func:`~protocols.emv.card_keys.account_block` or, for option B, ``account_block_b``.
        """
        if len(account) != 8 or len(counter) != 2 or len(unpredictable_number) != 4:
            raise EncodeError("an account block of 8 octets, a counter of 2 and an unpredictable number of 4 expected")
        series = self._series
        card = bytearray(self._key.encipher(account + account.translate(_COMPLEMENT)))
        if version.session is Session.NONE:
            key = answer = CryptogramKey(card, series)
        else:
            rest = bytes(5) if version.session is Session.COMMON else b"\x00" + unpredictable_number
            session = bytearray(series.encipher(card)(b"".join((counter, b"\xf0", rest, counter, b"\x0f", rest))))
            key = CryptogramKey(session, series)
            answer = key if version.answer_under_session else CryptogramKey(card, series)
            session[:] = bytes(16)
        card[:] = bytes(16)
        series.wipe()
        return CryptogramKeys(key, answer)

    def wipe(self) -> None:
        """Drop the key."""
        self._key.wipe()
        self._series.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return "Issuer(redacted)"
