# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A reversal that is owed, and why. Holds what a 0400 needs and no card data: the original is named by DE90."""

from dataclasses import dataclass
from enum import StrEnum

from protocols.acquirer.values import OriginalData


class ReversalReason(StrEnum):
    """Why a transaction is taken back, as the response code that a reversal carries (ISO 8583:1987, DE39)."""

    SILENCE = "68"
    """No answer came in time, or the agent died before it knew the outcome."""
    GARBLED = "96"
    """An answer came that could not be read or was not authentic."""
    CUSTOMER = "17"
    """The customer cancelled after the host had approved."""
    TERMINAL = "22"
    """The card or the terminal could not finish what the host had approved."""

    @property
    def words(self) -> str:
        """The reason for a person."""
        return _WORDS[self]


_WORDS = {
    ReversalReason.SILENCE: "no answer came in time, or the agent died before it knew the outcome",
    ReversalReason.GARBLED: "the answer was not readable or not authentic",
    ReversalReason.CUSTOMER: "the customer cancelled after the host had answered",
    ReversalReason.TERMINAL: "the terminal could not bring it to its end",
}


@dataclass(frozen=True, slots=True)
class Reversal:
    """One owed reversal. Its first sending is a 0400, every later one a 0401 with the same content."""

    ref: int
    """The journal's number of the exchange."""
    reason: ReversalReason
    stan: int
    transmitted: str
    attempts: int
    """Sendings so far."""
    original: OriginalData
    processing_code: str
    amount: int
    currency: str
    reference: str
