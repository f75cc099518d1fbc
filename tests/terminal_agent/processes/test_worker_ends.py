# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Either end of a worker's pipe alone: what it makes of the other's silence, nonsense, haste and death."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from protocols.errors import DecodeError
from protocols.worker_pipe import LARGEST_PACKET, NO_ANSWER, Answer, Fault, Message, Question, Verb, decode, encode
from terminal_agent.errors import AgentError
from terminal_agent.pad.port import PadAbsent
from terminal_agent.processes.worker_ends import ORPHANED, AgentEnd, WorkerEnd
from tests.patience import PATIENCE_S

NOW = Answer(1, {"ms": 5})
OWING = Question(NO_ANSWER, Verb.OWING)


class Ended(BaseException):
    """Stands in for the end of the process."""


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[WorkerEnd, socket.socket]]:
    """A worker's end, and the bare socket in the agent's place."""

    def end(code: int) -> None:
        assert code == ORPHANED
        raise Ended

    monkeypatch.setattr("terminal_agent.processes.worker_ends.os._exit", end)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.settimeout(PATIENCE_S)
    worker = WorkerEnd(ours.detach())
    yield worker, theirs
    worker._pipe.close()
    theirs.close()


def said(agent: socket.socket) -> Message:
    return decode(agent.recv(LARGEST_PACKET))


def test_the_worker_hears_what_it_is_told_before_it_listens(pair: tuple[WorkerEnd, socket.socket]) -> None:
    worker, agent = pair
    agent.send(encode(OWING))
    assert worker.hear() == OWING


def test_an_answer_is_the_one_of_its_number_and_what_is_told_meanwhile_waits(
    pair: tuple[WorkerEnd, socket.socket],
) -> None:
    worker, agent = pair
    for message in (Answer(7, {"ms": 1}), OWING, NOW):
        agent.send(encode(message))
    assert worker.ask(Verb.NOW) == {"ms": 5}
    assert said(agent) == Question(1, Verb.NOW)
    assert worker.hear() == OWING


def test_a_fault_is_raised_as_what_it_is_and_an_unknown_one_as_any(pair: tuple[WorkerEnd, socket.socket]) -> None:
    worker, agent = pair
    agent.send(encode(Fault(1, "pad-absent", "no pad", "connect it")))
    agent.send(encode(Fault(2, "something", "else", "")))
    with pytest.raises(PadAbsent, match="no pad"):
        worker.ask(Verb.NOW)
    with pytest.raises(AgentError, match="else"):
        worker.ask(Verb.NOW)


@pytest.mark.parametrize("packet", [b"nonsense", encode(Answer(1, {"ms": "five"})), encode(Answer(1, {}))])
def test_an_answer_of_another_form_is_refused(packet: bytes, pair: tuple[WorkerEnd, socket.socket]) -> None:
    worker, agent = pair
    agent.send(packet)
    with pytest.raises(DecodeError, match="worker pipe"):
        worker.ask(Verb.NOW)


def test_a_descriptor_is_lent_and_belongs_to_the_worker(pair: tuple[WorkerEnd, socket.socket], tmp_path: Path) -> None:
    worker, agent = pair
    (tmp_path / "key").write_bytes(b"lent")
    with (tmp_path / "key").open("rb") as file:
        socket.send_fds(agent, [encode(Answer(1, {"name": "key", "kind": "file"}))], [file.fileno()])
    descriptor = worker.borrow("advice-key")
    try:
        assert os.pread(descriptor, 9, 0) == b"lent"
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_descriptor_for_nobody_is_closed(pair: tuple[WorkerEnd, socket.socket]) -> None:
    worker, agent = pair
    reading, writing = os.pipe()
    socket.send_fds(agent, [encode(Answer(9, {"name": "x", "kind": "file"}))], [writing])
    os.close(writing)
    agent.send(encode(NOW))
    worker.ask(Verb.NOW)
    assert os.read(reading, 1) == b"", "nobody holds the other end any more"
    os.close(reading)


@pytest.mark.parametrize("when", ["asking", "waiting", "telling"])
def test_without_an_agent_the_process_ends(when: str, pair: tuple[WorkerEnd, socket.socket]) -> None:
    worker, agent = pair
    if when == "waiting":
        agent.shutdown(socket.SHUT_WR)  # it dies while the worker waits for its answer
    else:
        agent.close()
    with pytest.raises(Ended):
        worker.tell(Verb.READY) if when == "telling" else worker.ask(Verb.NOW)


async def test_while_one_part_waits_for_people_the_others_ask_on(pair: tuple[WorkerEnd, socket.socket]) -> None:
    worker, agent = pair
    told: list[Question] = []
    worker.listen(told.append)
    asked = asyncio.create_task(worker.wait(Verb.PEOPLE, payment="p1", about="signature", options="yes"))
    await asyncio.sleep(0)
    for message in (Answer(1, {"answered": True, "answer": 1}), OWING, Answer(2, {"ms": 5})):
        agent.send(encode(message))
    assert worker.ask(Verb.NOW) == {"ms": 5}, "it blocks, and puts aside what is for others"
    assert await asked == {"answered": True, "answer": 1}
    assert told == [OWING]
    asyncio.get_running_loop().remove_reader(worker._pipe.fileno())


async def test_who_gave_up_waiting_is_not_woken(pair: tuple[WorkerEnd, socket.socket]) -> None:
    worker, agent = pair
    worker.listen(lambda question: None)
    asked = asyncio.create_task(worker.fetch("reader"))
    await asyncio.sleep(0)
    asked.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asked
    reading, writing = os.pipe()
    socket.send_fds(agent, [encode(Answer(1, {"name": "x", "kind": "tty"}))], [writing])
    os.close(writing)
    assert await asyncio.to_thread(os.read, reading, 1) == b"", "the line that came too late is closed"
    os.close(reading)
    asyncio.get_running_loop().remove_reader(worker._pipe.fileno())


class Desk:
    """An agent's end with a process that lives, and the bare socket in the worker's place."""

    def __init__(self) -> None:
        ours, self.worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.worker.settimeout(PATIENCE_S)
        self.process = subprocess.Popen(["/bin/sleep", "600"])
        self.heard: list[Question] = []
        self.end = AgentEnd(ours, self.process.pid, self.heard.append)

    async def gone(self) -> None:
        """Wait until it is."""
        async with asyncio.timeout(PATIENCE_S):
            await self.end.gone.wait()

    def killed(self) -> bool:
        """Whether the process was."""
        return self.process.wait(PATIENCE_S) == -signal.SIGKILL

    def close(self) -> None:
        """Leave nothing."""
        self.worker.close()
        self.end.end()
        self.process.kill()
        self.process.wait()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    made.close()


async def test_the_agent_hears_questions_and_answers_them(desk: Desk) -> None:
    desk.worker.send(encode(Question(1, Verb.NOW)))
    async with asyncio.timeout(PATIENCE_S):
        while not desk.heard:
            await asyncio.sleep(0)
    assert desk.heard == [Question(1, Verb.NOW)]
    desk.end.answer(1, {"ms": 5})
    desk.end.refuse(2, "agent", "no", "never")
    desk.end.tell(Verb.STOP)
    assert [said(desk.worker) for _ in range(3)] == [NOW, Fault(2, "agent", "no", "never"), Question(0, Verb.STOP)]


@pytest.mark.parametrize(
    "packet",
    [b"nonsense", encode(NOW), b'{"number":1,"verb":"launch","fields":{}}', b" " * (LARGEST_PACKET + 1)],
    ids=["nonsense", "an answer", "no such verb", "too long"],
)
async def test_a_worker_that_says_what_it_cannot_mean_is_killed(packet: bytes, desk: Desk) -> None:
    desk.worker.send(packet)
    await desk.gone()
    assert desk.killed()
    assert desk.heard == []


async def test_a_worker_that_does_not_read_is_killed_and_holds_nobody_up(desk: Desk) -> None:
    for _ in range(10_000):
        desk.end.tell(Verb.OWING)
        if desk.end.gone.is_set():
            break
    assert desk.end.gone.is_set()
    assert desk.killed()


async def test_one_that_hung_up_is_gone_and_its_number_is_nobodys_to_kill(desk: Desk) -> None:
    desk.worker.send(encode(Question(1, Verb.NOW)))
    desk.worker.close()
    await desk.gone()
    assert desk.heard == [Question(1, Verb.NOW)], "what it said before counts"
    desk.end.tell(Verb.STOP)
    desk.end.answer(1, {"ms": 5})
    desk.end.end()
    assert desk.process.poll() is None


async def test_what_is_lent_stays_the_lenders_to_close(desk: Desk) -> None:
    reading, writing = os.pipe()
    desk.end.lend(1, {"name": "x", "kind": "file"}, writing)
    _, descriptors, _, _ = socket.recv_fds(desk.worker, LARGEST_PACKET, 1)
    os.write(writing, b"1")
    os.write(descriptors[0], b"2")
    assert os.read(reading, 2) == b"12"
    for descriptor in (reading, writing, *descriptors):
        os.close(descriptor)
