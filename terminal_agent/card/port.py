# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The port of every card reader, and its errors. Drives nothing itself."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

from protocols.pcsc.features import PinModify, PinVerify
from terminal_agent.errors import AgentError

T = TypeVar("T")

CHECK_THE_READER = "check the reader's cable, power and line settings"
IS_IT_THIS = "is this the reader of the profile?"

Trace = Callable[[str, str, str], None]
"""Takes the wire, ``>`` to the device or ``<`` from it, and what went over it in words that are already redacted."""


class CardError(AgentError):
    """A reader could not do what it was asked."""


class CardLost(CardError):
    """The card left the field, or what it answered is unknown."""


class CardMalformed(CardLost):
    """It answers what no payment card does: an answer to reset that EMV refuses, an answer without end."""


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


@runtime_checkable
class Conversing(Protocol):
    """A reader that can carry many commands at one go, without a hop between threads for each."""

    async def converse(self, turns: Generator[bytes, bytes, T]) -> T:
        """Send what ``turns`` yields, give it the answers, and return what it returns; errors as of ``transmit``."""
        ...


@runtime_checkable
class Wrapped(Protocol):
    """A layer around a reader."""

    @property
    def inner(self) -> CardReader:
        """The reader below."""
        ...


@runtime_checkable
class PinEntry(Protocol):
    """A reader with a keypad of its own: a PIN goes from its keys to the card and never into this process."""

    async def takes_pins(self) -> bool:
        """Whether the reader that is plugged in has a keypad and says so."""
        ...

    async def enter_pin(self, asked: PinVerify) -> bytes:
        """Have the PIN typed and verified; the status word of card or reader (PC/SC part 10, 2.5.4)."""
        ...


@runtime_checkable
class PinChange(Protocol):
    """A reader at whose keypad a PIN can be changed as well."""

    async def change_pin(self, asked: PinModify) -> bytes:
        """Have old and new PIN typed, and the card change it; the status word of card or reader."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A reader that knows the card of the payment before by the number of its visit."""

    visit: int
    """Of the card that was used last; negative where none was."""


async def converse(reader: CardReader, turns: Generator[bytes, bytes, T]) -> T:
    """Carry ``turns`` over any reader; at one go where the reader can."""
    if isinstance(reader, Conversing):
        return await reader.converse(turns)
    try:
        command = next(turns)
        while True:
            command = turns.send(await reader.transmit(command))
    except StopIteration as end:
        result: T = end.value
        return result


def pin_entry(reader: CardReader) -> PinEntry | None:
    """The keypad of the reader below all layers; None where the driver knows none."""
    while isinstance(reader, Wrapped):
        reader = reader.inner
    return reader if isinstance(reader, PinEntry) else None
