# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders at the terminal: believed once, done at most once, answered always; what is refused changes nothing."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from protocols.ed25519 import verify
from protocols.errors import EncodeError
from protocols.signed import Envelope
from protocols.telemetry.orders import LARGEST_ORDER, ORDERS, Order, Room, order_statement, trust_statement
from terminal_agent.errors import AgentError
from terminal_agent.flows.order_rooms import AgentRoom, ReportRoom, TillRoom
from terminal_agent.flows.ordering import MOST_ALERTS, MOST_WAITING, Ordering
from terminal_agent.flows.reporting import Recorder
from terminal_agent.orders.ledger import Ledger
from terminal_agent.orders.standing import Standing
from terminal_agent.report.outbox import Outbox
from tests.protocols.persons import sealed
from tests.protocols.telemetry.test_orders import FRESH, TRUST, order
from tests.terminal_agent.flows.paper import PaperChain, PaperOutbox

NOW = 1_800_000_000
TERMINAL = "TG000001"


class StillClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.ms = NOW * 1000

    def now_ms(self) -> int:
        return self.ms

    def steady_ms(self) -> float:
        return float(self.ms)


class Terminal:
    """A terminal's orders over paper."""

    def __init__(self, folder: Path, *, obeys: bool = True) -> None:
        self.folder = folder
        self.chain, self.outbox, self.clock = PaperChain(), PaperOutbox(), StillClock()
        self.recorder = Recorder(self.chain, self.outbox, self.clock, lambda _: None)
        self.reports = Outbox.open(folder / "outbox.db", TERMINAL, opened_at_ms=7)
        self.asked: list[tuple[int, int, int]] = []
        self.acted: list[str] = []
        self.fault: Exception = AgentError("policy: a newer version was believed before", "")
        self.obeys = obeys
        self.start()

    def ask(self, boot: int, first: int, last: int) -> None:
        self.asked.append((boot, first, last))

    def start(self) -> None:
        self.ledger = Ledger.open(self.folder / "orders.db", TERMINAL)
        self.till = TillRoom(self.ledger)
        rooms: dict[Room, Callable[[Order], Awaitable[str]]] = {
            Room.AGENT: AgentRoom(self.recorder, lambda: {"outbox": "3 reports", "card": "4111111111111111"}),
            Room.TILL: self.till,
            Room.REPORT: ReportRoom(self.reports, lambda: self),
            Room.USB: self.usb,
        }
        trust = TRUST if self.obeys else None
        self.orders = Ordering(TERMINAL, self.ledger, trust, verify, self.recorder, self.clock, rooms)
        self.orders.open()

    def die(self) -> None:
        """As a kill would: nothing more is written."""
        self.ledger._database.close()

    async def usb(self, one: Order) -> str:
        self.acted.append(one.kind.name)
        raise self.fault

    async def gets(self, *envelopes: Envelope, retained: bool = False) -> None:
        """These come, and what is believed is carried out."""
        for envelope in envelopes:
            self.orders.take(envelope.encode(), retained)
        task = asyncio.create_task(self.orders.run())
        await asyncio.sleep(0)
        while self.orders._waiting.qsize() or self.ledger.begun:
            await asyncio.sleep(0)
        task.cancel()

    def told(self, name: str) -> list[dict[str, Any]]:
        return [dict(event.fields) for event in self.chain.named(name)]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def signed(name: str, sequence: int, **changes: Any) -> Envelope:
    persons = ("anna", "bernd") if ORDERS[name].grave else ("anna",)
    return sealed(order(name, sequence, **changes), *persons)


async def test_lock_and_unlock_over_a_restart(terminal: Terminal) -> None:
    assert terminal.till.bar() is None
    await terminal.gets(signed("lock", 1))
    assert terminal.till.bar() == "this terminal is locked by order of head office"
    assert terminal.told("order.done") == [
        {"order": "o-1", "command": "lock", "sequence": 1, "persons": "anna", "result": "locked: stolen?"}
    ]
    terminal.die()
    terminal.start()
    assert terminal.till.standing is Standing.LOCKED
    await terminal.gets(signed("unlock", 2))
    assert terminal.till.bar() is None
    assert terminal.told("order.done")[1]["persons"] == "anna, bernd"


async def test_frozen_it_only_answers_until_it_is_thawed_and_unlocked(terminal: Terminal) -> None:
    await terminal.gets(signed("freeze", 1))
    refused = [name for name in ORDERS if name not in ("ping", "thaw", "diagnostics", "resend")]
    for sequence, name in enumerate(refused, 2):
        await terminal.gets(signed(name, sequence))
        assert terminal.till.standing is Standing.FROZEN
    assert [one["reason"] for one in terminal.told("order.refused")] == ["the terminal is frozen"] * len(refused)
    await terminal.gets(signed("ping", 50), signed("thaw", 51))
    assert terminal.till.standing is Standing.LOCKED
    await terminal.gets(signed("unlock", 52))
    assert terminal.till.standing is Standing.OPEN


async def test_diagnostics_are_told_part_by_part_without_card_data(terminal: Terminal) -> None:
    await terminal.gets(signed("diagnostics", 1))
    assert terminal.told("diagnostics") == [
        {"order": "o-1", "part": "outbox", "words": "3 reports"},
        {"order": "o-1", "part": "card", "words": "****************"},
    ]
    assert terminal.told("order.done")[0]["result"] == "2 parts told"


async def test_resend_is_bounded_and_of_what_was(terminal: Terminal) -> None:
    def wanted(sequence: int, boot: int, first: int, last: int) -> Envelope:
        made = order_statement(
            TERMINAL, sequence, NOW - 1, NOW + 60, "o-2", "resend", boot=boot, first=first, last=last
        )
        return sealed(made, "anna")

    await terminal.gets(wanted(1, 5, 1, 10), wanted(2, 5, 2, 1), wanted(3, 5, 1, 500_000), wanted(4, 7, 1, 10))
    assert terminal.asked == [(5, 1, 10)]
    assert len(terminal.told("order.refused")) == 3


@pytest.mark.parametrize("name", ["rotate-keys", "renew-certificate", "profile"])
async def test_what_this_terminal_has_no_room_for_is_refused_clearly(name: str, terminal: Terminal) -> None:
    await terminal.gets(signed(name, 1))
    (refused,) = terminal.told("order.refused")
    assert refused["reason"] == f"{name}: not available on this terminal"


async def test_the_room_that_acts_has_the_last_word(terminal: Terminal) -> None:
    await terminal.gets(signed("policy", 1))
    assert terminal.acted == ["policy"]
    assert terminal.told("order.refused")[0]["reason"] == "policy: a newer version was believed before"


async def test_a_room_that_cannot_say_what_it_was_asked_refuses(terminal: Terminal) -> None:
    terminal.fault = EncodeError("report.dropped: epoch_back: a whole number of at most 12 digits expected")
    await terminal.gets(signed("policy", 1), signed("ping", 2))
    assert "epoch_back" in terminal.told("order.refused")[0]["reason"]
    assert [one["sequence"] for one in terminal.told("order.done")] == [2]


async def test_a_number_that_no_order_could_follow_is_no_order(terminal: Terminal) -> None:
    huge = dataclasses.replace(order("ping", 1), version=10**12)
    await terminal.gets(sealed(huge, "anna"), signed("ping", 1))
    assert [one["cause"] for one in terminal.told("order.alert")] == ["malformed"]
    assert [one["sequence"] for one in terminal.told("order.done")] == [1]


async def test_an_order_is_done_once_however_often_it_comes(terminal: Terminal) -> None:
    await terminal.gets(signed("lock", 1), signed("unlock", 2), signed("lock", 1), signed("unlock", 2))
    terminal.die()
    terminal.start()
    await terminal.gets(signed("lock", 1), signed("unlock", 2))
    assert len(terminal.told("order.done")) == 2
    assert terminal.told("order.refused") == []  # it was answered before
    assert {one["cause"] for one in terminal.told("order.alert")} == {"old", "again"}
    assert terminal.till.standing is Standing.OPEN


async def test_an_order_that_comes_behind_a_newer_one_is_refused(terminal: Terminal) -> None:
    await terminal.gets(signed("ping", 5), signed("lock", 4))
    assert terminal.told("order.refused")[0]["reason"] == (
        "a newer version was believed before: version 4, at least 5 expected"
    )
    assert terminal.till.standing is Standing.OPEN


@pytest.mark.parametrize(
    ("envelope", "retained", "cause", "answered"),
    [
        (Envelope(order().encode()), False, "nobody", False),
        (sealed(order(), "mallory"), False, "nobody", False),
        (sealed(order("unlock"), "anna"), False, "too-few", True),
        (sealed(order("unlock"), "anna", "mallory"), False, "too-few", True),
        (sealed(order(audience="TG000002"), "anna"), False, "other-terminal", False),
        (sealed(order(from_s=NOW + 10), "anna"), False, "not-yet", True),
        (sealed(order(from_s=NOW - 90, until_s=NOW), "anna"), False, "over", True),
        (sealed(order(), "anna"), True, "retained", False),
        (sealed(order(kind="usb-policy"), "anna"), False, "other-kind", True),
    ],
)
async def test_what_is_not_believed_changes_nothing_and_is_told(
    envelope: Envelope, retained: bool, cause: str, answered: bool, terminal: Terminal
) -> None:
    await terminal.gets(envelope, retained=retained)
    assert [one["cause"] for one in terminal.told("order.alert")] == [cause]
    assert len(terminal.told("order.refused")) == answered
    assert terminal.told("order.done") == []
    assert terminal.ledger.floor is None
    assert terminal.till.standing is Standing.OPEN


@pytest.mark.parametrize("octets", [b"", b"noise", b"{}", b"x" * (LARGEST_ORDER + 1)])
async def test_noise_is_an_alert(octets: bytes, terminal: Terminal) -> None:
    terminal.orders.take(octets, False)
    assert [one["cause"] for one in terminal.told("order.alert")] == ["malformed"]


async def test_a_signed_statement_that_is_no_order_uses_its_number_up(terminal: Terminal) -> None:
    await terminal.gets(sealed(order(body='{"id":"o-9","order":"explode","arguments":{}}'), "anna"))
    (refused,) = terminal.told("order.refused")
    assert (refused["order"], refused["sequence"]) == ("o-9", 7)
    await terminal.gets(signed("lock", 7))
    assert terminal.till.standing is Standing.OPEN


async def test_a_terminal_that_obeys_nobody_says_so(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, obeys=False)
    await terminal.gets(signed("lock", 1))
    assert terminal.told("order.alert")[0]["cause"] == "nobody"
    assert terminal.till.standing is Standing.OPEN


async def test_death_between_floor_and_deed_is_told_and_the_deed_not_done_again(terminal: Terminal) -> None:
    terminal.orders.take(signed("lock", 1).encode(), False)
    terminal.die()
    terminal.start()
    (refused,) = terminal.told("order.refused")
    assert (refused["order"], refused["command"], refused["persons"]) == ("o-1", "lock", "anna")
    assert "look how far it came" in refused["reason"]
    await terminal.gets(signed("lock", 1))
    assert terminal.till.standing is Standing.OPEN
    terminal.die()
    terminal.start()
    assert len(terminal.told("order.refused")) == 1


async def test_an_order_that_cannot_be_written_down_is_not_carried_out(terminal: Terminal) -> None:
    terminal.ledger._database.execute("PRAGMA query_only = ON")
    await terminal.gets(signed("lock", 1))
    assert terminal.told("order.alert")[0]["cause"] == "not-written"
    assert terminal.till.standing is Standing.OPEN


async def test_the_standing_of_a_ledger_that_cannot_be_read_is_frozen(terminal: Terminal) -> None:
    terminal.die()
    assert terminal.till.standing is Standing.FROZEN
    assert terminal.till.bar() is not None


async def test_too_many_at_once_are_refused(terminal: Terminal) -> None:
    await terminal.gets(*(signed("ping", number) for number in range(1, MOST_WAITING + 3)))
    assert len(terminal.told("order.done")) == MOST_WAITING
    assert [one["reason"] for one in terminal.told("order.refused")] == ["too many orders wait; give it anew"] * 2


async def test_a_flood_does_not_fill_the_outbox(terminal: Terminal) -> None:
    for _ in range(100):
        terminal.orders.take(b"noise", False)
    assert len(terminal.told("order.alert")) == MOST_ALERTS
    terminal.clock.ms += 60_001
    terminal.orders.take(b"noise", False)
    assert "90 more within a minute" in terminal.told("order.alert")[-1]["reason"]


def rotation(version: int, *persons: str) -> Envelope:
    return sealed(trust_statement(FRESH, version, NOW - 60, NOW + 600), *persons)


async def test_persons_are_exchanged_and_the_old_ones_count_no_more(terminal: Terminal) -> None:
    await terminal.gets(rotation(1, "anna", "bernd", "doris", "emil"))
    assert terminal.told("trust.rotated") == [{"persons": "anna, bernd, doris, emil", "version": 1}]
    terminal.die()
    terminal.start()
    await terminal.gets(signed("lock", 1))
    assert terminal.told("order.alert")[0]["cause"] == "nobody"
    await terminal.gets(sealed(order("lock", 2), "doris"))
    assert terminal.till.standing is Standing.LOCKED


@pytest.mark.parametrize(
    ("envelope", "cause"),
    [
        (rotation(1, "anna", "bernd"), "nobody"),
        (rotation(1, "anna", "doris", "emil"), "too-few"),
        (rotation(2, "anna", "bernd", "doris", "emil"), "skips"),
    ],
)
async def test_an_exchange_takes_both_lists_and_the_next_version(
    envelope: Envelope, cause: str, terminal: Terminal
) -> None:
    await terminal.gets(envelope)
    assert [one["cause"] for one in terminal.told("order.alert")] == [cause]
    assert terminal.ledger.trust is None
    await terminal.gets(signed("lock", 1))
    assert terminal.till.standing is Standing.LOCKED


def test_ledger_of_another_terminal_or_version(tmp_path: Path) -> None:
    path = tmp_path / "orders.db"
    Ledger.open(path, TERMINAL).close()
    with pytest.raises(AgentError, match="of another terminal"):
        Ledger.open(path, "TG000002")
    ledger = Ledger.open(path, TERMINAL)
    with pytest.raises(AgentError, match="cannot be used"):
        Ledger.open(path, TERMINAL)
    ledger._database.execute("PRAGMA user_version = 9")
    ledger.close()
    with pytest.raises(AgentError, match="version 9, 1 expected"):
        Ledger.open(path, TERMINAL)
