# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's exception file: cards that the acquirer listed as stolen or withdrawn. It holds no account number.

EMV 4.4 Book 4, 6.3.5 (exception file checking). An entry is a keyed digest of account number and sequence number under
the acquirer's list key, so that whoever reads the file learns no account from it: account numbers are few enough to
try them all against a digest without key.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from protocols.pan import Pan

KEY_OCTETS = 16  # at least: less could be tried
ANY_SEQUENCE = None
MOST_ENTRIES = 1_000_000  # 32 octets each


def entry(key: bytes, pan: Pan, sequence_number: int | None = ANY_SEQUENCE) -> bytes:
    """A card's entry, 32 octets; without a sequence number it is of all cards of that account. Acquirer's side too."""
    if len(key) < KEY_OCTETS:
        raise ValueError(f"exception file: a key of {KEY_OCTETS} octets at least expected")
    told = pan.digits + ("" if sequence_number is None else f"/{sequence_number:02d}")
    return hmac.digest(key, told.encode("ascii"), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class ExceptionFile:
    """The list, and the key that its entries are made with."""

    key: bytes = field(repr=False)
    entries: frozenset[bytes] = field(repr=False)

    @classmethod
    def of(cls, key: bytes, entries: Iterable[bytes]) -> "ExceptionFile":
        """From the entries as they were delivered."""
        listed = frozenset(entries)
        if len(listed) > MOST_ENTRIES or any(len(one) != hashlib.sha256().digest_size for one in listed):
            raise ValueError(f"exception file: up to {MOST_ENTRIES} entries of 32 octets expected")
        return cls(key, listed)

    def lists(self, pan: Pan, sequence_number: int | None) -> bool:
        """Whether the card, or every card of its account, is on it."""
        found = entry(self.key, pan) in self.entries
        return found or (sequence_number is not None and entry(self.key, pan, sequence_number) in self.entries)
