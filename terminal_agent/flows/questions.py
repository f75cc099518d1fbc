# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a payment asks people at the till: which application the card is to use, whether a signature is the card's.

It asks on the local socket: ``payment.question`` says what, ``payment.answer`` brings a number, and whoever shows
payments to people puts the two together. Neither question goes to the keys that PINs are typed on: a label is the
card's own word, and one that reads "ENTER PIN" would have the PIN typed where an answer is expected. Question and
answer are plain values. Nothing here decides a payment: silence and refusal are answers, and the flow says what
follows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from protocols.telemetry.events import fit
from terminal_agent.errors import AgentError
from terminal_agent.flows.ports import Notes

NONE_OF_THEM = 0
"""The answer that takes none of the options: the cardholder wants another card, the cashier believes no signature."""
ACCEPTED = 1


class About(StrEnum):
    """What is asked."""

    APPLICATION = "application"
    """The cardholder chooses what to pay with, or confirms a single one (EMV 4.4 Book 1, 12.4; Book 4, 11.3)."""
    SIGNATURE = "signature"
    """The cashier compares the signature on the receipt with the card's (EMV 4.4 Book 3, 10.5.4)."""


@dataclass(frozen=True, slots=True)
class Question:
    """What waits for an answer: 1 for the first of ``options`` and so on, or :data:`NONE_OF_THEM`."""

    payment: str
    about: About
    options: tuple[str, ...]


class NotAsked(AgentError):
    """An answer to what nobody asks, or out of the options."""


class Asking(Protocol):
    """Whoever asks people: :class:`Questions` in the agent, what stands for it in a worker."""

    patience_s: float

    async def ask(self, payment: str, about: About, options: Sequence[str]) -> int | None:
        """The number that was answered; None where nobody answered in time."""
        ...


class Questions:
    """The one question that may be open at a time."""

    def __init__(self, recorder: Notes, patience_s: float) -> None:
        """``patience_s``: how long an answer is waited for."""
        self.patience_s = patience_s
        self.open: Question | None = None
        self._recorder = recorder
        self._answer: asyncio.Future[int] | None = None

    async def ask(self, payment: str, about: About, options: Sequence[str]) -> int | None:
        """The number that was answered; None where nobody answered in time."""
        fitting = tuple(fit(option) for option in options)
        listed = "; ".join(f"{number} {option}" for number, option in enumerate(fitting, 1))
        self._answer = asyncio.get_running_loop().create_future()
        self.open = Question(payment, about, fitting)
        try:
            self._recorder.record("payment.question", payment=payment, about=about.value, options=fit(listed))
            async with asyncio.timeout(self.patience_s):
                return await self._answer
        except TimeoutError:
            return None
        finally:
            self.open = self._answer = None

    def answer(self, payment: str, number: int) -> None:
        """Somebody answered; :class:`NotAsked` where that is no answer to the open question."""
        asked, waiting = self.open, self._answer
        if asked is None or waiting is None or waiting.done() or asked.payment != payment:
            raise NotAsked("this payment asks nothing now", "answer when payment.question is told")
        if not NONE_OF_THEM <= number <= len(asked.options):
            raise NotAsked(f"{number} is no answer", f"1 to {len(asked.options)}, or {NONE_OF_THEM} for none of them")
        waiting.set_result(number)
