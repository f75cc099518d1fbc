# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The port of every PIN pad that enciphers by itself, and its outcomes and errors. Drives nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from protocols.emv.oda import PublicKey
from protocols.pan import Pan
from terminal_agent.errors import AgentError

Trace = Callable[[str, str, str], None]
"""Takes the wire, ``>`` to the device or ``<`` from it, and what went over it in words that are already redacted."""


class PadError(AgentError):
    """A pad could not do what it was asked."""


class PadAbsent(PadError):
    """The pad does not answer or was pulled. Open it anew."""


class PadRefused(PadError):
    """The pad understood and declined; ``what`` is its reason in words."""


TAMPERED = "the pad has been tampered with: it has erased its keys"
"""What every :class:`PadTampered` says, and so the event of its loss: who watches for tampering knows it by that."""


class PadTampered(PadRefused, PadAbsent):
    """The pad was opened and has erased its keys: it declines everything, and nothing brings it back."""


@dataclass(frozen=True, slots=True)
class PinEntered:
    """A PIN as it left the pad: key serial number (10 octets) and enciphered block (8 octets)."""

    ksn: bytes
    block: bytes
    block_format: int
    """ISO 9564 format number."""


@dataclass(frozen=True, slots=True)
class PinCancelled:
    """The person gave up, or the caller did."""


@dataclass(frozen=True, slots=True)
class PinTimedOut:
    """Nobody finished the entry in time."""


PinOutcome = PinEntered | PinCancelled | PinTimedOut


@dataclass(frozen=True, slots=True)
class CardPinEntered:
    """A PIN enciphered for the card, as VERIFY takes it (EMV 4.4 Book 2, 7.2)."""

    data: bytes


CardPinOutcome = CardPinEntered | PinCancelled | PinTimedOut


class PinPad(Protocol):
    """One pad."""

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        """Have the pad show the amount where it may, ask for the PIN and encipher it."""
        ...

    async def mac(self, session_key: bytes, data: bytes) -> bytes:
        """The MAC (8 octets) over ``data``, zero-filled to whole blocks (ISO/IEC 9797-1, padding method 1).

        Of which algorithm is the pad's affair, and the acquirer must expect it: the retail MAC (algorithm 3) of IPP
        pads and the vault, TDES in CBC (algorithm 1) of ABECS pads. ``session_key``: 16 octets, enciphered under the
        pad's master key for it.
        """
        ...

    async def show(self, text: str) -> None:
        """Write on the display; :class:`PadRefused` for what the pad would not show for a host."""
        ...

    async def cancel(self) -> None:
        """End a PIN entry that another task waits for; that task receives :class:`PinCancelled`."""
        ...

    async def close(self) -> None:
        """Give the line up."""
        ...


@runtime_checkable
class CardPinPad(PinPad, Protocol):
    """What can also take a PIN for the card to check."""

    async def enter_card_pin(
        self, key: PublicKey, challenge: bytes, amount_words: str, timeout_s: float
    ) -> CardPinOutcome:
        """Have the PIN typed and enciphered under the card's key with the number that the card drew for it.

        ``key`` comes out of the card's certificates: who gives another one gets the PIN. :class:`PadRefused` where the
        pad is not allowed to.
        """
        ...


def encipherer(pad: object) -> str:
    """Who enciphers and makes MACs, for people: the pad itself, unless it says that something else stands in for it."""
    return str(getattr(pad, "encipherer", "the pad"))


class IdentifiedPad(PinPad, Protocol):
    """One that has said who it is."""

    serial: str

    async def next_ksn(self) -> bytes | None:
        """The KSN (10 octets) that its key for PINs has now; None from a pad that does not tell."""
        ...
