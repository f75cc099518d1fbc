# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The card's part of a payment: the machine of its interface runs over the reader. It asks no acquirer for anything.

A card without contacts is asked once and may go. A card with contacts stays: the cardholder is asked for the PIN while
the machine waits, and the acquirer's answer goes back to the card, which has the last word.
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from protocols.pan import Pan
from terminal_agent.card.port import CardError, CardLost, CardReader, converse
from terminal_agent.clock import Clock
from terminal_agent.emv import (
    AskApplication,
    AskPin,
    Authorities,
    ContactTransaction,
    Decision,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    Means,
    PinAnswer,
    PinAtReader,
    PinToEncipher,
    TornLog,
    TransactionRequest,
    contactless,
)
from terminal_agent.emv.contact_run import Ask, Said
from terminal_agent.emv.exception_file import ExceptionFile
from terminal_agent.emv.torn import KEY_OCTETS as TORN_KEY_OCTETS
from terminal_agent.flows.acquiring import Acquiring

Wish: TypeAlias = "AskPin | PinAtReader | PinToEncipher | AskApplication"
"""What the machine needs a person for."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What the machine may need of a person, each by way of the device that has it; None where no device has.

    Each raises what ends the payment, such as a cardholder who cancels.
    """

    online: Callable[[Pan], Awaitable[PinAnswer]]
    """Has the PIN entered at the pad, which enciphers it for the issuer."""
    at_reader: Callable[[PinAtReader], Awaitable[bytes | PinAnswer]] | None = None
    """Has the PIN entered at the reader, which sends it to the card; the card's status word."""
    enciphered: Callable[[PinToEncipher], Awaitable[bytes | PinAnswer]] | None = None
    """Has the PIN entered at the vault's pad; the octets for the card."""
    choose: Callable[[AskApplication], Awaitable[int | PinAnswer]] | None = None
    """Has the cardholder choose an application."""

    async def give(self, wanted: Wish) -> bytes | PinAnswer | int:
        """What became of a wish of the machine's."""
        match wanted:
            case AskPin(pan):
                return await self.online(pan)
            case PinAtReader():
                return await self.at_reader(wanted) if self.at_reader else PinAnswer.UNAVAILABLE
            case PinToEncipher():
                return await self.enciphered(wanted) if self.enciphered else PinAnswer.UNAVAILABLE
            case AskApplication():
                return await self.choose(wanted) if self.choose else PinAnswer.UNAVAILABLE


MOST_TAPS = 3  # of one payment: the device wants its holder, or the card left too early, and then it has to do


class Shop(Protocol):
    """What a tap needs of the till."""

    terminal: EmvTerminal
    authorities: Authorities | None
    exceptions: ExceptionFile | None
    clock: Clock
    entropy: Callable[[int], bytes]
    acquiring: Acquiring


async def tap(
    reader: CardReader,
    shop: Shop,
    request: TransactionRequest,
    numbers: Callable[[], bytes],
    tell: Callable[[str, str, str], None],
    wait_s: float,
) -> EmvOutcome:
    """The whole of a contactless card's part; raises :class:`CardError` where reader or card fail.

    A device that wants its holder, and a card that left before its cryptogram arrived, are waited for once more for
    ``wait_s``; ``tell`` says so as a step of the payment. ``numbers`` gives unpredictable ones. Where the acquirer
    books no payment of this amount without being asked, it is asked.
    """
    clock, torn = shop.clock, TornLog(shop.entropy(TORN_KEY_OCTETS))
    means = Means(
        shop.authorities or Authorities(),
        shop.exceptions,
        torn,
        lambda: clock.steady_ms() * 1e3,
        numbers,
        shop.acquiring.takes_offline(request.amount),
    )
    for left in reversed(range(MOST_TAPS)):
        machine = contactless(shop.terminal, request, means)
        try:
            outcome = await converse(reader, machine)
            if outcome.decision is not Decision.TRY_AGAIN or not left:
                return outcome
            words = outcome.words
        except CardLost:
            if not len(torn) or not left:
                raise
            words = "the card left too early: present it again"
        finally:
            machine.close()
        tell("present", "reader", words)
        await reader.release()
        if await reader.wait_for_card(wait_s) is None:
            raise CardLost("the card was not presented again")
    raise RuntimeError("the last tap returns or raises")


class InsertedCard:
    """One card with contacts, from its selection to its last cryptogram."""

    def __init__(
        self,
        reader: CardReader,
        terminal: EmvTerminal,
        request: TransactionRequest,
        roll: int,
        authorities: Authorities | None = None,
        exceptions: ExceptionFile | None = None,
    ) -> None:
        """``roll``, ``authorities`` and ``exceptions``: see :class:`ContactTransaction`."""
        self._reader = reader
        self._transaction = ContactTransaction(terminal, request, roll, authorities, exceptions)

    async def ask(self, hands: Hands) -> EmvOutcome:
        """Up to the first cryptogram; raises :class:`CardError`, and whatever ``hands`` raise."""
        return await self._run(self._transaction.first(), hands)

    async def tell(self, answer: IssuerAnswer | None, *, failed: bool = False) -> EmvOutcome:
        """Take the acquirer's answer to the card, or that there is none, and hear its last word.

        ``failed``: there is none, and the card is not to approve by itself either.

        A card that goes while scripts run has said it already. Raises :class:`CardError` where it goes before.
        """
        try:
            return await self._run(self._transaction.second(answer, failed=failed), None)
        except CardError:
            concluded = self._transaction.concluded
            if concluded is None:
                raise
            return concluded

    async def _run(self, machine: Generator[Ask, Said, EmvOutcome], hands: Hands | None) -> EmvOutcome:
        said: Said | None = None
        try:
            while True:
                reached = await converse(self._reader, _until_asked(machine, said))
                if isinstance(reached, EmvOutcome):
                    return reached
                said = await hands.give(reached) if hands else PinAnswer.UNAVAILABLE
        finally:
            machine.close()


def _until_asked(
    machine: Generator[Ask, Said, EmvOutcome], said: "Said | None"
) -> "Generator[bytes, bytes, Wish | EmvOutcome]":
    """The machine's commands up to where it needs a person or has ended: what the reader can carry at one go."""
    try:
        wanted = next(machine) if said is None else machine.send(said)
        while isinstance(wanted, bytes):
            wanted = machine.send((yield wanted))
    except StopIteration as stop:
        outcome: EmvOutcome = stop.value
        return outcome
    return wanted
