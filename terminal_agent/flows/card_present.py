# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The card's part of a payment: the machine of its interface runs over the reader. It asks no acquirer for anything.

A card without contacts is asked once and may go. A card with contacts stays: the cardholder is asked for the PIN while
the machine waits, and the acquirer's answer goes back to the card, which has the last word.
"""

from collections.abc import Awaitable, Callable, Generator

from protocols.pan import Pan
from terminal_agent.card.port import CardError, CardReader
from terminal_agent.emv import (
    AskPin,
    ContactTransaction,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    PinAnswer,
    TransactionRequest,
    contactless,
)

AskForPin = Callable[[Pan], Awaitable[PinAnswer]]
"""Has the cardholder enter the PIN at the pad; raises what ends the payment."""


async def tap(reader: CardReader, terminal: EmvTerminal, request: TransactionRequest) -> EmvOutcome:
    """The whole of a contactless card's part; raises :class:`CardError` where reader or card fail."""
    machine = contactless(terminal, request)
    try:
        command = next(machine)
        while True:
            command = machine.send(await reader.transmit(command))
    except StopIteration as stop:
        outcome: EmvOutcome = stop.value
        return outcome
    finally:
        machine.close()


class InsertedCard:
    """One card with contacts, from its selection to its last cryptogram."""

    def __init__(self, reader: CardReader, terminal: EmvTerminal, request: TransactionRequest, roll: int) -> None:
        """``roll``: see :class:`ContactTransaction`."""
        self._reader = reader
        self._transaction = ContactTransaction(terminal, request, roll)

    async def ask(self, ask_for_pin: AskForPin) -> EmvOutcome:
        """Up to the first cryptogram; raises :class:`CardError`, and whatever ``ask_for_pin`` raises."""
        return await self._run(self._transaction.first(), ask_for_pin)

    async def tell(self, answer: IssuerAnswer | None) -> EmvOutcome:
        """Take the acquirer's answer to the card, or that there is none, and hear its last word.

        A card that goes while scripts run has said it already. Raises :class:`CardError` where it goes before.
        """
        try:
            return await self._run(self._transaction.second(answer), None)
        except CardError:
            concluded = self._transaction.concluded
            if concluded is None:
                raise
            return concluded

    async def _run(
        self, machine: Generator[bytes | AskPin, bytes | PinAnswer, EmvOutcome], ask_for_pin: AskForPin | None
    ) -> EmvOutcome:
        try:
            wanted = next(machine)
            while True:
                if isinstance(wanted, AskPin):
                    said = await ask_for_pin(wanted.pan) if ask_for_pin else PinAnswer.UNAVAILABLE
                    wanted = machine.send(said)
                else:
                    wanted = machine.send(await self._reader.transmit(wanted))
        except StopIteration as stop:
            outcome: EmvOutcome = stop.value
            return outcome
        finally:
            machine.close()
