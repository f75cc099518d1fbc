# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The desk on both databases. Invariant: what a receipt says is committed, once, and nothing else is.

Every report of a registered, active terminal that its key signed stands in the store exactly once, whatever the order,
the repetition and the batches; everything else is a dead letter with its reason.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from fleet_console import register
from fleet_console.desk import SEARCHES, SEARCHES_MS, TOLD_AGAIN_MS, Desk, Outcome
from fleet_console.judge import Accepted, Reason
from fleet_console.jury import Jury
from fleet_console.register import Register, State
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from fleet_console.stories import BOOTS_KEPT, Finding
from protocols.mqtt.session import Message
from protocols.telemetry.batch import encode_batch
from protocols.telemetry.events import Lane
from protocols.telemetry.receipt import Receipt
from protocols.telemetry.topics import report_topic
from tests.fleet_console.terminals import AT_MS, Teller, message
from tests.postgres import Postgres
from tests.protocols.telemetry.report_keys import public

NAMES = ("TG000001", "TG000002")


@dataclass
class Office:
    """A desk and its database."""

    database: Database
    clock: Iterator[int] = field(default_factory=lambda: count(AT_MS))
    desk: Desk = field(init=False)

    async def open(self) -> None:
        """Begin a desk, as after a restart."""
        loaded = await Register.load(self.database)
        self.desk = Desk(self.database, loaded, lambda: next(self.clock), Jury(2).judge)

    async def take(self, *messages: Message) -> Outcome:
        return await self.desk.enter(await self.desk.judged(messages))

    async def numbers(self, name: str, boot: int = AT_MS) -> list[int]:
        found = await self.database.read(
            "SELECT seq FROM reports WHERE terminal = $1 AND boot = $2 ORDER BY seq", name, boot
        )
        return [seq for (seq,) in found]

    async def dead(self) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in await self.database.read("SELECT terminal, reason FROM dead_letters")]


def only(outcome: Outcome) -> Receipt:
    assert len(outcome.receipts) == 1
    return outcome.receipts[0]


@pytest.fixture(params=["sqlite", "postgres"])
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Office]:
    address = str(tmp_path / "fleet.db")
    if request.param == "postgres":
        running: Postgres = request.getfixturevalue("server")
        address = running.fresh()
    database = await open_store(address)
    for name in NAMES:
        await database.write(register.addition(name, (public(name),), AT_MS))
    made = Office(database)
    await made.open()
    yield made
    await database.close()


async def test_reports_are_committed_once_and_receipted(office: Office) -> None:
    told = Teller(NAMES[0])
    first = told.message(told.tell(), told.tell())
    second = told.message(told.tell(Lane.ALERT), lane=Lane.ALERT)
    found = only(await office.take(first, second))
    assert (found.terminal, found.boot, found.upto, found.also, found.missing) == (NAMES[0], AT_MS, 3, (), ())
    again = await office.take(first)
    assert again.counts == Counter(duplicates=2)
    assert only(again).upto == 3
    assert only(again).serial == found.serial + 1
    assert await office.numbers(NAMES[0]) == [1, 2, 3]
    assert not again.findings


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_any_batches_with_restarts(office: Office, seed: int) -> None:
    chance = random.Random(seed)
    tellers = [Teller(name) for name in NAMES]
    messages = []
    for teller in tellers:
        for _ in range(30):
            lane = chance.choice(list(Lane))
            size = 1 if lane is Lane.ALERT else chance.randint(1, 5)
            messages.append(teller.message(*(teller.tell(lane) for _ in range(size)), lane=lane))
    messages += chance.sample(messages, 10)
    chance.shuffle(messages)
    serials: dict[str, int] = {}
    while messages:
        size = chance.randint(1, 12)
        part, messages = messages[:size], messages[size:]
        outcome = await office.take(*part)
        assert not outcome.findings
        for found in outcome.receipts:
            name = found.terminal
            assert found.serial > serials.get(name, 0)
            serials[name] = found.serial
            ranges = [(1, found.upto), *found.also]
            said = [number for first, last in ranges for number in range(first, last + 1)]
            here = await office.numbers(name)
            assert said == here[: len(said)]
            gaps = [number for first, last in found.missing for number in range(first, last + 1)]
            assert not set(gaps) & set(here)
        if chance.random() < 0.2:
            await office.open()
    for teller in tellers:
        assert await office.numbers(teller.name) == list(range(1, teller.seq + 1))


async def test_gaps_are_asked_for_and_drops_are_not(office: Office) -> None:
    told = Teller(NAMES[0])
    reports = [told.tell() for _ in range(6)]
    found = only(await office.take(told.message(reports[0]), told.message(reports[4])))
    assert (found.upto, found.also, found.missing) == (1, ((5, 5),), ((2, 4),))
    dropped = told.says("report.dropped", count=2, lane="health", epoch_back=0, ranges="2..3,6")
    outcome = await office.take(dropped)
    found = only(outcome)
    assert (found.upto, found.also, found.missing) == (3, ((5, 7),), ((4, 4),))
    assert outcome.counts["dropped"] == 3
    await office.open()
    found = only(await office.take(told.message(reports[3])))
    assert (found.upto, found.missing) == (7, ())
    later = told.again()
    outcome = await office.take(
        later.says("report.dropped", count=1, lane="bulk", epoch_back=1, ranges="8..9"), later.message(later.tell())
    )
    assert sorted((one.boot, one.upto) for one in outcome.receipts) == [
        (AT_MS, 9),
        (AT_MS + 1, 2),
    ]


def strange(told: Teller, other: Teller) -> dict[Reason, Message]:
    """One message for each reason that needs no state."""
    good = encode_batch([told.tell()], told.signer)
    topic = report_topic(told.name, Lane.HEALTH)
    return {
        Reason.TOPIC: message(topic.replace("/s", "/t"), good),
        Reason.RETAINED: message(topic, good, retained=True),
        Reason.UNKNOWN: message(report_topic("TG999999", Lane.HEALTH), good),
        Reason.MALFORMED: message(topic, encode_batch([b'{"v":2}'], told.signer)),
        Reason.KEY: message(topic, encode_batch([told.tell()], other.signer)),
        Reason.SIGNATURE: message(topic, good[:-2] + b" \n"),
        Reason.FOREIGN: message(report_topic(told.name, Lane.BULK), good),
    }


async def test_everything_else_is_a_dead_letter_with_its_reason(office: Office) -> None:
    told, other = (Teller(name) for name in NAMES)
    cases = strange(told, other)
    outcome = await office.take(*cases.values())
    assert outcome.dead == dict.fromkeys(cases, 1)
    assert not outcome.receipts
    assert sorted(reason for _, reason in await office.dead()) == sorted(reason.value for reason in cases)
    assert await office.database.read("SELECT count(*) FROM reports") == [(0,)]


async def test_garbage_and_hostile_certificates_are_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet_console.desk.DEAD_KEPT", 50)
    told = Teller(NAMES[0])
    topic = report_topic(told.name, Lane.HEALTH)
    chance = random.Random(7)
    whole = encode_batch([told.tell(), told.tell()], told.signer)
    hostile = [message(topic, chance.randbytes(chance.randint(0, 200))) for _ in range(200)]
    hostile += [message(topic, whole[:length]) for length in range(0, len(whole), 7)]
    hostile.append(message(topic, b"es256 " + b"0" * 70_000))
    for start in range(0, len(hostile), 20):
        outcome = await office.take(*hostile[start : start + 20])
        assert not outcome.receipts
    kept = await office.database.read("SELECT count(*), sum(length) FROM dead_letters")
    assert kept[0][0] <= 50 + 20
    assert only(await office.take(message(topic, whole))).upto == 2


async def test_an_isolated_terminal_is_heard_no_more_from_the_very_commit_on(office: Office) -> None:
    told, other = (Teller(name) for name in NAMES)
    assert only(await office.take(told.message(told.tell()))).upto == 1
    # The desk's register is older than the change: the commit itself finds out.
    await office.database.write(register.change(NAMES[0], State.ISOLATED, "stolen", AT_MS))
    outcome = await office.take(told.message(told.tell()), other.message(other.tell()))
    assert outcome.dead == {Reason.ISOLATED: 1}
    assert only(outcome).terminal == NAMES[1]
    assert await office.numbers(NAMES[0]) == [1]
    await office.database.write(register.change(NAMES[0], State.ACTIVE, "", AT_MS))
    assert only(await office.take(told.message(told.tell()))).missing == ((2, 2),)


async def test_a_life_follows_the_one_before(office: Office) -> None:
    told = Teller(NAMES[0])
    await office.take(told.message(told.tell(), told.tell()))
    later = told.again()
    assert not (await office.take(later.message(later.tell()))).findings
    third = later.again()
    early = third.message(third.tell())  # overtakes the end of the life before it
    rest = later.message(later.tell(), later.tell())
    assert not (await office.take(early)).findings
    assert not (await office.take(rest)).findings


async def test_a_copy_shows_by_two_lives_behind_one_report(office: Office) -> None:
    told = Teller(NAMES[0])
    await office.take(told.message(told.tell()))
    one, two = told.again(), Teller(NAMES[0], told.boot + 5, told.prev)
    assert not (await office.take(one.message(one.tell()))).findings
    await office.open()
    outcome = await office.take(two.message(two.tell()))
    assert [(found.finding, found.finding.is_clone) for found in outcome.findings] == [(Finding.FORK, True)]


@pytest.mark.parametrize("apart", [True, False])
async def test_a_copy_shows_by_one_number_with_two_contents(office: Office, apart: bool) -> None:
    told, copy = Teller(NAMES[0]), Teller(NAMES[0])
    messages = told.message(told.tell()), copy.message(copy.tell(Lane.BULK), lane=Lane.BULK)
    if apart:
        await office.take(messages[0])
        outcome = await office.take(messages[1])
    else:
        outcome = await office.take(*messages)
    assert [found.finding for found in outcome.findings] == [Finding.CONFLICT]
    assert await office.numbers(NAMES[0]) == [1]


async def test_first_reports_that_come_late_are_no_disk_put_back(office: Office) -> None:
    """Lanes overtake each other over many short lives, and memory holds the latest only: the store knows the rest."""
    told = [Teller(NAMES[0])]
    while len(told) <= BOOTS_KEPT + 4:
        lives = [told[-1].message(told[-1].tell()), told[-1].message(told[-1].tell(Lane.ALERT), lane=Lane.ALERT)]
        if len(told) == 1:
            first = lives[0]
        if len(told) == 3:
            late = lives.pop(0)
        assert not (await office.take(*lives)).findings
        told.append(told[-1].again())
    await office.open()
    outcome = await office.take(first, late)
    assert outcome.counts == Counter(reports=1, duplicates=1)
    assert not outcome.findings


async def test_a_disk_put_back_over_lives_that_memory_forgot_shows(office: Office) -> None:
    told = [Teller(NAMES[0])]
    while len(told) <= BOOTS_KEPT + 4:
        await office.take(told[-1].message(told[-1].tell()))
        told.append(told[-1].again())
    await office.open()
    back = Teller(NAMES[0], told[-1].boot, told[1].first_prev)
    outcome = await office.take(back.message(back.tell()))
    assert [found.finding for found in outcome.findings] == [Finding.ROLLED_BACK]


async def test_a_disk_put_back_and_a_broken_link_show(office: Office) -> None:
    told = Teller(NAMES[0])
    first = told.message(told.tell())
    older = told.prev
    await office.take(first, told.message(told.tell()))
    back = Teller(NAMES[0], told.boot + 1, older)
    outcome = await office.take(back.message(back.tell()))
    assert [(found.finding, found.finding.is_clone) for found in outcome.findings] == [(Finding.ROLLED_BACK, False)]
    back.prev = "0" * 64
    outcome = await office.take(back.message(back.tell()))
    assert [found.finding for found in outcome.findings] == [Finding.UNLINKED]


async def test_a_flood_of_lives_is_looked_into_bit_by_bit(office: Office) -> None:
    told = Teller(NAMES[0])
    first = told.message(told.tell())
    older = told.prev
    await office.take(first, told.message(told.tell()))
    for number in range(1, 2 * SEARCHES):  # each follows what nobody ever heard, for which the whole story is read
        stray = Teller(NAMES[0], AT_MS + number, f"{number:064x}")
        assert not (await office.take(stray.message(stray.tell()))).findings
    back = Teller(NAMES[0], AT_MS + 100, older)
    assert not (await office.take(back.message(back.tell()))).findings
    office.clock = count(AT_MS + 2 * SEARCHES_MS)
    outcome = await office.take(back.message(back.tell()))
    assert [(found.boot, found.finding) for found in outcome.findings] == [(back.boot, Finding.ROLLED_BACK)]


async def test_a_flood_of_broken_links_is_told_once_in_a_while(office: Office) -> None:
    """Each telling is a record of head office's chain, and a terminal makes broken links for nothing."""
    told = Teller(NAMES[0])

    def broken() -> Message:
        told.prev = "0" * 64
        return told.message(told.tell())

    assert not (await office.take(told.message(told.tell()))).findings
    outcome = await office.take(*(broken() for _ in range(20)))
    assert [found.finding for found in outcome.findings] == [Finding.UNLINKED]
    assert not (await office.take(broken())).findings
    office.clock = count(AT_MS + TOLD_AGAIN_MS + 1_000)
    outcome = await office.take(broken())
    assert [found.finding for found in outcome.findings] == [Finding.UNLINKED]


async def test_presence_is_will_boot_and_heartbeat(office: Office) -> None:
    async def row() -> tuple[str, int, int]:
        found = await office.database.read("SELECT presence, boot, deadline_ms - heard_ms FROM terminal_latest")
        return found[0][0], found[0][1], found[0][2]

    told = Teller(NAMES[0])
    await office.take(told.says("agent.heartbeat", every_s=10**12 - 1, standing="open", waiting=0))
    assert await row() == ("online", AT_MS, 3 * 86_400_000)  # a promise for ever hides nobody
    await office.take(told.says("agent.heartbeat", every_s=10, standing="open", waiting=0))
    assert await row() == ("online", AT_MS, 30_000)
    await office.take(told.will())
    assert (await row())[0] == "lost"
    await office.take(told.message(told.tell()))
    assert (await row())[0] == "online"
    later = told.again()
    await office.take(later.message(later.tell()))
    await office.take(told.will())  # the will of the life before comes late
    assert (await row())[:2] == ("online", AT_MS + 1)
    await office.take(later.says("agent.stopping"))
    assert (await row())[0] == "stopped"


async def test_what_was_judged_before_its_terminal_was_isolated_is_judged_anew(office: Office) -> None:
    told, other = Teller(NAMES[0]), Teller(NAMES[1])
    judged = await office.desk.judged([told.message(told.tell()), other.message(other.tell())])
    assert all(isinstance(one, Accepted) for one in judged.found)
    await office.database.write(register.change(NAMES[0], State.ISOLATED, "a test", AT_MS))
    outcome = await office.desk.enter(judged)
    assert outcome.dead == Counter({Reason.ISOLATED: 1})
    assert await office.numbers(NAMES[0]) == []
    assert await office.numbers(NAMES[1]) == [1]
