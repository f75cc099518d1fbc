# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A worker has the agent ask people: over the pipe goes what may be told, and about the worker's own payment alone."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from protocols.worker_pipe import Question, Verb
from terminal_agent.emv.request import Wishes
from terminal_agent.errors import AgentError
from terminal_agent.flows.clerk import Clerk, NotNow, Underway
from terminal_agent.flows.questions import About
from terminal_agent.flows.remote import RemoteQuestions
from terminal_agent.processes.worker_ends import AgentEnd, WorkerEnd

PAN = "4000009999990057"


@contextlib.asynccontextmanager
async def pipe(asked: Callable[[AgentEnd, Question], None]) -> AsyncIterator[RemoteQuestions]:
    """Both ends in one process: what the worker asks comes to ``asked``."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends: list[AgentEnd] = []
    ends.append(AgentEnd(ours, os.getpid(), lambda question: asked(ends[0], question)))
    worker = WorkerEnd(theirs.detach())
    worker.listen(lambda question: None)
    try:
        yield RemoteQuestions(worker, 60.0)
    finally:
        asyncio.get_running_loop().remove_reader(worker._pipe.fileno())
        worker._pipe.close()
        await ends[0].gone.wait()


@pytest.mark.parametrize(("answered", "answer", "heard"), [(True, 2, 2), (True, 0, 0), (False, 0, None)])
async def test_an_answer_comes_when_people_have_given_it(answered: bool, answer: int, heard: int | None) -> None:
    came: list[Question] = []

    def asked(end: AgentEnd, question: Question) -> None:
        came.append(question)
        values = {"answered": answered, "answer": answer}
        asyncio.get_running_loop().call_later(0.01, end.answer, question.number, values)

    async with pipe(asked) as questions:
        assert await questions.ask("p1", About.APPLICATION, ["TEST VISA", "TEST DEBIT"]) == heard
    (question,) = came
    assert question.verb is Verb.PEOPLE
    assert question.values == {"payment": "p1", "about": "application", "options": "TEST VISA\nTEST DEBIT"}


async def test_a_label_that_is_an_account_number_stays_with_the_worker() -> None:
    came: list[Question] = []

    def asked(end: AgentEnd, question: Question) -> None:
        came.append(question)
        end.answer(question.number, {"answered": True, "answer": 1})

    async with pipe(asked) as questions:
        await questions.ask("p1", About.APPLICATION, [PAN, "TWO\nLINES"])
    options = str(came[0].values["options"])
    assert PAN not in options
    assert options.split("\n")[1:] == ["TWO LINES"]


async def test_what_the_agent_refuses_is_an_error_of_the_payment() -> None:
    async with pipe(lambda end, question: end.refuse(question.number, "agent", "the disk is full", "")) as questions:
        with pytest.raises(AgentError, match="the disk is full"):
            await questions.ask("p1", About.SIGNATURE, ["yes", "no"])


def test_a_worker_asks_about_the_payment_that_it_was_given_while_it_is_under_way() -> None:
    nothing: Any = None
    clerk = Clerk(nothing, nothing, nothing, nothing, nothing, nothing)
    clerk.payment = Underway("p1", 4_200, "EUR", 0.0, Wishes(online=True))
    clerk.require(Verb.PEOPLE, "p1")
    with pytest.raises(NotNow, match="a payment that it was not given"):
        clerk.require(Verb.PEOPLE, "p2")
    clerk.payment.ended.set()
    with pytest.raises(NotNow):
        clerk.require(Verb.PEOPLE, "p1")
    clerk.payment = None
    with pytest.raises(NotNow):
        clerk.require(Verb.PEOPLE, "p1")
