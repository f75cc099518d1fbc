# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The life of an exchange with the acquirer, as a table. Rule: every transition is in this file. Stores nothing.

What was sent and has no true answer, and what was approved and did not reach the customer, is owed back: once.
"""

from dataclasses import dataclass
from enum import StrEnum

from protocols.acquirer.message import Message


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal keeps of a request: enough to take it back, and no card data."""

    mti: int
    stan: int
    transmitted: str
    processing_code: str
    amount: int
    currency: str
    reference: str
    masked_pan: str
    ksn: str

    @classmethod
    def of(cls, message: Message) -> "Entry":
        """Of a whole message."""
        return cls(
            int(message.mti),
            message.stan or 0,
            message.transmitted or "",
            message.processing_code or "",
            message.amount or 0,
            message.currency or "",
            message.reference or "",
            message.masked_pan,
            message.ksn.hex().upper() if message.ksn else "",
        )


class State(StrEnum):
    """How far an exchange has come."""

    SENDING = "sending"
    ANSWERED = "answered"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    REVERSAL_DUE = "reversal-due"
    REVERSED = "reversed"


class Step(StrEnum):
    """What can happen to it."""

    APPROVED = "approved"
    DECLINED = "declined"
    DELIVERED = "delivered"
    NOTHING_LEFT = "nothing-left"
    UNCERTAIN = "uncertain"
    REVERSAL_ANSWERED = "reversal-answered"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.SENDING, Step.APPROVED): State.ANSWERED,
    (State.SENDING, Step.DECLINED): State.COMPLETED,
    (State.SENDING, Step.NOTHING_LEFT): State.WITHDRAWN,
    (State.SENDING, Step.UNCERTAIN): State.REVERSAL_DUE,
    (State.ANSWERED, Step.DELIVERED): State.COMPLETED,
    (State.ANSWERED, Step.UNCERTAIN): State.REVERSAL_DUE,
    (State.REVERSAL_DUE, Step.UNCERTAIN): State.REVERSAL_DUE,
    (State.REVERSAL_DUE, Step.REVERSAL_ANSWERED): State.REVERSED,
}
"""The whole life of an exchange; anything else is a fault of the caller and is refused."""

UNFINISHED = (State.SENDING, State.ANSWERED)
"""Not seen through: whoever finds these after a death, or at the end of a payment that was not approved, owes them."""
CLOSED = (State.COMPLETED, State.WITHDRAWN, State.REVERSED)
"""Nothing more can happen to these."""

SETTLING = frozenset({"00", "21", "25", "94"})
"""Answers that end a reversal: done, nothing to do, no such original, done before. Others mean: ask again."""
