# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders on head office's side: drafted, signed by persons, kept until enough have signed. Holds no person's key.

Nothing here can make an order that a terminal would carry out: the signatures are made where the persons' keys are, and
the terminal checks them itself. What is checked here as well only spares a terminal's time and tells an operator early.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet_console import office_audit
from fleet_console.store.port import Database, Row, Step, Taken
from protocols import ed25519
from protocols.errors import DecodeError
from protocols.signed import Cause, Envelope, Person, Refused, Statement, Trust, believe, key_id, read, signers
from protocols.telemetry.envelope import decode
from protocols.telemetry.fields import Value
from protocols.telemetry.orders import LARGEST_ORDER, ORDERS, order_statement
from tillguard.exits import Exit
from tillguard.voice import Fault

MOST_TRIES = 20  # persons who sign one order in the same moment
_COLUMNS = "terminal, sequence, id, name, kind, state, envelope, until_s, made_ms, changed_ms, result"

_INSERT = (
    "INSERT INTO orders (terminal, sequence, id, name, kind, state, envelope, until_s, made_ms, changed_ms) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
)


class State(StrEnum):
    """Where an order is."""

    WAITING = "waiting"
    """For another person's signature."""
    READY = "ready"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Kept:
    """An order in the store."""

    terminal: str
    sequence: int
    id: str
    name: str
    kind: str
    state: State
    envelope: Envelope
    octets: bytes
    until_s: int
    made_ms: int
    changed_ms: int
    result: str

    @classmethod
    def of(cls, row: Row) -> "Kept":
        """From a row of the store."""
        terminal, sequence, identifier, name, kind, state, octets, *rest = row
        octets = bytes(octets)
        return cls(terminal, sequence, identifier, name, kind, State(state), read(octets), octets, *rest)


async def next_sequence(database: Database, terminal: str) -> int:
    """The number of the terminal's next order: above all that are here, and above all that it says it carried out.

    Persons may have given some without this store, and a store may have been put back to an older day.
    """
    found = await database.read("SELECT coalesce(max(sequence), 0) FROM orders WHERE terminal = $1", terminal)
    statement = "SELECT octets FROM reports WHERE terminal = $1 AND event = 'order.done'"
    told = [decode(bytes(octets)).event.fields for (octets,) in await database.read(statement, terminal)]
    return max([int(found[0][0]), *(int(fields["sequence"]) for fields in told)]) + 1


def draft(
    terminal: str, sequence: int, from_s: int, until_s: int, identifier: str, name: str, arguments: Mapping[str, Value]
) -> Envelope:
    """An order that nobody has signed yet; :class:`protocols.errors.EncodeError` for what no terminal would take."""
    statement = order_statement(terminal, sequence, from_s, until_s, identifier, name, **arguments)
    return Envelope(statement.encode())


async def submit(database: Database, envelope: Envelope, trust: Trust, now_ms: int) -> Kept:
    """Keep an order that one person or more have signed; :class:`Fault` for one that no terminal would take."""
    statement = _statement(envelope)
    persons = _signed_by(envelope, trust)
    state = _state(envelope, statement, trust, now_ms)
    document = json.loads(statement.body)
    row = (
        statement.audience, statement.version, document["id"], document["order"], statement.kind, state.value,
        envelope.encode(), statement.until_s, now_ms, now_ms,
    )  # fmt: skip
    if len(envelope.encode()) > LARGEST_ORDER:
        raise Fault(f"an order of more than {LARGEST_ORDER} octets", "a shorter statement", Exit.USAGE)
    steps: list[Step] = [(_INSERT, [row]), _approvals(statement, persons, now_ms)]
    names = ", ".join(person.name for person in persons)
    try:
        await office_audit.append(database, now_ms, "order.given", _told(document["id"], statement, names), steps)
    except Taken:
        what = f"{statement.audience}: an order of number {statement.version} or of this name is there already"
        raise Fault(what, "give it anew: fleet-console orders new", Exit.REFUSED) from None
    return await find(database, document["id"])


async def approve(database: Database, identifier: str, envelope: Envelope, trust: Trust, now_ms: int) -> Kept:
    """Add the signatures of an envelope of the same statement to an order that waits."""
    for _ in range(MOST_TRIES):
        kept = await find(database, identifier)
        if kept.envelope.statement != envelope.statement:
            raise Fault(f"{identifier}: another order than the one that was signed", "sign it anew", Exit.INTEGRITY)
        if kept.state is not State.WAITING:
            raise Fault(f"{identifier}: {kept.state}", "only an order that waits needs a signature", Exit.REFUSED)
        have = {one.key_id for one in kept.envelope.signatures}
        fresh = [one for one in envelope.signatures if one.key_id not in have]
        persons = [one for one in _signed_by(envelope, trust) if key_id(one.public) not in have]
        if not persons:
            told = _told(identifier, kept.envelope.unverified, ", ".join(needed(kept, trust)[0]))
            await office_audit.append(database, now_ms, "order.not approved", told)
            raise Fault(f"{identifier}: you have signed it already", "it takes another person", Exit.REFUSED)
        whole = Envelope(envelope.statement, (*kept.envelope.signatures, *fresh))
        statement = _statement(whole)
        state = _state(whole, statement, trust, now_ms)
        change = (
            "UPDATE orders SET envelope = $3, state = $4, changed_ms = $5 "
            "WHERE terminal = $1 AND sequence = $2 AND envelope = $6",
            [(kept.terminal, kept.sequence, whole.encode(), state.value, now_ms, kept.octets)],
        )
        names = ", ".join(person.name for person in persons)
        await office_audit.append(
            database, now_ms, "order.approved", _told(identifier, statement, names),
            [change, _approvals(statement, persons, now_ms)],
        )  # fmt: skip
        kept = await find(database, identifier)
        if {one.key_id for one in fresh} <= {one.key_id for one in kept.envelope.signatures}:
            return kept
    raise Fault(f"{identifier}: many persons sign it at once", "try again", Exit.FAILED)


async def find(database: Database, identifier: str) -> Kept:
    """One order by its name."""
    found = await database.read(f"SELECT {_COLUMNS} FROM orders WHERE id = $1", identifier)  # noqa: S608  # no input in it
    if not found:
        raise Fault(f"no order {identifier} here", "fleet-console orders", Exit.ABSENT)
    return Kept.of(found[0])


async def listed(database: Database) -> list[Kept]:
    """All of them, the oldest first."""
    found = await database.read(f"SELECT {_COLUMNS} FROM orders ORDER BY made_ms, terminal, sequence")  # noqa: S608
    return [Kept.of(row) for row in found]


def needed(kept: Kept, trust: Trust) -> tuple[tuple[str, ...], int]:
    """Who has signed, of those who may, and how many it takes."""
    names = [one.name for one in signers(kept.envelope, trust, ed25519.verify) if kept.kind in one.kinds]
    return tuple(dict.fromkeys(names)), trust.thresholds.get(kept.kind, 0)


def _statement(envelope: Envelope) -> Statement:
    try:
        statement = envelope.unverified
        document = json.loads(statement.body)
        kind = ORDERS[document["order"]]
        order_statement(
            statement.audience, statement.version, statement.from_s, statement.until_s, document["id"], kind.name,
            **document["arguments"],
        )  # fmt: skip
    except (DecodeError, ValueError, KeyError, TypeError):
        raise Fault("not an order", "fleet-console orders new makes one", Exit.USAGE) from None
    if statement.kind != kind.statement_kind:
        raise Fault(f"{kind.name}: under a statement of kind {kind.statement_kind} expected", "", Exit.USAGE)
    return statement


def _signed_by(envelope: Envelope, trust: Trust) -> list[Person]:
    found = signers(envelope, trust, ed25519.verify)
    if not found:
        raise Fault(Cause.NOBODY, "is your key in the list of persons?", Exit.REFUSED)
    return list(found)


def _state(envelope: Envelope, statement: Statement, trust: Trust, now_ms: int) -> State:
    """Ready where a terminal would believe it now."""
    try:
        believe(
            envelope, trust, ed25519.verify, kind=statement.kind, terminal=statement.audience, now_s=now_ms // 1_000
        )
    except Refused as fault:
        if fault.cause is Cause.TOO_FEW:
            return State.WAITING
        raise Fault(str(fault), "no terminal would take it", Exit.REFUSED) from None
    return State.READY


def _approvals(statement: Statement, persons: list[Person], now_ms: int) -> Step:
    return (
        "INSERT INTO approvals VALUES ($1, $2, $3, $4, $5) ON CONFLICT (terminal, sequence, key_id) DO NOTHING",
        [(statement.audience, statement.version, key_id(one.public), one.name, now_ms) for one in persons],
    )


def _told(identifier: str, statement: Statement, names: str) -> dict[str, str | int | bool]:
    order = str(json.loads(statement.body)["order"])
    return {
        "order": identifier, "command": order, "terminal": statement.audience, "sequence": statement.version,
        "persons": names,
    }  # fmt: skip
