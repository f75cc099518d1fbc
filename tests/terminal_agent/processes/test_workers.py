# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The agent's side of workers alone: sources that die, workers that die at each turn, and what becomes of the payment.

A socket stands in for the source, another for each worker, and a process that sleeps for its life; books, journal and
log are the real ones.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from protocols.currency import BY_ALPHA
from protocols.worker_pipe import LARGEST_PACKET, NO_ANSWER, Answer, Fault, Message, Question, Verb, decode, encode
from terminal_agent.emv import EmvTerminal
from terminal_agent.emv.terminal import Combination
from terminal_agent.errors import AgentError
from terminal_agent.flows.clerk import Underway
from terminal_agent.flows.questions import Questions
from terminal_agent.processes import workers
from terminal_agent.processes.worker_child import SourceChild
from terminal_agent.processes.workers import GONE, MOST_GIVEN, NO_WORKER, STOPPED, Workers
from tests.terminal_agent.flows.test_clerk import ENTRY, NO_ADVICE, Agency, finished

EUR = BY_ALPHA["EUR"]
TERMINAL = EmvTerminal(
    country="276", currency="978", serial_number="TG000001", aids=(Combination("A0000000031010", 500_000, 2_500),)
)
WITHIN_S = 20.0


class Hired:
    """A worker: the bare socket at its end of the pipe, and the process whose number it goes by."""

    def __init__(self, pipe: socket.socket) -> None:
        self.pipe = pipe
        self.process = subprocess.Popen(["/bin/sleep", "60"])
        pipe.setblocking(False)
        self._number = 0

    async def hear(self) -> Message:
        """The next thing that the agent says."""
        async with asyncio.timeout(WITHIN_S):
            return decode(await asyncio.get_running_loop().sock_recv(self.pipe, LARGEST_PACKET))

    async def until(self, verb: Verb) -> Question:
        """What it is told by that verb, whatever comes before."""
        while not (isinstance(said := await self.hear(), Question) and said.verb is verb):
            pass
        return said

    async def ask(self, verb: Verb, **values: Any) -> Answer | Fault:
        """An answer."""
        self._number += 1
        self.pipe.send(encode(Question(self._number, verb, values)))
        while isinstance(said := await self.hear(), Question):
            pass
        return said

    def tell(self, verb: Verb, **values: Any) -> None:
        """Without an answer."""
        self.pipe.send(encode(Question(NO_ANSWER, verb, values)))

    def die(self) -> None:
        """As if killed."""
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class Source:
    """Stands in for a source of workers; after ``last`` of them it dies at the next asking."""

    def __init__(self, house: "House", last: int) -> None:
        self._house = house
        self._last = last
        self.ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._theirs.setblocking(False)
        self._serving = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        try:
            for _ in range(self._last):
                descriptor = await self._asked()
                if descriptor is None:
                    return
                hired = Hired(socket.socket(fileno=descriptor))
                self._house.everybody.append(hired)
                self._house.hired.put_nowait(hired)
                self._theirs.send(str(hired.process.pid).encode())
            await self._asked()
        finally:
            self._theirs.close()

    async def _asked(self) -> int | None:
        """A worker's pipe; None where nobody will ask any more."""
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._theirs.fileno(), came.set)
        try:
            await came.wait()
        finally:
            loop.remove_reader(self._theirs.fileno())
        asked, descriptors, _, _ = socket.recv_fds(self._theirs, 1, 1)
        return descriptors[0] if asked else None

    async def close(self) -> None:
        """It ends."""
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        self.ours.close()


class House:
    """The agent around its workers. ``sources``: how many workers each source gives before it dies."""

    def __init__(self, folder: Path, *sources: int) -> None:
        self.agency = Agency(folder)
        self.hired: asyncio.Queue[Hired] = asyncio.Queue()
        self.everybody: list[Hired] = []
        self.said: list[str] = []
        self.lenders: dict[str, Callable[[], Awaitable[workers.Lent]]] = {}
        self._sources: list[Source] = []
        self._lasts = iter(sources)
        agency = self.agency
        self.workers = Workers(
            self._source(),
            agency.another_clerk,
            self.lenders,
            TERMINAL,
            agency.books,
            agency.clock,
            Questions(agency.recorder, 1.0),
            workers.unproven,
            self.said.append,
            lambda *traffic: None,
        )
        self._running = asyncio.create_task(self.workers.run())

    @property
    def sources(self) -> int:
        """How many there have been."""
        return len(self._sources)

    def _source(self) -> SourceChild:
        made = Source(self, next(self._lasts))
        self._sources.append(made)
        return SourceChild(0, made.ours, None, self._source)

    async def worker(self) -> Hired:
        """The next one, after its hello."""
        async with asyncio.timeout(WITHIN_S):
            hired = await self.hired.get()
        await hired.until(Verb.HELLO)
        return hired

    async def end_of(self, payment: Underway) -> dict[str, Any]:
        """What the payment's end says."""
        async with asyncio.timeout(WITHIN_S):
            await payment.ended.wait()
        assert payment.finished is not None
        return dict(payment.finished.fields)

    async def close(self) -> None:
        """Leave nothing."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        for hired in self.everybody:
            hired.die()
        for source in self._sources:
            await source.close()
        self.agency.close()


@contextlib.asynccontextmanager
async def house(folder: Path, *sources: int) -> AsyncIterator[House]:
    made = House(folder, *sources)
    try:
        yield made
    finally:
        await made.close()


async def test_a_payment_goes_to_the_worker_that_waits_and_ends_with_its_word(tmp_path: Path) -> None:
    async with house(tmp_path, 9) as made:
        first = await made.worker()
        payment = made.workers.begin(4_200, EUR)
        begun = await first.until(Verb.BEGIN)
        assert begun.values["payment"] == payment.identifier
        with pytest.raises(AgentError, match="another payment is running"):
            made.workers.begin(1, EUR)
        await first.ask(Verb.CONCLUDE, payment=payment.identifier, fields=finished("declined"), **NO_ADVICE)
        assert (await made.end_of(payment))["outcome"] == "declined"
        first.die()
        assert (await made.worker()).process.pid != first.process.pid


@pytest.mark.parametrize("turn", ["before it takes it up", "when it has taken it up", "when it has sent"])
async def test_a_worker_that_dies_in_mid_payment(turn: str, tmp_path: Path) -> None:
    async with house(tmp_path, 9) as made:
        dying = await made.worker()
        payment = made.workers.begin(4_200, EUR)
        await dying.until(Verb.BEGIN)
        if turn != "before it takes it up":
            step = {"payment": payment.identifier, "step": "present", "wire": "reader", "words": "x", "ms": 1}
            await dying.ask(Verb.RECORD, name="payment.step", fields=step)
        if turn == "when it has sent":
            await dying.ask(Verb.ENTER, payment=payment.identifier, **ENTRY)
        dying.die()
        if turn == "before it takes it up":
            heir = await made.worker()
            begun = await heir.until(Verb.BEGIN)
            assert begun.values["payment"] == payment.identifier, "nobody saw a card: another worker takes it up"
            await heir.ask(Verb.CONCLUDE, payment=payment.identifier, fields=finished("approved"), **NO_ADVICE)
            assert (await made.end_of(payment))["outcome"] == "approved"
            return
        told = await made.end_of(payment)
        assert (told["outcome"], told["reason"]) == ("failed", GONE)
        assert told.get("masked_pan") == (ENTRY["masked_pan"] if turn == "when it has sent" else None)
        assert len(made.agency.journal.reversals()) == (turn == "when it has sent")


async def test_a_payment_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    async with house(tmp_path, 9) as made:
        dying = await made.worker()
        payment = made.workers.begin(4_200, EUR)
        for _ in range(MOST_GIVEN - 1):
            await dying.until(Verb.BEGIN)
            dying.die()
            dying = await made.worker()
        await dying.until(Verb.BEGIN)
        dying.die()
        assert (await made.end_of(payment))["reason"] == GONE


async def test_a_source_that_dies_is_followed_by_another(tmp_path: Path) -> None:
    async with house(tmp_path, 1, 9) as made:
        (await made.worker()).die()
        second = await made.worker()
        assert made.sources == 2
        payment = made.workers.begin(4_200, EUR)
        await second.until(Verb.BEGIN)
        await second.ask(Verb.CONCLUDE, payment=payment.identifier, fields=finished("approved"), **NO_ADVICE)
        assert (await made.end_of(payment))["outcome"] == "approved"


async def test_without_any_source_a_payment_fails_and_the_next_one_works(tmp_path: Path) -> None:
    async with house(tmp_path, *[0] * MOST_GIVEN, 9) as made:
        payment = made.workers.begin(4_200, EUR)
        told = await made.end_of(payment)
        assert (told["outcome"], told["reason"]) == ("failed", NO_WORKER)
        later = made.workers.begin(4_200, EUR)
        hired = await made.worker()
        assert (await hired.until(Verb.BEGIN)).values["payment"] == later.identifier


async def test_a_worker_that_goes_astray_is_killed_and_said_to_be(tmp_path: Path) -> None:
    async with house(tmp_path, 9) as made:
        astray = await made.worker()
        payment = made.workers.begin(4_200, EUR)
        await astray.until(Verb.BEGIN)
        astray.pipe.send(encode(Question(1, Verb.CHIP, {"interface": "air", "failed": False})))
        assert await asyncio.to_thread(astray.process.wait, WITHIN_S) == -signal.SIGKILL
        astray.pipe.close()
        heir = await made.worker()
        assert heir.process.pid != astray.process.pid
        assert any("bug or attack: a worker asked for 'chip'" in text for text in made.said)
        assert not payment.over, "it had not been taken up"


async def test_a_missing_fence_and_a_bug_are_said_aloud(tmp_path: Path) -> None:
    async with house(tmp_path, 9) as made:
        worker = await made.worker()
        payment = made.workers.begin(4_200, EUR)
        worker.tell(Verb.TELL, text="WARNING: fence landlock of the payment's process is not in this kernel")
        step = {"payment": payment.identifier, "step": "present", "wire": "reader", "words": "x", "ms": 1}
        await worker.ask(Verb.RECORD, name="payment.step", fields=step)
        worker.tell(Verb.BUG, kind="ZeroDivisionError", places="  File x\n")
        worker.die()
        assert (await made.end_of(payment))["reason"] == "a fault of the agent; see what it printed"
        assert made.said == [
            "WARNING: fence landlock of the payment's process is not in this kernel",
            "bug: ZeroDivisionError in a worker\n  File x\n",
        ]


async def test_what_one_worker_leaves_the_next_one_is_told(tmp_path: Path) -> None:
    async with house(tmp_path, 9) as made:
        first = await made.worker()
        first.tell(Verb.READY)
        first.tell(Verb.PART, name="reader", up=True, words="")
        first.tell(Verb.PART, name="pad", up=False, words="it has erased its keys")
        first.tell(Verb.SESSION, key=bytes(16), check_value="A1B2C3")
        first.tell(Verb.PAUSE, ms=4_000)
        first.tell(Verb.VISIT, number=7)
        first.die()
        async with asyncio.timeout(WITHIN_S):
            second = await made.hired.get()
        hello = await second.until(Verb.HELLO)
        assert hello.values == {
            "first": False, "reader": True, "reader_lost": "", "pad": False, "pad_lost": "it has erased its keys",
            "key": bytes(16), "check_value": "A1B2C3", "pause_ms": 4_000, "visit": 7,
        }  # fmt: skip


async def test_what_cannot_be_lent_is_refused_with_its_reason(tmp_path: Path) -> None:
    async def absent() -> workers.Lent:
        raise AgentError("no such line", "plug it in")

    async with house(tmp_path, 9) as made:
        made.lenders["reader"] = absent
        worker = await made.worker()
        assert await worker.ask(Verb.LEND, what="reader") == Fault(1, "agent", "no such line", "plug it in")
        nothing = Fault(2, "agent", "the agent lends nothing of that name", "")
        assert await worker.ask(Verb.LEND, what="vault") == nothing


async def test_an_agent_that_stops_ends_the_payment_and_waits_for_no_worker_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "STOP_WITHIN_S", 0.1)
    async with house(tmp_path, 9) as made:
        deaf = await made.worker()
        payment = made.workers.begin(4_200, EUR)
        await deaf.until(Verb.BEGIN)
        await made.workers.stop()
        assert (await made.end_of(payment))["reason"] == STOPPED
        assert await asyncio.to_thread(deaf.process.wait, WITHIN_S) == -signal.SIGKILL
