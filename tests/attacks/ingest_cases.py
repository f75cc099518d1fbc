# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Attacks upon head office's ingest and its orders, for several rows of the catalogue.

A desk and its store, and the broker's messages by hand: the attacker is past the broker, or the broker is his.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fleet_console import findings, orders, register
from fleet_console.desk import DEAD_KEPT, Desk
from fleet_console.judge import Accepted, Dead, judge
from fleet_console.orders import State
from fleet_console.register import Register
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from protocols.audit_chain import parse
from protocols.mqtt.session import Message
from protocols.signed import Envelope, Trust
from protocols.telemetry.batch import encode_batch
from protocols.telemetry.events import Lane
from protocols.telemetry.topics import report_topic
from tests.attacks.harness import Case
from tests.attacks.soft.ingest import Hoarder, judge_nothing, one_is_enough, taking_retained, unconcerned
from tests.brokers import TERMINALS
from tests.fleet_console.terminals import AT_MS, Teller, message
from tests.fleet_console.test_orders import NOW_S, TRUST, drafted
from tests.protocols.persons import key
from tests.protocols.telemetry.report_keys import public, signer
from tillguard.voice import Fault

VICTIM, ROGUE = TERMINALS
FLOOD = DEAD_KEPT + 500


class Ingest:
    """A :class:`tests.attacks.harness.Target`: a desk, its store, and what became of findings."""

    def __init__(self, database: Database, desk: Desk, follow: Callable[..., Awaitable[None]], trust: Trust) -> None:
        self.database, self._desk, self._follow, self.trust = database, desk, follow, trust
        self._alerts: list[str] = []
        self.teller = Teller(VICTIM)

    async def take(self, *messages: Message) -> None:
        """Messages come from the broker."""
        outcome = await self._desk.enter(await self._desk.judged(messages))
        self._alerts += [f"dead letter: {reason}" for reason in outcome.dead.elements()]
        for found in outcome.findings:
            await self._follow(found, self.database, AT_MS, _at_broker, self._say)
            await self._desk.refresh()

    async def honest(self) -> bool:
        """A terminal's reports stand in the store, and a small order is ready with one signature."""
        await self.take(self.teller.message(self.teller.tell()), self.teller.message(self.teller.tell()))
        kept = await orders.submit(self.database, drafted("ping", "Ada", sequence=900), self.trust, NOW_S * 1_000)
        return await self.has(VICTIM, AT_MS) == 2 and kept.state is State.READY

    async def has(self, terminal: str, boot: int) -> int:
        """How many reports of that boot stand in the store."""
        statement = "SELECT count(*) FROM reports WHERE terminal = $1 AND boot = $2"
        return int((await self.database.read(statement, terminal, boot))[0][0])

    def alerts(self) -> Sequence[str]:
        """What head office was told."""
        return self._alerts

    async def read_audit(self) -> None:
        """Somebody looks into the audit chain."""
        rows = await self.database.read("SELECT line FROM audit ORDER BY seq")
        self._alerts += [f"audit: {parse(bytes(line), 'head-office').name}" for (line,) in rows]

    def _say(self, event: str, document: Any, _: str) -> None:
        if event == "isolated":
            self._alerts.append("head office: isolated")


def _at_broker(_: str) -> None:
    """The broker is told as well."""


@asynccontextmanager
async def ingest(
    folder: Path,
    *,
    kind: type[Desk] = Desk,
    judging: Callable[[Message, Register], Accepted | Dead] = judge,
    follow: Callable[..., Awaitable[None]] = findings.act,
    trust: Trust = TRUST,
) -> AsyncIterator[Ingest]:
    """A desk as shipped, or another."""

    async def each(messages: Sequence[Message], known: Register) -> list[Accepted | Dead]:
        return [judging(one, known) for one in messages]

    database = await open_store(str(folder / "fleet.db"))
    for name in TERMINALS:
        await database.write(register.addition(name, (public(name),), AT_MS))
    desk = kind(database, await Register.load(database), lambda: AT_MS, each)
    try:
        yield Ingest(database, desk, follow, trust)
    finally:
        await database.close()


async def sign_as_oneself(target: Ingest) -> bool:
    """Report on the victim's topic, as the victim, with one's own key: the broker's access list is open."""
    forged = Teller(VICTIM, AT_MS + 9, target.teller.prev)
    octets = encode_batch([forged.tell()], signer(ROGUE))
    await target.take(message(report_topic(VICTIM, Lane.HEALTH), octets))
    return await target.has(VICTIM, forged.boot) > 0


async def change_what_was_signed(target: Ingest) -> bool:
    """Whoever has the broker changes a report on its way."""
    told = target.teller
    true = told.message(told.tell()).payload
    await target.take(message(report_topic(VICTIM, Lane.HEALTH), true.replace(b'"reader"', b'"reaver"')))
    return await target.has(VICTIM, AT_MS) == 3


async def leave_a_report(target: Ingest) -> bool:
    """The broker retains a report, and hands it out to each worker that begins to listen."""
    told = target.teller
    octets = told.message(told.tell()).payload
    await target.take(message(report_topic(VICTIM, Lane.HEALTH), octets, retained=True))
    return await target.has(VICTIM, AT_MS) == 3


async def copy_the_machine(target: Ingest) -> bool:
    """Copy a terminal's disk, key and all, and run the copy beside it: both go on from the same report."""
    mine, copy = target.teller.again(), Teller(VICTIM, AT_MS + 77, target.teller.prev)
    for _ in range(3):
        await target.take(mine.message(mine.tell()))
        await target.take(copy.message(copy.tell()))
    return await target.has(VICTIM, copy.boot) == 3


async def unlock_alone(target: Ingest) -> bool:
    """One operator gives a grave order and approves it himself."""
    kept = await orders.submit(target.database, drafted("unlock", "Ada"), target.trust, NOW_S * 1_000)
    if kept.state is State.WAITING:
        again: Envelope = kept.envelope.signed_by(key("Ada").public, key("Ada").sign)
        try:
            kept = await orders.approve(target.database, kept.id, again, target.trust, NOW_S * 1_000)
        except Fault:
            await target.read_audit()
    return kept.state is State.READY


async def flood(target: Ingest) -> bool:
    """Fill head office's disk with refusals: a valid certificate, and garbage as fast as the line takes it."""
    topic = report_topic(ROGUE, Lane.HEALTH)
    for start in range(0, FLOOD, 100):
        await target.take(*(message(topic, b"garbage %d" % number) for number in range(start, start + 100)))
    return int((await target.database.read("SELECT count(*) FROM dead_letters"))[0][0]) == FLOOD


_SCREEN = "head office: dead letters in fleet-console status, events --dead and the metrics"


def _case(name: str, soft: Any, strike: Callable[[Ingest], Awaitable[bool]], alert: str, told: str) -> Case[Ingest]:
    return Case(name, soft, ingest, strike, alert, told)


SIGNED = (
    _case("report signed with another's key", partial(ingest, judging=judge_nothing), sign_as_oneself,
          "dead letter: unknown key", _SCREEN),
    _case("report changed at the broker", partial(ingest, judging=judge_nothing), change_what_was_signed,
          "dead letter: signature", _SCREEN),
)  # fmt: skip
RETAINED = (
    _case("report retained by the broker", partial(ingest, judging=taking_retained), leave_a_report,
          "dead letter: retained", _SCREEN),
)  # fmt: skip
COPIED = (
    _case("copy of a disk, at the ingest", partial(ingest, follow=unconcerned), copy_the_machine,
          "head office: isolated", "head office, by the ingest; the terminal is heard no more"),
)  # fmt: skip
ALONE = (
    _case("grave order approved by its giver", partial(ingest, trust=one_is_enough(TRUST)), unlock_alone,
          "audit: order.not approved", "the auditor, in head office's chain"),
)  # fmt: skip
FLOODED = (
    _case("garbage with a valid certificate", partial(ingest, kind=Hoarder), flood, "dead letter: malformed", _SCREEN),
)
