# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What was sent, what came of it, what is owed: on disk before anything leaves. Sends nothing and knows no key.

One row per exchange and one reversal per row, so a transaction can be owed back once and no more. Every step is one
SQLite transaction that is on the disk when the call returns (WAL, synchronous FULL). Whatever an agent that died had
sent and not seen through is taken back at its next start. No PAN, track or PIN block is kept: a reversal names its
original by DE90, DE37 and the terminal, which is this dialect's choice (docs/acquirer.md).
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from protocols.acquirer.message import Draft
from protocols.acquirer.mti import Mti
from protocols.acquirer.values import OriginalData
from terminal_agent.host.client import Reply, transmission_time
from terminal_agent.host.port import JournalError, JournalFull
from terminal_agent.host.reversal import Reversal, ReversalReason

LAST_STAN = 999_999
ROOM_NEEDED = 8 << 20  # octets: the write-ahead log (1,000 pages of 4 KiB) twice, so that an answer always finds room
KEPT = 10_000  # closed rows kept for inquiries: a busy terminal's month
VERSION = 1
SETTLING = frozenset({"00", "21", "25", "94"})
"""Answers that end a reversal: done, nothing to do, no such original, done before. Others mean: ask again."""


class State(StrEnum):
    """How far an exchange has come."""

    SENDING = "sending"
    ANSWERED = "answered"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    REVERSAL_DUE = "reversal-due"
    REVERSED = "reversed"


class Step(StrEnum):
    """What can happen to it."""

    APPROVED = "approved"
    DECLINED = "declined"
    DELIVERED = "delivered"
    NOTHING_LEFT = "nothing-left"
    UNCERTAIN = "uncertain"
    REVERSAL_ANSWERED = "reversal-answered"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.SENDING, Step.APPROVED): State.ANSWERED,
    (State.SENDING, Step.DECLINED): State.COMPLETED,
    (State.SENDING, Step.NOTHING_LEFT): State.WITHDRAWN,
    (State.SENDING, Step.UNCERTAIN): State.REVERSAL_DUE,
    (State.ANSWERED, Step.DELIVERED): State.COMPLETED,
    (State.ANSWERED, Step.UNCERTAIN): State.REVERSAL_DUE,
    (State.REVERSAL_DUE, Step.UNCERTAIN): State.REVERSAL_DUE,
    (State.REVERSAL_DUE, Step.REVERSAL_ANSWERED): State.REVERSED,
}
"""The whole life of an exchange; anything else is a fault of the caller and is refused."""

_SCHEMA = """
CREATE TABLE trace_number (one INTEGER PRIMARY KEY CHECK (one = 1), stan INTEGER NOT NULL);
INSERT INTO trace_number VALUES (1, 0);
CREATE TABLE exchange (
    ref INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL,
    mti INTEGER NOT NULL, stan INTEGER NOT NULL, transmitted TEXT NOT NULL,
    processing_code TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL, reference TEXT NOT NULL,
    masked_pan TEXT NOT NULL,
    response_code TEXT NOT NULL DEFAULT '', approval TEXT NOT NULL DEFAULT '',
    reason TEXT, reversal_stan INTEGER, reversal_transmitted TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, reversal_code TEXT NOT NULL DEFAULT ''
);
CREATE INDEX exchange_by_state ON exchange (state);
"""


def _free(path: Path) -> int:
    return shutil.disk_usage(path).free


class Journal:
    """The journal of one terminal, in one SQLite file that one agent at a time may hold."""

    def __init__(self, path: Path, database: sqlite3.Connection, free_octets: Callable[[Path], int]) -> None:
        self._path = path
        self._database = database
        self._free_octets = free_octets

    @classmethod
    def open(cls, path: Path, free_octets: Callable[[Path], int] = _free) -> "Journal":
        """Open or make the journal; raises :class:`JournalError`, sent False."""
        try:
            path.touch(mode=0o600, exist_ok=True)
            database = sqlite3.connect(path, timeout=0.2, isolation_level=None)
        except (OSError, sqlite3.Error):
            what = f"{path}: the journal cannot be opened"
            raise JournalError(what, "check the folder and its rights", sent=False) from None
        journal = cls(path, database, free_octets)
        try:
            with journal._said("opened"):
                journal._prepare()
        except JournalError:
            database.close()
            raise
        return journal

    def close(self) -> None:
        """Close the file; what is owed stays owed."""
        self._database.close()

    def next_stan(self) -> int:
        """The next system trace audit number, 1 to 999999 and round again; never given twice in between."""
        with self._transaction():
            return self._stan()

    def record(self, draft: Draft) -> int:
        """Write down what is about to be sent, and return its number; after :class:`JournalFull` send nothing."""
        message = draft.message
        if self._free_octets(self._path.parent) < ROOM_NEEDED:
            raise self._full()
        with self._transaction():
            self._database.execute(
                "DELETE FROM exchange WHERE state IN (?, ?, ?) AND ref <= (SELECT max(ref) FROM exchange) - ?",
                (State.COMPLETED, State.WITHDRAWN, State.REVERSED, KEPT),
            )
            row = self._database.execute(
                "INSERT INTO exchange (state, mti, stan, transmitted, processing_code, amount, currency, reference,"
                " masked_pan) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    State.SENDING,
                    int(message.mti),
                    message.stan,
                    message.transmitted,
                    message.processing_code,
                    message.amount,
                    message.currency,
                    message.reference or "",
                    message.pan.masked if message.pan else "",
                ),
            )
            return int(row.lastrowid or 0)

    def answered(self, ref: int, reply: Reply) -> None:
        """An authentic answer came: a decline closes the exchange, an approval still has to be delivered."""
        step = Step.APPROVED if reply.approved else Step.DECLINED
        self._step(ref, step, response_code=reply.response_code, approval=reply.approval)

    def completed(self, ref: int) -> None:
        """The approval reached card and customer."""
        self._step(ref, Step.DELIVERED)

    def withdrawn(self, ref: int) -> None:
        """Nothing of it left the terminal (``HostError.sent`` was False)."""
        self._step(ref, Step.NOTHING_LEFT)

    def must_reverse(self, ref: int, reason: ReversalReason, at: datetime) -> None:
        """The outcome is unknown or unwanted: owe one reversal. Again for the same exchange changes nothing."""
        with self._transaction():
            self._owe(ref, reason, at)

    def recover(self, at: datetime) -> int:
        """At start: owe a reversal for everything sent and not seen through; returns how many are new."""
        with self._transaction():
            refs = [
                int(row[0])
                for row in self._database.execute(
                    "SELECT ref FROM exchange WHERE state IN (?, ?) ORDER BY ref", (State.SENDING, State.ANSWERED)
                )
            ]
            for ref in refs:
                self._owe(ref, ReversalReason.SILENCE, at)
        return len(refs)

    def reversals(self) -> tuple[Reversal, ...]:
        """What is owed, oldest first."""
        with self._said("read"):
            rows = self._database.execute(
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
        with self._transaction():
            self._expect(ref, State.REVERSAL_DUE)
            self._database.execute("UPDATE exchange SET attempts = attempts + 1 WHERE ref = ?", (ref,))

    def reversal_answered(self, ref: int, code: str) -> bool:
        """An authentic answer to the reversal; False means that it settled nothing and is still owed."""
        if code not in SETTLING:
            return False
        self._step(ref, Step.REVERSAL_ANSWERED, reversal_code=code)
        return True

    def state(self, ref: int) -> State:
        """How far an exchange has come."""
        with self._said("read"):
            row = self._database.execute("SELECT state FROM exchange WHERE ref = ?", (ref,)).fetchone()
        if row is None:
            raise JournalError(f"{self._path}: no exchange {ref}", "", sent=False)
        return State(row[0])

    def _prepare(self) -> None:
        # One agent at a time: the lock is taken with the first transaction and held until close.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("BEGIN IMMEDIATE")
        try:
            (found,) = self._database.execute("PRAGMA user_version").fetchone()
            if found > VERSION:
                what = f"{self._path}: written by a newer version ({found}, {VERSION} known)"
                raise JournalError(what, "update terminal-agent", sent=False)
            if found == 0:
                for statement in _SCHEMA.split(";\n"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {VERSION}")
            self._database.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise

    def _stan(self) -> int:
        row = self._database.execute(
            "UPDATE trace_number SET stan = stan % ? + 1 RETURNING stan", (LAST_STAN,)
        ).fetchone()
        return int(row[0])

    def _step(self, ref: int, step: Step, **columns: str) -> None:
        with self._transaction():
            after = self._after(ref, step)
            names = "".join(f", {name} = ?" for name in columns)
            self._database.execute(
                f"UPDATE exchange SET state = ?{names} WHERE ref = ?",  # noqa: S608  names are this file's keywords
                (after, *columns.values(), ref),
            )

    def _owe(self, ref: int, reason: ReversalReason, at: datetime) -> None:
        before = self.state(ref)
        after = self._after(ref, Step.UNCERTAIN)
        if before is State.REVERSAL_DUE:
            return
        self._database.execute(
            "UPDATE exchange SET state = ?, reason = ?, reversal_stan = ?, reversal_transmitted = ? WHERE ref = ?",
            (after, reason, self._stan(), transmission_time(at), ref),
        )

    def _after(self, ref: int, step: Step) -> State:
        before = self.state(ref)
        if (before, step) not in TRANSITIONS:
            what = f"{self._path}: exchange {ref} is {before}, '{step}' cannot follow"
            raise JournalError(what, "report this: the payment flow went astray", sent=False)
        return TRANSITIONS[before, step]

    def _expect(self, ref: int, wanted: State) -> None:
        if (found := self.state(ref)) is not wanted:
            what = f"{self._path}: exchange {ref} is {found}, {wanted} expected"
            raise JournalError(what, "report this: the payment flow went astray", sent=False)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._said("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                self._rollback()
                raise

    def _rollback(self) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    @contextmanager
    def _said(self, verb: str) -> Iterator[None]:
        """Turn SQLite's errors into ours; they say which file and quote no row."""
        fault: JournalError | None = None
        try:
            yield
        except sqlite3.Error as refused:
            name = getattr(refused, "sqlite_errorname", "")
            if name.startswith("SQLITE_FULL"):
                fault = self._full()
            elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                what = f"{self._path}: the journal is held by another agent"
                fault = JournalError(what, "stop the other one; two must not share a terminal identity", sent=False)
            else:
                what = f"{self._path}: the journal cannot be {verb} ({name or type(refused).__name__})"
                fault = JournalError(what, "payments stop; keep the file and restore the disk", sent=False)
        if fault is not None:
            raise fault

    def _full(self) -> JournalFull:
        what = f"{self._path}: no room to record a payment; nothing was sent"
        return JournalFull(what, f"free at least {ROOM_NEEDED >> 20} MiB on this disk", sent=False)
