# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Does everybody tell the same story? Compares journal, audit log, outbox, bank and card of one terminal at the end."""

import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from device_profiles.twins.acquirer_ledger import Key
from protocols.audit_chain import parse
from protocols.telemetry.envelope import decode
from terminal_agent.audit import verify_file
from terminal_agent.host.exchange import State
from terminal_agent.host.journal import Journal
from tests.flows.shop import Shop
from tests.flows.stage import TERMINAL

UNRECORDED = {"agent.heartbeat", "audit.head"}
"""What is told to head office and says nothing that happened."""
_COLUMNS = "state, stan, transmitted, response_code, payment, reference, reversal_stan, amount"


@dataclass
class Reckoning:
    """What was found. ``unmatched`` is empty where all agree."""

    payments: int = 0
    approved: int = 0
    reversed: int = 0
    records: int = 0
    unmatched: list[str] = field(default_factory=list)

    def expect(self, holds: bool, words: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.unmatched.append(words)


def audit_events(state: Path) -> list[dict[str, Any]]:
    """Every event of the audit log, which is verified."""
    path = state / f"{TERMINAL}.audit.jsonl"
    verify_file(path)
    records = [parse(line, f"agent/{TERMINAL}") for line in path.read_bytes().splitlines(keepends=True)]
    return [{"name": one.name, "at_ms": one.at_ms, "fields": dict(one.fields)} for one in records]


def kept_reports(state: Path) -> list[Any]:
    """Every report in the outbox, oldest first."""
    database = sqlite3.connect(state / "outbox.db")
    rows = database.execute("SELECT octets FROM spool ORDER BY boot, seq").fetchall()
    database.close()
    return [decode(octets) for (octets,) in rows]


def reckon(shop: Shop, told: dict[str, dict[str, Any]]) -> Reckoning:
    """Compare everything; ``told`` is what the cashier saw of each payment, empty where the agent died first."""
    found = Reckoning()
    events = audit_events(shop.state)
    found.records = len(events)
    finished = _one_end_each(found, events, told)
    _outbox_follows(found, shop.state, events)
    journal = Journal.open(shop.state / "journal.db")
    try:
        found.expect(not journal.untold(), "the journal holds events that the audit log lacks")
        found.expect(not journal.reversals(), "a reversal is still owed")
        rows = journal._run(f"SELECT {_COLUMNS} FROM exchange").fetchall()
        begun = {f"p{number:x}" for (number,) in journal._run("SELECT number FROM payment WHERE ended = 1").fetchall()}
    finally:
        journal.close()
    found.expect(begun == set(finished), "journal and audit log know different payments")
    _journal_and_bank(found, shop, rows, finished)
    _reversals_once(found, shop, rows, events)
    _card_and_pad(found, shop)
    return found


def _one_end_each(
    found: Reckoning, events: list[dict[str, Any]], told: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    ends = [one["fields"] for one in events if one["name"] == "payment.finished"]
    stepped = {one["fields"]["payment"] for one in events if one["name"] == "payment.step"}
    count = Counter(fields["payment"] for fields in ends)
    found.expect(not count or max(count.values()) == 1, "a payment has two ends in the audit log")
    found.expect(stepped | set(told) <= set(count), "a payment that was begun has no end in the audit log")
    finished = {fields["payment"]: fields for fields in ends}
    for payment, fields in told.items():
        if fields and payment in finished:
            same = fields["outcome"] == finished[payment]["outcome"]
            found.expect(same, f"{payment}: the cashier was told {fields}, the audit log says {finished[payment]}")
    found.payments = len(finished)
    found.approved = sum(fields["outcome"] == "approved" for fields in finished.values())
    return finished


def _outbox_follows(found: Reckoning, state: Path, events: list[dict[str, Any]]) -> None:
    reports = kept_reports(state)
    told = [one.event for one in reports if one.event.name not in UNRECORDED]
    kept = [{"name": event.name, "at_ms": event.at_ms, "fields": dict(event.fields)} for event in told]
    found.expect(kept == events, "the outbox does not hold what the audit log holds, in its order, once")
    for before, after in pairwise(reports):
        follows = after.seq == before.seq + 1 if after.boot == before.boot else (after.seq == 1 < after.boot)
        found.expect(follows, f"report {after.boot}/{after.seq} does not follow {before.boot}/{before.seq}")


def _journal_and_bank(
    found: Reckoning, shop: Shop, rows: list[tuple[Any, ...]], finished: dict[str, dict[str, Any]]
) -> None:
    ledger = shop.bank.ledger
    known = set()
    for state, stan, transmitted, code, number, _, _, _ in rows:
        key = Key(TERMINAL, stan, transmitted)
        known.add(key)
        entry, end = ledger.find(key), finished[f"p{number:x}"]
        who = f"STAN {stan}, {state}"
        match State(state):
            case State.COMPLETED if code == "00":
                booked = entry is not None and entry.code == "00" and not entry.reversed
                found.expect(booked and end["outcome"] == "approved", f"{who}: bank {entry}, end {end}")
            case State.COMPLETED:
                declined = entry is not None and not entry.held and end["outcome"] == "declined"
                found.expect(declined, f"{who}: bank {entry}, end {end}")
            case State.WITHDRAWN:
                found.expect(entry is None and end["outcome"] == "failed", f"{who}: bank {entry}, end {end}")
            case State.REVERSED:
                free = entry is not None and not entry.held and (entry.reversed or entry.code not in ("", "00"))
                found.expect(free and end["outcome"] != "approved", f"{who}: bank {entry}, end {end}")
                found.reversed += 1
            case _:
                found.expect(False, f"{who} is not finished")
    found.expect(set(ledger.entries) <= known, "the bank knows a transaction that the journal does not")
    sold = sum(fields["amount"] for fields in finished.values() if fields["outcome"] == "approved")
    found.expect(sum(ledger.held.values()) == sold, f"sold {sold}, the bank holds {sum(ledger.held.values())}")


def _reversals_once(found: Reckoning, shop: Shop, rows: list[tuple[Any, ...]], events: list[dict[str, Any]]) -> None:
    names: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in events:
        if one["name"].startswith("reversal."):
            names[one["name"]].append((one["fields"]["payment"], one["fields"]["reference"]))
    owed = sorted((f"p{row[4]:x}", row[5]) for row in rows if State(row[0]) is State.REVERSED)
    found.expect(sorted(names["reversal.owed"]) == owed, "not one event for each reversal that was owed")
    found.expect(sorted(names["reversal.settled"]) == owed, "not one event for each reversal that was settled")
    sent: dict[tuple[int, str], set[tuple[int, str]]] = defaultdict(set)
    for heard in shop.bank.heard:
        if heard.original is not None:
            sent[heard.original].add((heard.stan, heard.transmitted))
    found.expect(all(len(names) == 1 for names in sent.values()), "a transaction was reversed under two names")
    wanted = {(row[1], row[2]): row[6] for row in rows if State(row[0]) is State.REVERSED}
    found.expect(set(sent) == set(wanted), "the bank heard other reversals than those that were owed")


def _card_and_pad(found: Reckoning, shop: Shop) -> None:
    requests = [one for one in shop.bank.heard if one.mti == "0100"]
    counters = [one.atc for one in requests]
    found.expect(len(counters) == len(set(counters)), "a card's cryptogram was sent in two requests")
    found.expect(set(counters) <= set(shop.card.given), "a cryptogram that the card never gave")
    found.expect(len(shop.card.given) == len(set(shop.card.given)), "the card's counter was used twice")
    replays = [one for one in shop.bank.told if any("replay" in reason for reason in one.get("reasons", ()))]
    found.expect(not replays, f"the bank saw replays: {replays}")
