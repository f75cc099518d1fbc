# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Books, journal, log and clock of a worker: all at the agent, asked for over a pipe. Keeps nothing itself.

Every call waits for the agent's answer, and so for its disk: what must be written before something is sent is written
when the call returns, as if the books were in this process. What goes out is masked, or sealed here.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from protocols.acquirer.message import Draft
from protocols.acquirer.mti import Mti
from protocols.acquirer.values import OriginalData
from protocols.currency import Currency
from protocols.identity.binding import Proof, read_proof
from protocols.telemetry.events import Event, Value, fit
from protocols.worker_pipe import Verb
from terminal_agent.emv.fallback import Fallback, Interface
from terminal_agent.errors import AgentError
from terminal_agent.flows.questions import About
from terminal_agent.host.advice import Advice, Offline, SealedAdvice, SealedRow, close_up, open_up
from terminal_agent.host.client import Reply
from terminal_agent.host.exchange import Entry
from terminal_agent.host.reversal import Reversal, ReversalReason
from terminal_agent.host.seal import KEY_OCTETS, Seal

APPROVED = "approved"
STEP, ALERT = "payment.step", "payment.alert"
WATCHED = "a debugger is attached to the payment's process"


class Asker(Protocol):
    """A worker's end of its pipe."""

    def ask(self, verb: Verb, **values: Any) -> Mapping[str, Any]:
        """The agent's answer; raises what the agent's fault names."""
        ...

    async def wait(self, verb: Verb, **values: Any) -> Mapping[str, Any]:
        """An answer that takes its time, since people give it; other questions go on meanwhile."""
        ...

    def tell(self, verb: Verb, **values: Any) -> None:
        """Say something that needs no answer."""
        ...

    def borrow(self, what: str) -> int:
        """A descriptor that the agent has open; raises what the agent's fault names."""
        ...


class RemoteClock:
    """The agent's guarded wall clock, and this machine's steady one."""

    def __init__(self, agent: Asker) -> None:
        self._agent = agent

    def now_ms(self) -> int:
        """Wall time."""
        return int(self._agent.ask(Verb.NOW)["ms"])

    def steady_ms(self) -> float:
        """Steady time."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6


class RemoteNotes:
    """See :class:`terminal_agent.flows.ports.Notes`. A payment goes no step further while somebody looks on."""

    def __init__(self, agent: Asker, watched: Callable[[], bool]) -> None:
        """``watched``: whether a debugger is attached to this process."""
        self._agent = agent
        self._watched = watched

    def record(self, name: str, **fields: Value) -> Event:
        """Commit one event at the agent; raises :class:`AgentError` where somebody looks on."""
        if name == STEP and self._watched():
            self._agent.ask(Verb.RECORD, name=ALERT, fields={"payment": fields["payment"], "alert": WATCHED})
            raise AgentError(WATCHED, "see who is logged in on this machine, and what runs there")
        return Event(name, self._agent.ask(Verb.RECORD, name=name, fields=fields)["at_ms"], fields)

    def note(self, name: str, **fields: Value) -> None:
        """Have the agent note it."""
        self._agent.ask(Verb.NOTE, name=name, fields=fields)


class RemoteNumbers:
    """See :class:`terminal_agent.flows.ports.Numbers`."""

    def __init__(self, agent: Asker) -> None:
        self._agent = agent

    def next(self) -> bytes:
        """A number that the agent drew and watched."""
        return bytes(self._agent.ask(Verb.NUMBER)["number"])


class RemoteFallbacks:
    """See :class:`terminal_agent.flows.ports.Fallbacks`."""

    def __init__(self, agent: Asker) -> None:
        self._agent = agent

    def presented(self, interface: Interface) -> Fallback:
        """A card is there."""
        return Fallback[self._agent.ask(Verb.PRESENTED, interface=interface)["fallback"]]

    def ended(self, interface: Interface, *, chip_failed: bool) -> bool:
        """What became of its chip."""
        return bool(self._agent.ask(Verb.CHIP, interface=interface, failed=chip_failed)["suspicious"])


class RemoteQuestions:
    """See :class:`terminal_agent.flows.questions.Asking`: the agent asks the people, and knows how long."""

    def __init__(self, agent: Asker, patience_s: float) -> None:
        self.patience_s = patience_s
        self._agent = agent

    async def ask(self, payment: str, about: About, options: Sequence[str]) -> int | None:
        """The number that was answered at the agent."""
        listed = "\n".join(fit(option) for option in options)  # a label that is an account number stays here
        answer = await self._agent.wait(Verb.PEOPLE, payment=payment, about=about.value, options=listed)
        return int(answer["answer"]) if answer["answered"] else None


class RemoteProver:
    """See :data:`terminal_agent.flows.ports.ProveBinding`: the agent has the vault make it."""

    def __init__(self, agent: Asker) -> None:
        self._agent = agent

    async def __call__(self, payment: str) -> Proof | None:
        """For one message of a payment."""
        text = (await self._agent.wait(Verb.PROVE, payment=payment))["binding"]
        return read_proof(text) if text else None


class RemoteBooks:
    """See :class:`terminal_agent.flows.ports.Accounts`."""

    def __init__(self, agent: Asker, seal: Seal) -> None:
        self.owing = asyncio.Event()
        self.begun = ""
        """The payment that the agent has begun and that is to be taken up."""
        self._agent = agent
        self._seal = seal

    def begin(self, amount: int, currency: Currency) -> str:
        """The agent began it: it is on disk."""
        return self.begun

    def conclude(self, payment: str, fields: Mapping[str, Value], offline: Offline | None = None) -> Event:
        """The payment ends at the agent; card data that an advice needs are sealed before they leave."""
        advice = SealedAdvice(0, "", "", b"")
        if offline is not None and fields["outcome"] == APPROVED:
            advice = close_up(self._seal, payment, offline)
        answer = self._agent.ask(
            Verb.CONCLUDE,
            payment=payment,
            fields=fields,
            code=advice.code,
            amount=advice.amount,
            currency=advice.currency,
            sealed=advice.sealed,
        )
        return Event("payment.finished", answer["at_ms"], answer["fields"])

    def owe(self, reference: int, reason: ReversalReason) -> None:
        """An exchange must be taken back."""
        self._agent.ask(Verb.OWE, ref=reference, reason=reason.value)

    def settled(self, reference: int, code: str) -> bool:
        """The acquirer answered a reversal."""
        return bool(self._agent.ask(Verb.REVERSAL_ANSWERED, ref=reference, code=code)["settled"])

    def advised(self, reference: int, code: str) -> bool:
        """The acquirer answered an advice."""
        return bool(self._agent.ask(Verb.ADVICE_ANSWERED, ref=reference, code=code)["settled"])


class RemoteLedger:
    """See :class:`terminal_agent.flows.ports.Ledger`."""

    def __init__(self, agent: Asker, seal: Seal) -> None:
        self.unsealed = False
        """Whether card data of an advice were opened in this process."""
        self._agent = agent
        self._seal = seal

    def next_stan(self) -> int:
        """The next system trace audit number."""
        return int(self._agent.ask(Verb.STAN)["stan"])

    def record(self, draft: Draft, payment: str) -> int:
        """On the agent's disk before it is sent."""
        entry = Entry.of(draft.message)
        answer = self._agent.ask(
            Verb.ENTER,
            payment=payment,
            mti=entry.mti,
            stan=entry.stan,
            transmitted=entry.transmitted,
            processing_code=entry.processing_code,
            amount=entry.amount,
            currency=entry.currency,
            reference=entry.reference,
            masked_pan=entry.masked_pan,
            ksn=entry.ksn,
        )
        return int(answer["ref"])

    def answered(self, ref: int, reply: Reply) -> None:
        """An authentic answer came."""
        said = {"approved": reply.approved, "code": reply.response_code, "approval": reply.approval}
        self._agent.ask(Verb.ANSWERED, ref=ref, **said)

    def withdrawn(self, ref: int) -> None:
        """Nothing of it left the terminal."""
        self._agent.ask(Verb.WITHDRAWN, ref=ref)

    def reversals(self) -> tuple[Reversal, ...]:
        """What is owed back, oldest first."""
        return tuple(
            Reversal(
                ref=row["ref"],
                reason=ReversalReason(row["reason"]),
                stan=row["own_stan"],
                transmitted=row["own_transmitted"],
                attempts=row["attempts"],
                original=OriginalData(Mti(row["mti"]), row["stan"], row["transmitted"]),
                processing_code=row["processing_code"],
                amount=row["amount"],
                currency=row["currency"],
                reference=row["reference"],
            )
            for row in self._rows(Verb.REVERSAL)
        )

    def reversal_sending(self, ref: int) -> None:
        """Count an attempt."""
        self._agent.ask(Verb.REVERSAL_SENDING, ref=ref)

    def advices(self) -> tuple[Advice, ...]:
        """The advices that are owed, oldest first, opened here."""
        rows = [SealedRow(**row) for row in self._rows(Verb.ADVICE)]
        self.unsealed = self.unsealed or bool(rows)
        return tuple(open_up(self._seal, row) for row in rows)

    def advice_sending(self, ref: int) -> None:
        """Count an attempt."""
        self._agent.ask(Verb.ADVICE_SENDING, ref=ref)

    def _rows(self, verb: Verb) -> Iterator[Mapping[str, Any]]:
        after = 0
        while (row := self._agent.ask(verb, after=after))["ref"]:
            yield row
            after = row["ref"]


class LentKey:
    """The seal's key in a file that the agent opens and this process reads; see ``KeyStore`` in host/seal.py."""

    def __init__(self, agent: Asker, what: str, place: str) -> None:
        self.place = place
        self._agent = agent
        self._what = what

    def read(self) -> bytes:
        """Its octets, none where there is no key yet."""
        descriptor = self._agent.borrow(self._what)
        try:
            return os.pread(descriptor, KEY_OCTETS + 1, 0)
        finally:
            os.close(descriptor)

    def write(self, octets: bytes) -> None:
        """Keep a new key, on the disk when this returns."""
        descriptor = self._agent.borrow(self._what)
        try:
            os.pwrite(descriptor, octets, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
