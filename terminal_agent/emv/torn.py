# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Torn payments: what a terminal remembers of a card that left before its cryptogram arrived. No account number.

EMV Contactless Book C-2: the card has counted the payment and made its cryptogram; if it comes back for the same
payment, RECOVER AC gives that very cryptogram. House rules: only the same amount, currency and type is recovered, once;
and of the card nothing is kept but a keyed hash, under a key that goes with the process.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.emv.bits import CryptogramType, Tvr
from protocols.pan import Pan
from terminal_agent.emv.outcome import Cvm
from terminal_agent.emv.relay import Exchanged
from terminal_agent.emv.request import TransactionRequest

KEY_OCTETS = 32
MOST_RECORDS = 8  # a till serves one card at a time; each record is a card that left in mid-payment
LIFETIME_US = 300e6  # five minutes: Book C-2 calls both limits configuration


@dataclass(frozen=True, slots=True)
class TornRecord:
    """One GENERATE AC whose answer has not arrived."""

    card: bytes
    """Keyed hash of account and sequence number."""
    at_us: float
    payment: tuple[int, str, int]
    """Amount, currency, type."""
    asked: bytes = field(repr=False)
    """What the DRDOL asked for, as it was then."""
    given: Mapping[int, bytes] = field(repr=False)
    """The terminal's objects of that payment."""
    pdol_data: bytes = field(repr=False)
    cdol_data: bytes = field(repr=False)
    wanted: CryptogramType
    signed: bool
    exchanged: Exchanged | None
    tvr: Tvr
    cvm: Cvm


class TornLog:
    """The torn payments of one terminal, the newest few."""

    def __init__(self, key: bytes) -> None:
        """``key``: 32 random octets."""
        if len(key) != KEY_OCTETS:
            raise ValueError(f"torn log: a key of {KEY_OCTETS} octets expected")
        self._key = key
        self._records: list[TornRecord] = []

    def __repr__(self) -> str:
        return f"TornLog({len(self._records)} records)"

    def __len__(self) -> int:
        return len(self._records)

    def name(self, pan: Pan, sequence_number: int | None) -> bytes:
        """How a card is known here."""
        return hmac.digest(self._key, f"{pan.digits}/{sequence_number}".encode("ascii"), hashlib.sha256)

    def keep(self, record: TornRecord) -> None:
        """Remember a payment that is about to be torn; a card has one record, and the oldest goes first."""
        kept = [one for one in self._records if one.card != record.card]
        self._records = [*kept, record][-MOST_RECORDS:]

    def drop(self, card: bytes) -> None:
        """Its cryptogram has arrived, or will not."""
        self._records = [one for one in self._records if one.card != card]

    def find(self, card: bytes, request: TransactionRequest, now_us: float) -> TornRecord | None:
        """The record of this card and this payment; what is too old, or of another payment, is dropped."""
        self._records = [one for one in self._records if now_us - one.at_us <= LIFETIME_US]
        found = next((one for one in self._records if one.card == card), None)
        if found is None or found.payment == payment_of(request):
            return found
        self.drop(card)
        return None


def payment_of(request: TransactionRequest) -> tuple[int, str, int]:
    """What makes a payment the same."""
    return request.amount, request.currency, request.transaction_type
