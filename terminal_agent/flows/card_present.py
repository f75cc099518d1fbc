# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The card's part of a payment: the machine of its interface runs over the reader. It asks no acquirer for anything.

A card without contacts is asked once and may go. A card with contacts stays: the cardholder is asked for the PIN while
the machine waits, and the acquirer's answer goes back to the card, which has the last word.
"""

from collections.abc import Awaitable, Callable, Generator

from protocols.pan import Pan
from terminal_agent.card.port import CardError, CardReader, converse
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
        return await converse(reader, machine)
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
        said: PinAnswer | None = None
        try:
            while True:
                reached = await converse(self._reader, _until_asked(machine, said))
                if isinstance(reached, EmvOutcome):
                    return reached
                said = await ask_for_pin(reached.pan) if ask_for_pin else PinAnswer.UNAVAILABLE
        finally:
            machine.close()


def _until_asked(
    machine: Generator[bytes | AskPin, bytes | PinAnswer, EmvOutcome], said: PinAnswer | None
) -> Generator[bytes, bytes, AskPin | EmvOutcome]:
    """The machine's commands up to where it needs a person or has ended: what the reader can carry at one go."""
    try:
        wanted = next(machine) if said is None else machine.send(said)
        while not isinstance(wanted, AskPin):
            wanted = machine.send((yield wanted))
    except StopIteration as stop:
        outcome: EmvOutcome = stop.value
        return outcome
    return wanted
