# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The list of withdrawn certificates lives on by itself, and whoever cannot renew it says so. The clock is made."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fleet_console import register
from fleet_console.authority import CRL_LIFE, serial_of
from fleet_console.containment import Control
from fleet_console.cordon import Cordon
from fleet_console.isolation import RevocationList, listed_in, revocation_list
from fleet_console.list_keeper import ListKeeper
from fleet_console.metrics import Counts
from fleet_console.settings import load
from fleet_console.store.choose import open_store
from protocols.telemetry.keys import from_certificate
from tests.fleet_console.estate import CRL, command, make_estate
from tests.protocols.telemetry.report_keys import public
from tillguard.voice import Fault

NAME, OTHER = "TG000001", "TG000002"
HOUR_MS = 3_600_000
START_MS = 1_795_000_000_000
LIFE_MS = round(CRL_LIFE.total_seconds() * 1000)


@dataclass
class Office:
    """A keeper, its clock, its store, and what it said; the broker's part is a file with a line for each reload."""

    folder: Path
    now_ms: int = START_MS
    counts: Counts = field(default_factory=Counts)
    said: list[tuple[str, Mapping[str, object], str]] = field(default_factory=list)
    broker: str = "exit 0"

    def keeper(self, *, authority: bool = True) -> ListKeeper:
        """As the ingest has one; without ``authority`` its key lies on another machine."""
        made = revocation_list(load(self.folder / "office.toml"))
        assert made is not None
        reload = ["sh", "-c", f"echo >> {self.folder}/reloads; {self.broker}"]
        revoked = RevocationList(made.authority, self.folder / CRL, reload, self.clock)
        return ListKeeper(
            self.folder / CRL, revoked if authority else None, lambda: open_store(str(self.folder / "fleet.db")),
            self.clock, lambda *one: self.said.append(one), self.counts,
        )  # fmt: skip

    def clock(self) -> int:
        return self.now_ms

    @property
    def reloads(self) -> int:
        file = self.folder / "reloads"
        return len(file.read_text()) if file.exists() else 0

    @property
    def ends_ms(self) -> int:
        found = listed_in(self.folder / CRL)
        assert found is not None
        return found.ends_ms

    @property
    def events(self) -> list[str]:
        return [event for event, _, _ in self.said]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    make_estate(tmp_path, NAME).settings("fleet.db")
    (tmp_path / CRL).unlink()
    return Office(tmp_path)


async def test_a_fleet_that_nobody_looks_after_keeps_its_list_for_a_month(office: Office) -> None:
    keeper = office.keeper()
    least = LIFE_MS
    for _ in range(30 * 24):
        assert await keeper.look()
        least = min(least, office.ends_ms - office.now_ms)
        office.now_ms += HOUR_MS
    assert least > LIFE_MS // 2 - HOUR_MS
    assert office.reloads == office.counts.counts["list_renewals"] == len(office.said) <= 61  # two a day, and the first
    assert set(office.events) == {"list renewed"}


async def test_a_list_that_does_not_say_what_the_store_says_is_made_anew(office: Office) -> None:
    keeper = office.keeper()
    await keeper.look()
    pem = (office.folder / f"{NAME}.pem").read_bytes()
    database = await open_store(str(office.folder / "fleet.db"))
    await database.write(register.addition(NAME, (from_certificate(pem, NAME),), 1, (serial_of(pem),)))
    await keeper.look()
    assert office.reloads == 1
    await database.write(register.change(NAME, register.State.ISOLATED, "stolen", 1))
    await database.close()
    await keeper.look()
    found = listed_in(office.folder / CRL)
    assert found is not None
    assert (found.serials, office.reloads) == ({serial_of(pem)}, 2)


async def test_a_broker_that_was_not_told_is_told_again_and_the_failure_said_each_time(office: Office) -> None:
    office.broker = "exit 1"
    keeper = office.keeper()
    assert not await keeper.look()
    assert not await keeper.look()
    event, document, words = office.said[-1]
    assert event == "list not renewed"
    assert document["reason"] == "sh: ended with code 1"
    assert "but the broker was not told to read it" in words
    assert (office.counts.counts["list_failures"], office.reloads) == (2, 2)
    office.broker = "exit 0"
    assert await office.keeper().look()  # another process, after a restart
    assert await office.keeper().look()
    assert office.reloads == 3


async def test_a_reload_that_hangs_is_ended_and_said(office: Office) -> None:
    office.broker = f"echo $$ > {office.folder}/pid; exec sleep 600"
    keeper = office.keeper()
    assert keeper.revoked is not None
    keeper.revoked = replace(keeper.revoked, patience_s=0.5)
    assert not await keeper.look()
    assert office.said[-1][1]["reason"] == "sh: no end within 0.5 s"
    pid = office.folder / "pid"
    if pid.exists() and (number := pid.read_text()):  # on a busy machine it may not even have begun
        with pytest.raises(ProcessLookupError):
            os.kill(int(number), 0)


async def test_a_renewal_that_fails_says_how_long_the_list_still_lives(office: Office) -> None:
    await office.keeper().look()
    ends = office.ends_ms
    office.now_ms += LIFE_MS - 90 * 60_000
    blocked = office.keeper()
    assert blocked.revoked is not None
    blocked.revoked = replace(blocked.revoked, file=office.folder / "nowhere" / CRL)
    assert not await blocked.look()
    _, document, words = office.said[-1]
    assert document["ends_ms"] == ends
    assert "it lives 1 h 30 min more" in words
    assert f"tillguard_ingest_list_ends_timestamp_seconds {ends // 1000}\n" in office.counts.text()
    office.now_ms += 2 * HOUR_MS
    assert not await blocked.look()
    assert "it has ended: the broker refuses every terminal" in office.said[-1][2]


async def test_a_machine_without_the_key_makes_nothing_and_says_how_long_is_left(office: Office) -> None:
    await office.keeper().look()
    office.said.clear()
    keeper = office.keeper(authority=False)
    assert await keeper.look()
    assert office.said == []
    office.now_ms += LIFE_MS * 3 // 4
    assert not await keeper.look()
    [(event, document, words)] = office.said
    assert (event, document["reason"]) == ("list not renewed", "the authority's key is not on this machine")
    assert "it lives 6 h 15 min more" in words
    assert "fleet-console enrol crl" in words
    assert office.reloads == 1


async def test_two_that_write_the_list_write_one_after_the_other(office: Office) -> None:
    office.broker = f"mkdir {office.folder}/alone && sleep 0.05 && rmdir {office.folder}/alone"
    assert await asyncio.gather(*(office.keeper().look() for _ in range(4))) == [True] * 4


async def test_status_says_how_long_the_list_lives(office: Office) -> None:
    settings = office.folder / "office.toml"
    await (await open_store(str(office.folder / "fleet.db"))).close()
    [said] = await command("status", "--settings", settings)
    assert (said["withdrawn_list"]["due"], said["withdrawn_list"]["ends_ms"]) == (True, None)
    made = revocation_list(load(settings))
    assert made is not None
    database = await open_store(str(office.folder / "fleet.db"))
    await replace(made, reload=()).publish(database)
    await database.close()
    [said] = await command("status", "--settings", settings)
    assert (said["withdrawn_list"]["due"], said["withdrawn_list"]["certificates"]) == (False, 0)
    assert said["withdrawn_list"]["left_s"] > LIFE_MS // 2000


async def test_a_list_that_the_broker_would_never_read_anew_is_refused_in_the_settings(office: Office) -> None:
    settings = office.folder / "office.toml"
    kept = [line for line in settings.read_text().splitlines() if not line.startswith("reload")]
    settings.write_text("\n".join(kept))
    with pytest.raises(Fault, match="broker: reload: beside crl a command expected"):
        load(settings)


class Stuck(Control):
    """A broker that takes an order and never answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.came = asyncio.Event()

    async def isolate(self, terminal: str) -> None:
        self.asked.append(terminal)
        self.came.set()
        await asyncio.Event().wait()


@asynccontextmanager
async def running(cordon: Cordon) -> AsyncIterator[None]:
    task = asyncio.create_task(cordon.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_broker_that_hangs_holds_up_nobody(office: Office) -> None:
    stuck, keeper = Stuck(), office.keeper()
    cordon = Cordon(stuck, keeper, keeper.open_store, keeper.say)
    async with running(cordon):
        cordon.bar(NAME)
        await stuck.came.wait()
        cordon.bar(OTHER)  # whoever found it goes on at once; no await is in between
        while "list renewed" not in office.events:  # the list does not wait for the line
            await asyncio.sleep(0.01)
    assert stuck.asked == [NAME]


class Refusing(Stuck):
    """A broker that cannot be reached the first times."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    async def isolate(self, terminal: str) -> None:
        self.asked.append(terminal)
        if len(self.asked) <= self.refusals:
            raise Fault("connection refused", "is the broker running there?")


async def barred(office: Office, refusals: int, *isolated: str) -> list[tuple[str, object]]:
    """Bar both until the broker was told of whoever the store still knows as isolated; what was said."""
    database = await open_store(str(office.folder / "fleet.db"))
    for name in isolated:
        await database.write(register.addition(name, (public(name),), 1))
        await database.write(register.change(name, register.State.ISOLATED, "a test", 1))
    await database.close()
    keeper, refusing = office.keeper(), Refusing(refusals)
    cordon = Cordon(refusing, None, keeper.open_store, keeper.say, again_s=0.01)
    async with running(cordon):
        for name in (NAME, OTHER):
            cordon.bar(name)
        while not refusing.asked[1:] or cordon._late:
            await asyncio.sleep(0.01)
    return [(event, document["terminal"]) for event, document, _ in office.said]


async def test_a_broker_that_cannot_be_told_is_said_and_told_again(office: Office) -> None:
    said = await barred(office, 3, NAME, OTHER)
    assert said[:2] == [("not barred", NAME), ("not barred", OTHER)]
    assert sorted(said[3:]) == [("barred", NAME), ("barred", OTHER)]
    assert "again in 0.01 s" in office.said[0][2]


async def test_whoever_was_released_meanwhile_is_not_barred_late(office: Office) -> None:
    assert await barred(office, 1, OTHER) == [("not barred", NAME), ("barred", OTHER)]
