# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Where a payment begins and ends on disk, and how journal, audit log and outbox come to tell the same story, once.

Three files, one order. The journal decides: :meth:`Books.conclude` is one transaction, and with it a payment is over,
completed or owed back. What it decided waits in the journal until it is in the audit log; the outbox follows the audit
log. A death between two of them leaves the later one behind, never ahead, and the next start brings it up: an event
that the journal still holds is looked for in the log before it is written, so it is there once.

A disk that takes no more stops payments before they begin. Where it fills up under a payment, that payment ends as it
can still be written: approved, if the journal has it, and told later; else failed, and owed back as soon as the journal
takes it. Nothing new begins until everything is written.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocols.currency import Currency
from protocols.telemetry.events import Event, Value, fit, make
from terminal_agent.clock import Clock, local_time
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.advice import Offline, SealedAdvice
from terminal_agent.host.journal import Journal, Untold
from terminal_agent.host.port import JournalError
from terminal_agent.host.reversal import ReversalReason

RETRY_S = 1.0  # how soon room that was freed is used


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """The end of a payment that the journal did not take."""

    payment: str
    finished: Event


class Books:
    """The books of one terminal."""

    def __init__(self, journal: Journal, recorder: Recorder, clock: Clock, tell: Callable[[str], None]) -> None:
        self.owing = asyncio.Event()
        """Set while the acquirer may be owed a reversal or an advice: whoever settles them waits for it."""
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._tell = tell
        self._unwritten: list[_Unwritten] = []
        self._committed: set[int] = set()  # in the audit log, and not yet struck off the journal
        self._announced: set[int] = set()
        self._behind = False
        self._stopped = False

    def open(self) -> int:
        """At start: bring the outbox up, take back what an earlier run left, tell what it did not. How many are owed.

        Raises :class:`AgentError` where the audit log does not contain what was reported from it, or cannot be written.
        """
        self._recorder.catch_up()
        owed = self._journal.recover(local_time(self._clock.now_ms()))
        for waiting in self._journal.untold():
            if self._recorder.committed_before(waiting.event):
                self._committed.add(waiting.number)
                self._announced.add(waiting.number)
        self._tell_journal()
        if self._journal.owes():
            self.owing.set()
        return owed

    def begin(self, amount: int, currency: Currency) -> str:
        """A payment begins; its identifier. Raises :class:`AgentError` where no payment may begin now, and why."""
        try:
            self.catch_up()
            self._journal.require_room()
            payment = self._journal.begin(amount, currency.alpha, self._clock.now_ms())
        except AgentError as fault:
            self._stop(fault)
            raise
        self._resume()
        return payment

    def conclude(
        self, payment: str, fields: Mapping[str, Value], offline: Offline | SealedAdvice | None = None
    ) -> Event:
        """The payment ends with these fields of ``payment.finished``: the point of no return, in one stroke.

        An outcome other than approved takes back whatever of the payment has left the terminal. ``offline``: card and
        terminal approved it by themselves, and the acquirer must be told. Raises
        :class:`JournalError` where this could not be written: then the payment has failed, and is owed back as soon as
        it can be.
        """
        event = make("payment.finished", self._clock.now_ms(), payment=payment, **fields)
        try:
            self._conclude(payment, event, offline)
        except JournalError as fault:
            if fields["outcome"] == "approved":
                event = make("payment.finished", event.at_ms, **_failed(event, fault))
            self._unwritten.append(_Unwritten(payment, event))
            self._fall_behind(fault)
            raise
        self._try_to_tell()
        return event

    def owe(self, reference: int, reason: ReversalReason) -> None:
        """An exchange must be taken back. Where that cannot be written now, the end of its payment says it again."""
        try:
            self._journal.must_reverse(reference, reason, local_time(self._clock.now_ms()))
        except JournalError as fault:
            self._fall_behind(fault)
            return
        self.owing.set()
        self._try_to_tell()

    def advised(self, reference: int, code: str) -> bool:
        """The acquirer answered an advice; whether that settles it."""
        done = self._journal.advice_answered(reference, code, local_time(self._clock.now_ms()))
        self._try_to_tell()
        return done

    def settled(self, reference: int, code: str) -> bool:
        """The acquirer answered a reversal; whether that settles it."""
        done = self._journal.reversal_answered(reference, code, local_time(self._clock.now_ms()))
        self._try_to_tell()
        return done

    def owes(self) -> bool:
        """Whether the acquirer is owed anything."""
        return self._journal.owes()

    def catch_up(self) -> None:
        """Write what could not be written before; raises the :class:`AgentError` that still prevents it."""
        if not self._behind and not self._recorder.behind:
            return
        while self._unwritten:
            self._conclude(self._unwritten[0].payment, self._unwritten[0].finished)
            self._unwritten.pop(0)
        self._tell_journal()
        self._recorder.catch_up()
        self._behind = False

    async def keep(self) -> None:
        """Runs for the agent's life: what could not be written is tried again until it is."""
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                self.catch_up()
                if self._stopped:
                    self._journal.require_room()
            except AgentError:
                continue
            self._resume()

    def _conclude(self, payment: str, event: Event, offline: Offline | SealedAdvice | None = None) -> None:
        self._journal.conclude(payment, event, local_time(self._clock.now_ms()), offline)
        if self._journal.owes():
            self.owing.set()

    def _tell_journal(self) -> None:
        """Everything that the journal holds for the audit log; each is struck off when it is there."""
        for waiting in self._journal.untold():
            if waiting.number not in self._committed:
                self._recorder.commit(waiting.event)
                self._committed.add(waiting.number)
            self._announce(waiting)
            self._journal.told(waiting.number)
            self._committed.discard(waiting.number)
            self._announced.discard(waiting.number)

    def _try_to_tell(self) -> None:
        try:
            self._tell_journal()
        except AgentError as fault:
            self._fall_behind(fault)
            self._announce_all()

    def _announce_all(self) -> None:
        """What the journal has decided is so: listeners hear it although the audit log waits."""
        try:
            waiting = self._journal.untold()
        except JournalError:
            return
        for one in waiting:
            self._announce(one)

    def _announce(self, waiting: Untold) -> None:
        if waiting.number not in self._announced:
            self._announced.add(waiting.number)
            self._recorder.announce(waiting.event)

    def _fall_behind(self, fault: AgentError) -> None:
        if not self._behind:
            self._tell(f"not everything could be written: {fault.what}")
        self._behind = True

    def _stop(self, fault: AgentError) -> None:
        if not self._stopped:
            self._stopped = True
            self._recorder.note("payments.stopped", reason=fit(fault.what))

    def _resume(self) -> None:
        if self._stopped:
            self._stopped = False
            self._recorder.note("payments.resumed")


def _failed(event: Event, fault: JournalError) -> dict[str, Value]:
    """The fields of an approval that could not be written, as the failure that it is now."""
    fields = {name: value for name, value in event.fields.items() if name != "response_code"}
    return fields | {"outcome": "failed", "reason": fit(fault.what)}
