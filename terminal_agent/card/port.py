# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The port of every card reader, and its errors. Drives nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from terminal_agent.errors import AgentError

Trace = Callable[[str, str, str], None]
"""Takes the wire, ``>`` to the device or ``<`` from it, and what went over it in words that are already redacted."""


class CardError(AgentError):
    """A reader could not do what it was asked."""


class CardLost(CardError):
    """The card left the field, or what it answered is unknown."""


class ReaderAbsent(CardError):
    """The reader does not answer or was pulled. Open it anew."""


@dataclass(frozen=True, slots=True)
class CardPresence:
    """A card is there and ready for commands."""

    interface: Literal["contactless", "contact"]
    identity: str
    """What kind of card, in words; never a UID in full."""


class CardReader(Protocol):
    """One slot or field."""

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        """The next card that can exchange APDUs, or None if nobody came in time."""
        ...

    async def transmit(self, command: bytes) -> bytes:
        """One command APDU and the card's response. :class:`CardLost`: whether the card acted on it is unknown."""
        ...

    async def release(self) -> None:
        """Let the card go and power it down; to be called after every payment, with a card or without."""
        ...

    async def close(self) -> None:
        """Give the line up."""
        ...
