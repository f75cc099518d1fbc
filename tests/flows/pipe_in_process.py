# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Both ends of a worker's pipe where worker and agent are one process. Holds no test."""

import asyncio
from collections.abc import Callable
from typing import Any

from protocols.worker_pipe import Answer, Fault, Question, Values, Verb, checked_answer, decode, encode
from terminal_agent.flows.faults import made


class Wire:
    """Both ends of a worker's pipe, where worker and agent are one process: a question is a call."""

    def __init__(self, on_question: Callable[[Question], None]) -> None:
        self.gone = asyncio.Event()
        self.told: list[Question] = []
        self._on_question = on_question
        self._on_told: Callable[[Question], None] | None = None
        self._answers: dict[int, Answer | Fault] = {}
        self._number = 0

    # The worker's

    def listen(self, on_told: Callable[[Question], None]) -> None:
        self._on_told = on_told
        for question in self.told:
            on_told(question)

    def ask(self, verb: Verb, **values: Any) -> Any:
        return self._answered(verb, self._asked(verb, values))

    async def wait(self, verb: Verb, **values: Any) -> Any:
        number = self._asked(verb, values)
        while number not in self._answers:
            await asyncio.sleep(0)
        return self._answered(verb, number)

    def _asked(self, verb: Verb, values: Values) -> int:
        self._number += 1
        question = decode(encode(Question(self._number, verb, values)))
        assert isinstance(question, Question)
        self._on_question(question)
        return self._number

    def _answered(self, verb: Verb, number: int) -> Any:
        match self._answers.pop(number, None):
            case Fault(_, kind, what, hint):
                raise made(kind, what, hint)
            case Answer() as answer:
                return checked_answer(verb, answer)
        raise AssertionError(f"no answer to {verb}")

    def tell(self, verb: Verb, **values: Any) -> None:
        """Either end's: the verbs of one are none of the other's."""
        question = Question(0, verb, values)
        if verb not in (Verb.HELLO, Verb.BEGIN, Verb.OWING, Verb.CANCEL, Verb.STOP):
            self._on_question(question)
        elif self._on_told is None:
            self.told.append(question)
        else:
            self._on_told(question)

    def borrow(self, what: str) -> int:
        raise AssertionError(what)

    async def fetch(self, what: str) -> Any:
        raise AssertionError(what)

    # The agent's

    def answer(self, number: int, values: Values) -> None:
        answer = decode(encode(Answer(number, values)))
        assert isinstance(answer, Answer)
        self._answers[number] = answer

    def lend(self, number: int, values: Values, descriptor: int) -> None:
        raise AssertionError(values)

    def refuse(self, number: int, kind: str, what: str, hint: str) -> None:
        self._answers[number] = Fault(number, kind, what, hint)

    def end(self) -> None:
        self.gone.set()
