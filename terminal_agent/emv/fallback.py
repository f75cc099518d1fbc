# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""When a chip fails: whether the next interface may be tried, and when so many fail that somebody makes them fail.

EMV 4.4 Book 4, 6.7.1.1, leaves it to the payment systems when a terminal may fall back. Malware and shims make chips
fail on purpose, so that the cardholder goes on with what is weaker (Prilex, Kaspersky 2023). So a failed chip may be
followed by another interface only while failures are rare: of the last :data:`WINDOW` cards no more than
:data:`MOST_FAILED`. This terminal has no reader for magnetic stripes: where contacts fail, the payment is refused.
"""

from collections import deque
from enum import Enum, auto
from typing import Literal

WINDOW = 30
MOST_FAILED = 4
Interface = Literal["contactless", "contact"]


class Fallback(Enum):
    """What may be done with a card that is presented."""

    NONE = auto()
    """It is no fallback: the card before it did not fail elsewhere."""
    ALLOWED = auto()
    REFUSED = auto()
    """Too many chips failed lately."""


class FallbackGuard:
    """The failures of one terminal's chips."""

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=WINDOW)
        self._last: Interface | None = None

    @property
    def suspicious(self) -> bool:
        """Whether more chips failed than chance makes fail."""
        return sum(self._failed) > MOST_FAILED

    def presented(self, interface: Interface) -> Fallback:
        """A card is there: whether it stands in for one that failed on the other interface."""
        if self._last is None or self._last == interface:
            return Fallback.NONE
        return Fallback.REFUSED if self.suspicious else Fallback.ALLOWED

    def ended(self, interface: Interface, *, chip_failed: bool) -> bool:
        """What became of the chip; whether this failure is the one that makes it suspicious (raise an alert once)."""
        before = self.suspicious
        self._failed.append(chip_failed)
        self._last = interface if chip_failed else None
        return self.suspicious and not before
