# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps one worker ready, gives it a payment, and sees the payment to its end whatever becomes of the worker.

The agent's side. It opens what a worker works on (lines, the connection to the acquirer) and lends it without a look
at what goes over it. A worker that ends before its payment is concluded leaves a payment that failed; what it had sent
is owed back, as after a death of the agent.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from device_profiles.model import LineSettings
from protocols.currency import Currency
from protocols.errors import ProtocolError
from protocols.telemetry.events import fit
from protocols.worker_pipe import NO_ANSWER, Question, Values, Verb
from terminal_agent.clock import Clock
from terminal_agent.durable import sync_folder
from terminal_agent.emv import EmvTerminal
from terminal_agent.emv.request import NO_WISHES, Wishes
from terminal_agent.emv.unpredictable import PredictableNumbers
from terminal_agent.errors import AgentError
from terminal_agent.flows.accepted import require_accepted
from terminal_agent.flows.books import Books
from terminal_agent.flows.clerk import Clerk, NotNow, Underway
from terminal_agent.flows.faults import named
from terminal_agent.flows.questions import About, Questions
from terminal_agent.line.url import claim
from terminal_agent.processes import worker_child
from terminal_agent.processes.worker_ends import AgentEnd

GONE = "the payment's process ended in mid-payment"
STOPPED = "the agent was stopped in mid-payment"
NO_WORKER = "no process for the payment could be started"
MOST_GIVEN = 3  # how often a payment is given to a worker that ends before it takes it up
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0  # before the next worker, after one that ended without a payment
STOP_WITHIN_S = 3.0

Lent = tuple[int, str, str]
"""A descriptor, its name, its kind."""


class End(Protocol):
    """The agent's end of a worker's pipe: see :class:`terminal_agent.processes.worker_ends.AgentEnd`."""

    gone: asyncio.Event

    def tell(self, verb: Verb, **values: Any) -> None:
        """Say something."""
        ...

    def answer(self, number: int, values: Values) -> None:
        """Answer a question."""
        ...

    def lend(self, number: int, values: Values, descriptor: int) -> None:
        """Answer with a descriptor."""
        ...

    def refuse(self, number: int, kind: str, what: str, hint: str) -> None:
        """Answer with a fault."""
        ...

    def end(self) -> None:
        """End the worker now."""
        ...


@dataclass(slots=True)
class Part:
    """How a part stands, as the last worker said."""

    up: bool = False
    words: str = "not opened yet"


@dataclass(slots=True)
class Carried:
    """What one worker leaves to the next. None of it is secret: the session key is under the pad's master key."""

    key: bytes = b""
    check_value: str = ""
    pause_ms: int = 0
    visit: int = -1


class Workers:
    """One worker after the other, for the agent's life."""

    def __init__(
        self,
        source: worker_child.SourceChild,
        clerks: Callable[[], Clerk],
        lenders: dict[str, Callable[[], Awaitable[Lent]]],
        terminal: EmvTerminal,
        books: Books,
        clock: Clock,
        questions: Questions,
        proof: Callable[[], Awaitable[str]],
        tell: Callable[[str], None],
        traffic: Callable[[str, str, str], None],
    ) -> None:
        """``clerks`` makes the clerk of a new worker; ``lenders`` open what may be lent, by name.

        ``proof``: of the binding, for one message; see :meth:`terminal_agent.flows.proving.Prover.proof`.
        """
        self.questions = questions
        self.parts = {"reader": Part(), "pad": Part()}
        self.carried = Carried()
        self.ready = asyncio.Event()
        """Set when the first worker has opened what it could and tried to sign on, or has ended."""
        self.current: Underway | None = None
        self._source = source
        self._clerks = clerks
        self._lenders = lenders
        self._terminal = terminal
        self._books = books
        self._clock = clock
        self._proof = proof
        self._tell = tell
        self._traffic = traffic
        self._clerk = clerks()
        self._end: End | None = None
        self._given = self._unhired = 0
        self._reason = GONE
        self._stopping = False
        self._errands: set[asyncio.Task[None]] = set()

    def begin(self, amount: int, currency: Currency, wishes: Wishes = NO_WISHES) -> Underway:
        """A payment begins, on disk; raises :class:`AgentError` where none may begin now, and why."""
        if self.current is not None and not self.current.over:
            raise AgentError("another payment is running", "wait for its outcome")
        require_accepted(self._terminal, currency)
        began = self._clock.steady_ms()
        self.current = Underway(self._books.begin(amount, currency), amount, currency.alpha, began, wishes)
        self._given = 0
        self._give()
        return self.current

    async def run(self) -> None:
        """Runs for the agent's life: hires a worker, and another when it has ended."""
        pause = SHORTEST_PAUSE_S
        pump = asyncio.create_task(self._tell_of_debts())
        try:
            while not self._stopping:
                hired = self._clock.steady_ms()
                await self._one_worker()
                if self._clerk.payment is not None or self._clock.steady_ms() - hired > 1000:
                    pause = SHORTEST_PAUSE_S
                    continue
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
        finally:
            pump.cancel()
            if self._end is not None:
                self._end.end()
            self._source.stop()

    async def stop(self) -> None:
        """End the running payment and the worker; what does not end in time is killed."""
        self._stopping = True
        self._reason = STOPPED
        end, current = self._end, self.current
        if end is not None:
            end.tell(Verb.CANCEL)
            end.tell(Verb.STOP)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await end.gone.wait()
            end.end()
        if current is not None and not current.over:
            with contextlib.suppress(AgentError):
                self._clerk.abandon(current, STOPPED)

    async def _one_worker(self) -> None:
        try:
            end = await self._hire()
        except OSError:
            self.ready.set()
            self._unhired += 1
            if self._unhired >= MOST_GIVEN:
                self._forsake(NO_WORKER)
                await asyncio.sleep(SHORTEST_PAUSE_S)
            if not self._stopping:
                self._source.stop()
                self._source = self._source.again()
            return
        self._end, self._unhired = end, 0
        self._clerk = self._clerks()
        carried, first = self.carried, not self.ready.is_set()
        end.tell(
            Verb.HELLO,
            first=first,
            reader=first or self.parts["reader"].up,
            reader_lost=self.parts["reader"].words,
            pad=first or self.parts["pad"].up,
            pad_lost=self.parts["pad"].words,
            key=carried.key,
            check_value=carried.check_value,
            pause_ms=carried.pause_ms,
            visit=carried.visit,
        )
        if self._books.owes():
            end.tell(Verb.OWING)
        self._give()
        await end.gone.wait()
        self._end = None
        self.ready.set()
        for errand in self._errands:
            errand.cancel()
        if self.current is not None and not self.current.over and (self.current.taken or self._given >= MOST_GIVEN):
            self._forsake(self._reason)

    async def _hire(self) -> End:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(self._source.pipe, [b"w"], [theirs.fileno()])
            self._source.pipe.setblocking(False)
            said = await asyncio.get_running_loop().sock_recv(self._source.pipe, 32)
            if not said:
                raise ConnectionResetError("the source of workers has ended")
        except BaseException:
            ours.close()
            raise
        return AgentEnd(ours, int(said), self._asked)

    def _give(self) -> None:
        """Hand the payment that waits to the worker, if that has had none."""
        current, end = self.current, self._end
        if current is None or current.over or current.taken or end is None or self._clerk.payment is not None:
            return
        self._given += 1
        self._clerk.payment = current
        wishes = {"online": current.wishes.online, "earlier": current.wishes.earlier}
        end.tell(Verb.BEGIN, payment=current.identifier, amount=current.amount, currency=current.currency, **wishes)

    def _forsake(self, reason: str) -> None:
        current = self.current
        if current is not None and not current.over:
            with contextlib.suppress(AgentError):  # whoever waits for the payment is told of it
                self._clerk.abandon(current, reason)

    async def _tell_of_debts(self) -> None:
        while True:
            await self._books.owing.wait()
            self._books.owing.clear()
            if self._end is not None:
                self._end.tell(Verb.OWING)

    def _asked(self, question: Question) -> None:
        if question.number == NO_ANSWER:
            self._heard(question)
            return
        end = self._end
        assert end is not None
        try:
            if question.verb is Verb.LEND:
                self._clerk.require(question.verb)
                self._run_errand(self._lend(end, question.number, question.values["what"]))
                return
            if question.verb is Verb.PEOPLE:
                self._clerk.require(question.verb, question.values["payment"])
                self._run_errand(self._ask_people(end, question.number, **question.values))
                return
            if question.verb is Verb.PROVE:
                self._clerk.require_proof(question.values["payment"])
                self._run_errand(self._prove(end, question.number))
                return
            end.answer(question.number, self._clerk.serve(question))
        except NotNow as fault:
            self._reason = "the payment's process went astray and was ended"
            self._tell(f"bug or attack: {fault.what}: it is ended")
            end.end()
        except (AgentError, PredictableNumbers) as fault:
            end.refuse(question.number, *named(fault))
        except ProtocolError as fault:
            end.refuse(question.number, "agent", str(fault), "")

    def _run_errand(self, work: Coroutine[Any, Any, None]) -> None:
        """What takes its time, until the worker has gone."""
        errand = asyncio.create_task(work)
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def _ask_people(self, end: End, number: int, payment: str, about: str, options: str) -> None:
        try:
            answer = await self.questions.ask(payment, About(about), options.split("\n"))
        except ValueError:
            end.refuse(number, "agent", "people are asked about applications and signatures", "")
        except AgentError as fault:
            end.refuse(number, *named(fault))
        else:
            end.answer(number, {"answered": answer is not None, "answer": answer or 0})

    async def _prove(self, end: End, number: int) -> None:
        try:
            end.answer(number, {"binding": await self._proof()})
        except (AgentError, ProtocolError) as fault:
            what = fault.what if isinstance(fault, AgentError) else str(fault)
            end.refuse(number, "agent", f"the terminal's binding cannot be proven: {what}", "")

    async def _lend(self, end: End, number: int, what: str) -> None:
        lender = self._lenders.get(what)
        if lender is None:
            end.refuse(number, "agent", "the agent lends nothing of that name", "")
            return
        try:
            descriptor, name, kind = await lender()
        except AgentError as fault:
            end.refuse(number, *named(fault))
            return
        try:
            end.lend(number, {"name": name, "kind": kind}, descriptor)
        finally:
            os.close(descriptor)

    def _heard(self, told: Question) -> None:
        values = told.values
        match told.verb:
            case Verb.PART if values["name"] in self.parts:
                self.parts[values["name"]] = Part(values["up"], values["words"])
            case Verb.SESSION:
                self.carried.key, self.carried.check_value = values["key"], values["check_value"]
            case Verb.PAUSE:
                self.carried.pause_ms = values["ms"]
            case Verb.VISIT:
                self.carried.visit = values["number"]
            case Verb.READY:
                self.ready.set()
            case Verb.TRACE:
                self._traffic(values["wire"], values["direction"], values["text"])
            case Verb.TELL:
                self._tell(values["text"])
            case Verb.BUG:
                self._reason = "a fault of the agent; see what it printed"
                self._tell(f"bug: {values['kind']} in a worker\n{values['places']}")


def unrecorded(payment: Underway, why: str, at_ms: int) -> dict[str, object]:
    """What listeners hear of a payment whose end could not be recorded: it failed, whatever else happened."""
    fields = {
        "payment": payment.identifier, "outcome": "failed", "reason": fit(why),
        "amount": payment.amount, "currency": payment.currency, "ms": 0,
    }  # fmt: skip
    return {"name": "payment.finished", "at_ms": at_ms, "fields": fields}


async def unproven() -> str:
    """No proof of the binding: of a terminal that has no vault to make one."""
    return ""


def line_lender(spec: str, settings: LineSettings) -> Callable[[], Awaitable[Lent]]:
    """Opens and locks a line at each asking."""

    async def lend() -> Lent:
        claimed = await claim(spec, settings)
        return claimed.descriptor, claimed.name, claimed.kind.value

    return lend


def seal_key_lender(path: Path) -> Callable[[], Awaitable[Lent]]:
    """Lends the file of the journal's seal; makes it, empty, where it is not there."""

    async def lend() -> Lent:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            sync_folder(path.parent)
        except OSError as fault:
            raise AgentError(f"{path}: {fault.strerror}", "check the file and its rights") from None
        return descriptor, str(path), "file"

    return lend
