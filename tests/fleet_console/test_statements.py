# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles and lists of persons, signed by persons and handed to terminals, which judge them as they always do."""

from pathlib import Path
from typing import Any

import pytest

from fleet_console import orders, register
from fleet_console.desk import Desk
from fleet_console.enrolment_records import Records
from fleet_console.jury import Jury
from fleet_console.register import Register
from fleet_console.store.choose import open_store
from protocols import ed25519
from protocols.signed import Floor, Person, Trust, believe, read
from protocols.telemetry.orders import PROFILE_KIND, believe_order, rotate, trust_statement
from protocols.telemetry.topics import order_topic
from tests.fleet_console.estate import Estate, command, estate, make_estate
from tests.fleet_console.terminals import AT_MS, Teller
from tests.fleet_console.test_ingest import add
from tests.fleet_console.test_orders import NAME, PERSONS
from tests.protocols.persons import key, private_pem
from tests.protocols.telemetry.report_keys import public
from tillguard.voice import Fault

KINDS = frozenset({"order", "order-grave", "profile", "trust"})
THRESHOLDS = {"order": 1, "order-grave": 2, "profile": 2, "trust": 2}
OTHER = "TG000002"


def listed(*names: str) -> Trust:
    return Trust(tuple(Person(name, key(name).public, KINDS) for name in names), THRESHOLDS)


OLD, NEW = listed(*PERSONS), listed("Ada", "Dora")


def desk_of(there: Estate) -> Path:
    """Everybody's key files, the list of now, and the next one."""
    for name in ("Ada", "Ben", "Dora", "Mallory"):
        (there.folder / f"{name}.key").write_bytes(private_pem(name))
    for name, trust in (("trust.json", OLD), ("next.json", NEW)):
        (there.folder / name).write_text(trust_statement(trust, 1, 0, 1).body)
    return there.settings("fleet.db")


async def signed(there: Estate, verb: str, file: str, *more: object, by: tuple[str, ...], code: int = 0) -> Path:
    """A statement in a file, signed by these."""
    out, (first, *others) = there.folder / "out.signed", by
    words = [verb, there.folder / file, *more, "--key", there.folder / f"{first}.key", "--out", out]
    await command("statement", *words, "--settings", there.folder / "office.toml", code=code)
    for name in others:
        await command("approve", "--file", out, "--key", there.folder / f"{name}.key")
    return out


async def test_a_list_of_persons_reaches_every_terminal_that_has_not_taken_it(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = desk_of(there)
        await add(there, settings, NAME, OTHER)
        file = await signed(there, "persons", "next.json", "--version", 1, by=("Ada", "Ben", "Dora"))
        async with there.terminal(NAME) as talk:
            await talk.subscribe([order_topic(NAME)])
            [said] = await command("statement", "send", file, "--settings", settings)
            assert (said["sent"], said["have"]) == ([NAME, OTHER], [])
            heard = await talk.hears(lambda one: one.topic == order_topic(NAME))
        assert heard is not None
        floor, now_s = Floor(0, ""), read(heard.payload).unverified.from_s
        fresh, found = rotate(read(heard.payload), OLD, ed25519.verify, terminal=NAME, now_s=now_s, floor=floor)
        assert (fresh, found.statement.version) == (NEW, 1)
        database = await open_store(str(tmp_path / "fleet.db"))
        told = Teller(NAME)
        desk = Desk(database, await Register.load(database), lambda: AT_MS, Jury(1).judge)
        await desk.enter(await desk.judged([told.says("trust.rotated", persons="Ada, Ben", version=1)]))
        await database.close()
        [said] = await command("statement", "send", file, "--settings", settings)
        assert (said["sent"], said["have"]) == ([OTHER], [NAME])
        records = await command("audit", "show", "--settings", settings)
        assert [one["name"] for one in records].count("persons.sent") == 2


async def test_a_list_is_not_sent_to_a_terminal_that_lacks_the_one_before(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = desk_of(there)
        await add(there, settings, NAME, OTHER)
        database = await open_store(str(tmp_path / "fleet.db"))
        desk = Desk(database, await Register.load(database), lambda: AT_MS, Jury(1).judge)
        await desk.enter(await desk.judged([Teller(NAME).says("trust.rotated", persons="Ada, Ben", version=1)]))
        await database.close()
        file = await signed(there, "persons", "next.json", "--version", 2, by=("Ada", "Ben", "Dora"))
        [said] = await command("statement", "send", file, "--settings", settings)
        assert (said["sent"], said["have"], said["behind"]) == ([NAME], [], [OTHER])


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (("Ada", "Dora"), "persons now: too few persons signed it"),
        (("Ada", "Ben"), "persons in the new list: too few persons signed it"),
        (("Mallory",), "persons now: no known key signed it"),
    ],
)
async def test_a_list_that_no_terminal_would_take_is_not_sent(tmp_path: Path, by: tuple[str, ...], words: str) -> None:
    there = make_estate(tmp_path, NAME)
    settings = desk_of(there)
    file = await signed(there, "persons", "next.json", "--version", 1, by=by)
    [fault] = await command("statement", "send", file, "--settings", settings, code=4)
    assert words in fault["error"]
    assert fault["hint"]


async def test_a_profile_is_signed_shown_and_put_into_an_order(tmp_path: Path) -> None:
    there = make_estate(tmp_path, NAME)
    settings = desk_of(there)
    (tmp_path / "terminal.toml").write_text('[terminal]\nid = "TG000001"\n')
    await (await open_store(str(tmp_path / "fleet.db"))).close()
    file = await signed(there, "profile", "terminal.toml", "--terminal", NAME, "--version", 3, by=("Ada", "Ben"))
    [shown] = await command("statement", "show", file, "--settings", settings)
    assert (shown["kind"], shown["for"], shown["version"], shown["signed"]) == (PROFILE_KIND, NAME, 3, ["Ada", "Ben"])
    assert shown["body"] == (tmp_path / "terminal.toml").read_text()
    words = ["--terminal", NAME, "--set", f"statement=@{file}", "--key", tmp_path / "Ada.key", "--settings", settings]
    [kept] = await command("orders", "new", "profile", *words)
    [kept] = await command("approve", kept["id"], "--key", tmp_path / "Ben.key", "--settings", settings)
    assert kept["state"] == "ready"
    database = await open_store(str(tmp_path / "fleet.db"))
    envelope = (await orders.find(database, kept["id"])).envelope
    await database.close()
    now_s = envelope.unverified.from_s
    order = believe_order(envelope, OLD, ed25519.verify, terminal=NAME, now_s=now_s, floor=None)
    inside = read(str(order.arguments["statement"]).encode())
    found = believe(inside, OLD, ed25519.verify, kind=PROFILE_KIND, terminal=NAME, now_s=now_s)
    assert found.statement.body == shown["body"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["profile", "next.json", "--version", "1"], "--terminal expected"),
        (["persons", "office.toml", "--version", "1"], "trust: "),
        (["persons", "next.json", "--version", "1", "--days", "91"], "--days: 1 to 90 expected"),
        (["profile", "large", "--version", "1", "--terminal", NAME], "at most 40000 go to a terminal"),
        (["send", "next.json"], "envelope"),
        (["show", "nowhere"], "no such file"),
    ],
)
async def test_faults_tell_the_cure(tmp_path: Path, words: list[str], error: str) -> None:
    there = make_estate(tmp_path, NAME)
    settings = desk_of(there)
    (tmp_path / "large").write_text("#" * 40_000)
    verb, file, *more = words
    if verb in ("profile", "persons"):
        more += ["--key", str(tmp_path / "Ada.key"), "--out", str(tmp_path / "out")]
    [fault] = await command("statement", verb, tmp_path / file, *more, "--settings", settings, code=2)
    assert error in fault["error"]
    assert fault["hint"]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_next_order_is_above_all_that_the_terminal_carried_out(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    address = str(tmp_path / "fleet.db") if kind == "sqlite" else request.getfixturevalue("server").fresh()
    database = await open_store(address)
    assert await orders.next_sequence(database, NAME) == 1
    await database.write(register.addition(NAME, (public(NAME),), AT_MS))
    desk = Desk(database, await Register.load(database), lambda: AT_MS, Jury(1).judge)
    done: dict[str, Any] = {"order": "o-9", "command": "ping", "persons": "Ada", "result": "here"}
    await desk.enter(await desk.judged([Teller(NAME).says("order.done", sequence=50, **done)]))
    assert await orders.next_sequence(database, NAME) == 51
    row = ("a", OTHER, b"", "", 1)
    await database.write([("INSERT INTO applications VALUES ($1, $2, $3, $4, $5)", [row])])
    records = Records(database)
    assert [tuple(one) for one in await records.everybody()] == [(OTHER, "applied", 0, "")]
    await records.must_know(OTHER)
    with pytest.raises(Fault, match="no terminal TG000003 has applied here"):
        await records.must_know("TG000003")
    await database.close()
