# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What was begun, sent, answered and is owed: on disk before anything leaves. Sends nothing and knows no key.

Every call is one transaction that is on the disk when it returns. A payment begins here and ends here:
:meth:`Journal.conclude` is the point of no return, where in one stroke the payment ends, its approved exchange is
completed or whatever it sent is owed back, and the words of its end wait to be told to the audit log. What waits so is
struck off when it has been told; an agent that died finds it here. So each payment, each reversal that is owed and each
that is settled is told once, whenever the agent dies.

One row per exchange and one reversal per row: a transaction can be owed back once and no more. No track or PIN block is
kept, and a PAN only where an advice needs it, sealed (:mod:`advice`): a reversal names its original by DE90, DE37 and
the terminal, as the dialect has it (docs/acquirer.md).
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from protocols.acquirer.message import Draft
from protocols.acquirer.mti import Mti
from protocols.acquirer.values import OriginalData
from protocols.currency import BY_NUMERIC
from protocols.telemetry.events import Event, Value, make
from terminal_agent.host.advice import (
    ASK_AGAIN,
    Advice,
    Advices,
    Offline,
    SealedAdvice,
    SealedRow,
    close_up,
    open_up,
)
from terminal_agent.host.client import Reply, transmission_time
from terminal_agent.host.exchange import CLOSED, SETTLING, TRANSITIONS, UNFINISHED, Entry, State, Step
from terminal_agent.host.journal_file import JournalFile, free_octets
from terminal_agent.host.port import JournalError
from terminal_agent.host.reversal import Reversal, ReversalReason
from terminal_agent.host.seal import KeyFile, Seal, seal_key

LAST_STAN = 999_999
KEPT = 10_000  # closed rows kept for inquiries: a busy terminal's month
DIED = "the agent died in mid-payment"
DIED_SENT = "the agent died in mid-payment; what the acquirer may have booked is taken back"


@dataclass(frozen=True, slots=True)
class Untold:
    """An event that is true and not yet in the audit log. ``number`` is its place in the journal."""

    number: int
    event: Event


class Journal:
    """The journal of one terminal, in one file that one agent at a time may hold."""

    def __init__(self, file: JournalFile, seal: Seal) -> None:
        self._file = file
        self._run = file.run
        self._seal = seal
        self._advices = Advices(file)

    @classmethod
    def open(
        cls,
        path: Path,
        free: Callable[[Path], int] = free_octets,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> "Journal":
        """Open or make the journal; raises :class:`JournalError`, sent False. The seal's key lies beside it."""
        return cls(JournalFile.open(path, free), Seal(KeyFile(seal_key(path.parent)), entropy))

    def close(self) -> None:
        """Close the file; what is owed stays owed."""
        self._file.close()

    def require_room(self) -> None:
        """Raises :class:`~terminal_agent.host.port.JournalFull` where a payment might not find room to its end."""
        self._file.require_room()

    # A payment

    def begin(self, amount: int, currency: str, at_ms: int) -> str:
        """A payment begins; its identifier, which this journal gives to no other. ``currency`` has three letters."""
        with self._file.transaction():
            self._run(
                "DELETE FROM payment WHERE ended = 1 AND number <"
                " (SELECT number FROM payment ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (KEPT,),
            )
            self._run("DELETE FROM advice WHERE answer <> '' AND ref <= (SELECT max(ref) FROM advice) - ?", (KEPT,))
            ((number,),) = self._run(
                "INSERT INTO payment (number, amount, currency, began_ms)"
                " SELECT max(?, coalesce(max(number) + 1, 0)), ?, ?, ? FROM payment RETURNING number",
                (at_ms, amount, currency, at_ms),
            ).fetchall()
        return _identifier(number)

    def conclude(
        self, payment: str, finished: Event, at: datetime, offline: Offline | SealedAdvice | None = None
    ) -> None:
        """The payment ends as ``finished`` says: approved and completed, or anything else and owed back where sent.

        With ``offline``, it was approved without the acquirer, which is owed an advice from now on.
        """
        approved = finished.fields["outcome"] == "approved"
        advice = None
        if approved and offline is not None:
            self._advices.require_room()
            advice = close_up(self._seal, payment, offline) if isinstance(offline, Offline) else offline
        with self._file.transaction():
            number = self._open_payment(payment)
            if advice is not None:
                self._tell(self._advices.add(number, payment, advice, self._stan(), at))
            for ref in self._unfinished("payment = ?", number):
                if approved:
                    self._move(ref, Step.DELIVERED)
                else:
                    self._owe(ref, ReversalReason.TERMINAL, at)
            self._end(number, finished)

    # An exchange

    def next_stan(self) -> int:
        """The next system trace audit number, 1 to 999999 and round again; never given twice in between."""
        with self._file.transaction():
            return self._stan()

    def record(self, draft: Draft, payment: str) -> int:
        """Write down what is about to be sent, and return its number; after ``JournalFull`` send nothing."""
        return self.enter(Entry.of(draft.message), payment)

    def enter(self, entry: Entry, payment: str) -> int:
        """The same for what is known of it without its card data."""
        self._file.require_room()
        with self._file.transaction():
            number = self._open_payment(payment)
            self._run(
                "DELETE FROM exchange WHERE state IN (?, ?, ?) AND ref <= (SELECT max(ref) FROM exchange) - ?",
                (*CLOSED, KEPT),
            )
            row = self._run(
                "INSERT INTO exchange (state, mti, stan, transmitted, processing_code, amount, currency, reference,"
                " masked_pan, ksn, payment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    State.SENDING,
                    entry.mti,
                    entry.stan,
                    entry.transmitted,
                    entry.processing_code,
                    entry.amount,
                    entry.currency,
                    entry.reference,
                    entry.masked_pan,
                    entry.ksn,
                    number,
                ),
            )
            return int(row.lastrowid or 0)

    def answered(self, ref: int, reply: Reply) -> None:
        """An authentic answer came: a decline closes the exchange, an approval still has to be delivered."""
        self.decided(ref, reply.response_code, reply.approval, approved=reply.approved)

    def decided(self, ref: int, code: str, approval: str, *, approved: bool) -> None:
        """The same for what is kept of an answer."""
        with self._file.transaction():
            self._move(ref, Step.APPROVED if approved else Step.DECLINED, response_code=code, approval=approval)

    def withdrawn(self, ref: int) -> None:
        """Nothing of it left the terminal (``HostError.sent`` was False)."""
        with self._file.transaction():
            self._move(ref, Step.NOTHING_LEFT)

    def must_reverse(self, ref: int, reason: ReversalReason, at: datetime) -> None:
        """The outcome is unknown or unwanted: owe one reversal. Again for the same exchange changes nothing."""
        with self._file.transaction():
            self._owe(ref, reason, at)

    def state(self, ref: int) -> State:
        """How far an exchange has come."""
        with self._file.in_words("read"):
            row = self._run("SELECT state FROM exchange WHERE ref = ?", (ref,)).fetchone()
        if row is None:
            raise JournalError(f"{self._file.path}: no exchange {ref}", "", sent=False)
        return State(row[0])

    # What an agent that died left behind

    def recover(self, at: datetime) -> int:
        """At start: everything sent and not seen through is owed back, every open payment ends. How many are owed."""
        with self._file.transaction():
            refs = self._unfinished("1 = ?", 1)
            for ref in refs:
                self._owe(ref, ReversalReason.SILENCE, at)
            for number, amount, currency, began_ms in self._run(
                "SELECT number, amount, currency, began_ms FROM payment WHERE ended = 0 ORDER BY number"
            ).fetchall():
                self._end(number, self._died(number, amount, currency, _ms(at) - began_ms, _ms(at)))
        return len(refs)

    # What is owed to the acquirer

    def owes(self) -> bool:
        """Whether anything is owed to the acquirer."""
        with self._file.in_words("read"):
            found = self._run("SELECT 1 FROM exchange WHERE state = ? LIMIT 1", (State.REVERSAL_DUE,)).fetchone()
        return found is not None or self._advices.waiting() > 0

    def advices(self) -> tuple[Advice, ...]:
        """The advices that are owed, oldest first; raises ``SealBroken`` where one cannot be opened."""
        return tuple(open_up(self._seal, row) for row in self._advices.owed())

    def sealed_advices(self, after: int = 0) -> tuple[SealedRow, ...]:
        """The same as they are kept, those behind number ``after``."""
        return self._advices.owed(after)

    def advice_sending(self, ref: int) -> None:
        """Count an attempt, before it is sent: the next one is then a repeat."""
        self._advices.sending(ref)

    def advice_answered(self, ref: int, code: str, at: datetime) -> bool:
        """An authentic answer to an advice; False means that it settled nothing and is still owed."""
        if code in ASK_AGAIN:
            return False
        with self._file.transaction():
            self._tell(self._advices.answered(ref, code, at))
        return True

    def reversals(self) -> tuple[Reversal, ...]:
        """What is owed, oldest first."""
        with self._file.in_words("read"):
            rows = self._run(
                "SELECT ref, reason, reversal_stan, reversal_transmitted, attempts, mti, stan, transmitted,"
                " processing_code, amount, currency, reference FROM exchange WHERE state = ? ORDER BY ref",
                (State.REVERSAL_DUE,),
            ).fetchall()
        return tuple(
            Reversal(
                ref=row[0],
                reason=ReversalReason(row[1]),
                stan=row[2],
                transmitted=row[3],
                attempts=row[4],
                original=OriginalData(Mti(row[5]), row[6], row[7]),
                processing_code=row[8],
                amount=row[9],
                currency=row[10],
                reference=row[11],
            )
            for row in rows
        )

    def reversal_sending(self, ref: int) -> None:
        """Count an attempt, before it is sent: the next one is then a repeat."""
        with self._file.transaction():
            if (found := self.state(ref)) is not State.REVERSAL_DUE:
                raise self._astray(f"exchange {ref} is {found}, {State.REVERSAL_DUE} expected")
            self._run("UPDATE exchange SET attempts = attempts + 1 WHERE ref = ?", (ref,))

    def reversal_answered(self, ref: int, code: str, at: datetime) -> bool:
        """An authentic answer to the reversal; False means that it settled nothing and is still owed."""
        if code not in SETTLING:
            return False
        with self._file.transaction():
            self._move(ref, Step.REVERSAL_ANSWERED, reversal_code=code)
            payment, reference, attempts = self._run(
                "SELECT payment, reference, attempts FROM exchange WHERE ref = ?", (ref,)
            ).fetchone()
            fields: dict[str, Value] = {"reference": reference, "response_code": code, "sent": attempts}
            self._tell(make("reversal.settled", _ms(at), **_of(payment), **fields))
        return True

    # What is owed to the audit log

    def untold(self) -> tuple[Untold, ...]:
        """What happened and waits to be told, in its order."""
        with self._file.in_words("read"):
            rows = self._run("SELECT number, at_ms, name, fields FROM untold ORDER BY number").fetchall()
        return tuple(Untold(number, Event(name, at_ms, json.loads(fields))) for number, at_ms, name, fields in rows)

    def told(self, number: int) -> None:
        """It is in the audit log, on disk."""
        with self._file.transaction():
            self._run("DELETE FROM untold WHERE number = ?", (number,))

    # Inside a transaction

    def _open_payment(self, payment: str) -> int:
        number = int(payment[1:], 16)
        found = self._run("SELECT 1 FROM payment WHERE number = ? AND ended = 0", (number,)).fetchone()
        if found is None:
            raise self._astray(f"payment {payment} is not under way")
        return number

    def _unfinished(self, condition: str, value: int) -> list[int]:
        found = self._run(
            f"SELECT ref FROM exchange WHERE state IN (?, ?) AND {condition} ORDER BY ref",  # noqa: S608  ours
            (*UNFINISHED, value),
        )
        return [int(ref) for (ref,) in found.fetchall()]

    def _end(self, number: int, finished: Event) -> None:
        self._run("UPDATE payment SET ended = 1 WHERE number = ?", (number,))
        self._tell(finished)

    def _died(self, number: int, amount: int, currency: str, ms: int, at_ms: int) -> Event:
        fields: dict[str, Value] = {"payment": _identifier(number), "outcome": "failed", "reason": DIED}
        fields |= {"amount": amount, "currency": currency, "ms": max(0, min(ms, 10**9))}
        sent = self._run(
            "SELECT masked_pan, ksn, state FROM exchange WHERE payment = ? ORDER BY ref DESC", (number,)
        ).fetchone()
        if sent is not None:
            masked_pan, ksn, state = sent
            fields |= {name: value for name, value in (("masked_pan", masked_pan), ("ksn", ksn)) if value}
            if state == State.REVERSAL_DUE:
                fields["reason"] = DIED_SENT
        return make("payment.finished", at_ms, **fields)

    def _owe(self, ref: int, reason: ReversalReason, at: datetime) -> None:
        before = self.state(ref)
        after = self._after(ref, Step.UNCERTAIN)
        if before is State.REVERSAL_DUE:
            return
        self._run(
            "UPDATE exchange SET state = ?, reason = ?, reversal_stan = ?, reversal_transmitted = ? WHERE ref = ?",
            (after, reason, self._stan(), transmission_time(at), ref),
        )
        payment, reference, amount, currency = self._run(
            "SELECT payment, reference, amount, currency FROM exchange WHERE ref = ?", (ref,)
        ).fetchone()
        money = BY_NUMERIC.get(int(currency))
        fields: dict[str, Value] = {"reference": reference, "amount": amount, "reason": reason.words}
        fields["currency"] = money.alpha if money else "XXX"  # ISO 4217: no currency
        self._tell(make("reversal.owed", _ms(at), **_of(payment), **fields))

    def _tell(self, event: Event) -> None:
        self._run(
            "INSERT INTO untold (at_ms, name, fields) VALUES (?, ?, ?)",
            (event.at_ms, event.name, json.dumps(dict(event.fields))),
        )

    def _stan(self) -> int:
        row = self._run("UPDATE trace_number SET stan = stan % ? + 1 RETURNING stan", (LAST_STAN,)).fetchone()
        return int(row[0])

    def _move(self, ref: int, step: Step, **columns: str) -> None:
        after = self._after(ref, step)
        names = "".join(f", {name} = ?" for name in columns)
        self._run(
            f"UPDATE exchange SET state = ?{names} WHERE ref = ?",  # noqa: S608  names are this file's keywords
            (after, *columns.values(), ref),
        )

    def _after(self, ref: int, step: Step) -> State:
        before = self.state(ref)
        if (before, step) not in TRANSITIONS:
            raise self._astray(f"exchange {ref} is {before}, '{step}' cannot follow")
        return TRANSITIONS[before, step]

    def _astray(self, what: str) -> JournalError:
        hint = "report this: the payment flow went astray"
        return JournalError(f"{self._file.path}: {what}", hint, sent=False)


def _identifier(number: int) -> str:
    return f"p{number:x}"


def _of(payment: int | None) -> dict[str, Value]:
    """The field that names the payment; a row of the first version has none."""
    return {} if payment is None else {"payment": _identifier(payment)}


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
