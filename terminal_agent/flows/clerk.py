# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the agent does for a worker: a table of verbs, and which of them may come when. Lends nothing, sends nothing.

A worker has talked to a stranger's card, so it is asked for no more trust than its work needs: it writes about the one
payment that it was given, in the order of a payment, and reads nothing but what it must send.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from protocols.acquirer.mti import Mti
from protocols.telemetry.events import Event, Value
from protocols.worker_pipe import Question, Values, Verb
from terminal_agent.clock import Clock
from terminal_agent.emv.fallback import FallbackGuard, Interface
from terminal_agent.emv.request import NO_WISHES, Wishes
from terminal_agent.emv.unpredictable import UnpredictableNumbers
from terminal_agent.errors import AgentError
from terminal_agent.flows.books import Books
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.advice import SealedAdvice
from terminal_agent.host.exchange import Entry
from terminal_agent.host.journal import Journal
from terminal_agent.host.reversal import ReversalReason


class Phase(StrEnum):
    """How far a worker has come."""

    WAITING = "waiting"
    PAYING = "paying"
    OVER = "over"


_ALWAYS = frozenset(
    {
        Verb.NOW, Verb.STAN, Verb.NOTE, Verb.OWE, Verb.REVERSAL, Verb.REVERSAL_SENDING, Verb.REVERSAL_ANSWERED,
        Verb.ADVICE, Verb.ADVICE_SENDING, Verb.ADVICE_ANSWERED, Verb.LEND,
    }
)  # fmt: skip
PERMITTED: Mapping[Phase, frozenset[Verb]] = MappingProxyType(
    {
        Phase.WAITING: _ALWAYS,
        Phase.PAYING: _ALWAYS
        | {
            Verb.NUMBER, Verb.PRESENTED, Verb.CHIP, Verb.ENTER, Verb.ANSWERED, Verb.WITHDRAWN, Verb.RECORD,
            Verb.CONCLUDE, Verb.PEOPLE, Verb.PROVE,
        },
        Phase.OVER: _ALWAYS,
    }
)  # fmt: skip
"""What may be asked when. LEND, PEOPLE and PROVE are answered elsewhere: they are no matter of the books."""

NOTES = frozenset({"device.lost", "device.back", "host.signed_on", "host.refused", "advice.stuck"})
RECORDS = frozenset({"payment.step", "payment.alert"})
"""The events that a worker may have written; the rest of a payment's story the agent writes itself."""


MOST_PROOFS = 2
"""Of the binding, in one payment: for the question to the acquirer, and for the advice where asking was in vain."""


class NotNow(AgentError):
    """A worker asked for something that it has no business with: it is ended."""


class Underway:
    """One payment that a worker was given."""

    def __init__(
        self, identifier: str, amount: int, currency: str, began_ms: float, wishes: Wishes = NO_WISHES
    ) -> None:
        self.identifier = identifier
        self.amount = amount
        self.currency = currency
        self.began_ms = began_ms
        self.wishes = wishes
        self.proofs = 0
        """How many proofs of the binding were asked for."""
        self.known: dict[str, Value] = {}
        """What the end of it says of the card, from the journal's entry on."""
        self.taken = False
        """Whether a worker has begun with it."""
        self.finished: Event | None = None
        self.fault: AgentError | None = None
        """Why its end could not be written."""
        self.ended = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether its steps have come to an end."""
        return self.ended.is_set()


class Clerk:
    """Serves one worker, from its first question to its end."""

    def __init__(
        self,
        journal: Journal,
        books: Books,
        recorder: Recorder,
        clock: Clock,
        numbers: UnpredictableNumbers,
        fallbacks: FallbackGuard,
    ) -> None:
        self.payment: Underway | None = None
        """The one payment that this worker was given."""
        self._journal = journal
        self._books = books
        self._recorder = recorder
        self._clock = clock
        self._numbers = numbers
        self._fallbacks = fallbacks
        self._served: Mapping[Verb, Callable[..., Values | None]] = {
            Verb.NOW: lambda: {"ms": clock.now_ms()},
            Verb.NUMBER: lambda: {"number": numbers.next()},
            Verb.PRESENTED: lambda interface: {"fallback": fallbacks.presented(_interface(interface)).name},
            Verb.CHIP: self._chip,
            Verb.STAN: lambda: {"stan": journal.next_stan()},
            Verb.ENTER: self._enter,
            Verb.ANSWERED: lambda ref, approved, code, approval: journal.decided(
                ref, code, approval, approved=approved
            ),
            Verb.WITHDRAWN: lambda ref: journal.withdrawn(ref),
            Verb.OWE: lambda ref, reason: books.owe(ref, ReversalReason(reason)),
            Verb.REVERSAL: self._reversal,
            Verb.REVERSAL_SENDING: lambda ref: journal.reversal_sending(ref),
            Verb.REVERSAL_ANSWERED: lambda ref, code: {"settled": books.settled(ref, code)},
            Verb.ADVICE: self._advice,
            Verb.ADVICE_SENDING: lambda ref: journal.advice_sending(ref),
            Verb.ADVICE_ANSWERED: lambda ref, code: {"settled": books.advised(ref, code)},
            Verb.RECORD: self._record,
            Verb.NOTE: self._note,
            Verb.CONCLUDE: self._conclude,
        }

    @property
    def phase(self) -> Phase:
        """Of the worker that is served now."""
        if self.payment is None:
            return Phase.WAITING
        return Phase.OVER if self.payment.over else Phase.PAYING

    def require(self, verb: Verb, payment: str = "") -> None:
        """Raises :class:`NotNow` for a verb that may not come now, or about another payment than the worker's."""
        if payment:
            self._own(payment)
        if verb not in PERMITTED[self.phase]:
            raise NotNow(f"a worker that is {self.phase} asked for '{verb}'")

    def require_proof(self, payment: str) -> None:
        """As :meth:`require`, for a proof of the binding; raises :class:`NotNow` for more than a payment can need."""
        self.require(Verb.PROVE, payment)
        underway = self._own(payment)
        underway.proofs += 1
        if underway.proofs > MOST_PROOFS:
            raise NotNow("a worker wanted more proofs of the binding than a payment has messages")

    def serve(self, question: Question) -> Values:
        """The answer's fields; raises the :class:`AgentError` that the worker is told, or :class:`NotNow`."""
        self.require(question.verb)
        try:
            return self._served[question.verb](**question.values) or {}
        except (ValueError, KeyError):
            raise NotNow(f"a worker asked for '{question.verb}' with fields that mean nothing") from None

    def abandon(self, underway: Underway, reason: str) -> Event:
        """No worker will conclude this payment any more: it failed. What it had sent is owed back."""
        elapsed = round(self._clock.steady_ms() - underway.began_ms)
        fields: dict[str, Value] = {"outcome": "failed", "amount": underway.amount, "currency": underway.currency}
        return self._end(underway, {**fields, "ms": elapsed, "reason": reason, **underway.known}, None)

    def _chip(self, interface: str, failed: bool) -> Values:
        return {"suspicious": self._fallbacks.ended(_interface(interface), chip_failed=failed)}

    def _enter(self, payment: str, **entry: Any) -> Values:
        underway = self._own(payment)
        made = Entry(**{**entry, "mti": int(Mti(entry["mti"]))})  # what is owed back must be readable for ever
        ref = self._journal.enter(made, payment)
        underway.known = {name: text for name, text in (("masked_pan", made.masked_pan), ("ksn", made.ksn)) if text}
        return {"ref": ref}

    def _reversal(self, after: int) -> Values:
        for owed in self._journal.reversals():
            if owed.ref > after:
                return {
                    "ref": owed.ref,
                    "reason": owed.reason.value,
                    "own_stan": owed.stan,
                    "own_transmitted": owed.transmitted,
                    "attempts": owed.attempts,
                    "mti": int(owed.original.mti),
                    "stan": owed.original.stan,
                    "transmitted": owed.original.transmitted,
                    "processing_code": owed.processing_code,
                    "amount": owed.amount,
                    "currency": owed.currency,
                    "reference": owed.reference,
                }
        return _NO_REVERSAL

    def _advice(self, after: int) -> Values:
        rows = self._journal.sealed_advices(after)
        return asdict(rows[0]) if rows else _NO_ADVICE

    def _record(self, name: str, fields: Mapping[str, Value]) -> Values:
        if name not in RECORDS:
            raise NotNow(f"a worker wanted to record an event that is none of its own: {name[:32]}")
        self._own(str(fields.get("payment")))
        return {"at_ms": self._recorder.record(name, **fields).at_ms}

    def _note(self, name: str, fields: Mapping[str, Value]) -> None:
        if name not in NOTES:
            raise NotNow(f"a worker wanted to note an event that is none of its own: {name[:32]}")
        self._recorder.note(name, **fields)

    def _conclude(
        self, payment: str, fields: Mapping[str, Value], code: str, amount: int, currency: str, sealed: bytes
    ) -> Values:
        underway = self._own(payment)
        same: dict[str, Value] = {"amount": underway.amount, "currency": underway.currency}
        advice = SealedAdvice(amount, currency, code, sealed) if sealed else None
        event = self._end(underway, {**fields, **same}, advice)
        return {"at_ms": event.at_ms, "fields": dict(event.fields)}

    def _end(self, underway: Underway, fields: Mapping[str, Value], advice: SealedAdvice | None) -> Event:
        named = {name: value for name, value in fields.items() if name != "payment"}
        try:
            underway.finished = self._books.conclude(underway.identifier, named, advice)
        except AgentError as fault:
            underway.fault = fault
            raise
        finally:
            underway.ended.set()
        return underway.finished

    def _own(self, payment: str) -> Underway:
        if self.payment is None or self.payment.identifier != payment or self.payment.over:
            raise NotNow("a worker named a payment that it was not given")
        self.payment.taken = True
        return self.payment


_NO_REVERSAL: Values = MappingProxyType(
    dict.fromkeys(("reason", "own_transmitted", "transmitted", "processing_code", "currency", "reference"), "")
    | dict.fromkeys(("ref", "own_stan", "attempts", "mti", "stan", "amount"), 0)
)
_NO_ADVICE: Values = MappingProxyType(
    dict.fromkeys(("payment", "currency", "code", "at"), "")
    | dict.fromkeys(("ref", "attempts", "amount", "stan"), 0)
    | {"sealed": b""}
)


def _interface(name: str) -> Interface:
    if name not in ("contactless", "contact"):
        raise ValueError(name)
    return name  # type: ignore[return-value]  # it is one of the two
