# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What was approved without the acquirer and must be told to it: 0220, repeated as 0221 until answered. Sends nothing.

An advice needs the account number, so this is the one place where card data wait on disk: sealed (:mod:`seal`), and
wiped when the acquirer has booked it. Where account data are enciphered when they are read, what is sealed is what the
acquirer alone can open. Track 2 and PIN data are not kept at all: neither belongs into an advice.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.identity.binding import read_proof
from protocols.pan import Pan
from protocols.telemetry.events import Event, Value, make
from terminal_agent.host.client import AuthorisationRequest, OfflineAdvice, retrieval_reference
from terminal_agent.host.journal_file import JournalFile
from terminal_agent.host.port import JournalError
from terminal_agent.host.seal import Seal

MOST_WAITING = 100  # advices; a till that has not reached its acquirer for so long takes no more of that risk
ASK_AGAIN = frozenset({"06", "63", "68", "91", "96"})
"""Answers that settle nothing: error, security (sign on anew), late, issuer away, system malfunction. Others do."""
BOOKED = frozenset({"00", "94"})
"""It is booked: now, or it was before."""


@dataclass(frozen=True, slots=True)
class Offline:
    """A payment that card and terminal approved by themselves. ``code``: DE39, Y1 or Y3 (EMV 4.4 Book 4, Annex A6)."""

    request: AuthorisationRequest = field(repr=False)
    code: str


@dataclass(frozen=True, slots=True)
class SealedAdvice:
    """The same, its card data enciphered: what a journal takes."""

    amount: int
    currency: str
    code: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedRow:
    """One owed advice as the journal keeps it. ``at``: when it was approved (ISO 8601)."""

    ref: int
    payment: str
    attempts: int
    amount: int
    currency: str
    code: str
    stan: int
    at: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Advice:
    """One owed advice. Its first sending is a 0220, every later one a 0221 with the same content."""

    ref: int
    payment: str
    attempts: int
    content: OfflineAdvice


def close_up(seal: Seal, payment: str, offline: Offline) -> SealedAdvice:
    """Encipher the card data of an advice for ``payment``; raises :class:`JournalError` where there is no key."""
    request = offline.request
    clear = {"sequence": request.sequence_number, "interface": request.interface, "icc": request.icc_data.hex()}
    if isinstance(request.account, AccountData):
        clear |= {"pan": request.account.pan.digits, "expiry": request.account.expiry}
    else:
        clear |= {"account": request.account.text()}
    clear |= {"binding": request.binding.encode() if request.binding else ""}
    sealed = seal.close_in(json.dumps(clear).encode(), payment)
    return SealedAdvice(request.amount, request.currency, offline.code, sealed)


def open_up(seal: Seal, row: SealedRow) -> Advice:
    """The advice with its card data; raises :class:`~terminal_agent.host.seal.SealBroken`."""
    clear = json.loads(seal.open_up(row.sealed, row.payment))
    sent = clear.get("account")
    request = AuthorisationRequest(
        amount=row.amount,
        currency=row.currency,
        account=EncipheredAccount.from_text(sent) if sent else AccountData(Pan(clear["pan"]), None, clear["expiry"]),
        sequence_number=clear["sequence"],
        icc_data=bytes.fromhex(clear["icc"]),
        interface=clear["interface"],
        pin=None,
        binding=read_proof(proof) if (proof := clear.get("binding", "")) else None,  # older ones have none
    )
    content = OfflineAdvice(request, row.code, row.stan, datetime.fromisoformat(row.at), repeated=row.attempts > 0)
    return Advice(row.ref, row.payment, row.attempts, content)


class Advices:
    """The advices of a journal, sealed. Methods marked so belong inside one of the file's transactions."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._run = file.run

    def require_room(self) -> None:
        """Raises :class:`JournalError` where so many wait that no more of that risk is taken."""
        if self.waiting() >= MOST_WAITING:
            what = f"{self._file.path}: {MOST_WAITING} payments approved offline wait for the acquirer"
            raise JournalError(what, "payments are approved offline again when it has answered", sent=False)

    def add(self, number: int, payment: str, advice: SealedAdvice, stan: int, at: datetime) -> Event:
        """In a transaction: owe one; the event that says so."""
        reference = retrieval_reference(stan, at)
        self._run(
            "INSERT INTO advice (payment, amount, currency, code, stan, at, reference, sealed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (number, advice.amount, advice.currency, advice.code, stan, at.isoformat(), reference, advice.sealed),
        )
        fields: dict[str, Value] = {"payment": payment, "reference": reference, "response_code": advice.code}
        return make("advice.owed", _ms(at), **fields)

    def waiting(self) -> int:
        """How many are owed."""
        with self._file.in_words("read"):
            return int(self._run("SELECT count(*) FROM advice WHERE answer = ''").fetchone()[0])

    def owed(self, after: int = 0) -> tuple[SealedRow, ...]:
        """What is owed and has a higher number than ``after``, oldest first."""
        with self._file.in_words("read"):
            rows = self._run(
                "SELECT ref, payment, attempts, amount, currency, code, stan, at, sealed FROM advice"
                " WHERE answer = '' AND ref > ? ORDER BY ref",
                (after,),
            ).fetchall()
        return tuple(SealedRow(ref, f"p{number:x}", *rest) for ref, number, *rest in rows)

    def sending(self, ref: int) -> None:
        """Count an attempt, before it is sent."""
        with self._file.transaction():
            self._run("UPDATE advice SET attempts = attempts + 1 WHERE ref = ? AND answer = ''", (ref,))

    def answered(self, ref: int, code: str, at: datetime) -> Event:
        """In a transaction: it is settled; what was sealed is wiped if it was booked. The event that says so."""
        payment, reference, attempts = self._run(
            "SELECT payment, reference, attempts FROM advice WHERE ref = ?", (ref,)
        ).fetchone()
        self._run("UPDATE advice SET answer = ? WHERE ref = ?", (code, ref))
        fields: dict[str, Value] = {"payment": f"p{payment:x}", "reference": reference, "response_code": code}
        if code in BOOKED:
            self._run("UPDATE advice SET sealed = x'' WHERE ref = ?", (ref,))
            return make("advice.settled", _ms(at), sent=attempts, **fields)
        return make("advice.refused", _ms(at), **fields)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
