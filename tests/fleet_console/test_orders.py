# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders from persons' key files to a terminal and back; and what a console host without a person's key cannot do."""

import time
from pathlib import Path

import pytest

from fleet_console import orders
from fleet_console.cli import main
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from protocols import ed25519
from protocols.signed import Cause, Envelope, Person, Refused, Trust, read
from protocols.telemetry.orders import (
    GRAVE_KIND,
    ORDER_KIND,
    ORDERS,
    TRUST_KIND,
    believe_order,
    read_trust,
    trust_statement,
)
from protocols.telemetry.topics import order_topic
from tests.fleet_console.estate import Estate, command, estate, ingest, make_estate, until
from tests.fleet_console.terminals import Teller
from tests.fleet_console.test_ingest import add
from tests.protocols.persons import key, private_pem
from tillguard.exits import Exit
from tillguard.voice import Fault

NAME = "TG000001"
PERSONS = ("Ada", "Ben", "Cy")
KINDS = frozenset({ORDER_KIND, GRAVE_KIND, TRUST_KIND})
TRUST = Trust(
    tuple(Person(name, key(name).public, KINDS) for name in PERSONS), {ORDER_KIND: 1, GRAVE_KIND: 2, TRUST_KIND: 2}
)
NOW_S = 1_800_000_000


def people(folder: Path) -> None:
    """The list of persons, and each one's key file."""
    (folder / "trust.json").write_text(trust_statement(TRUST, 1, 0, 1).body)
    for name in (*PERSONS, "Mallory"):
        (folder / f"{name}.key").write_bytes(private_pem(name))


def drafted(name: str, *signed: str, sequence: int = 1, **arguments: str | int) -> Envelope:
    given = {one.name: arguments.get(one.name, "a test") for one in ORDERS[name].arguments}
    envelope = orders.draft(NAME, sequence, NOW_S, NOW_S + 600, f"{name}-{sequence}", name, given)
    for person in signed:
        envelope = envelope.signed_by(key(person).public, key(person).sign)
    return envelope


@pytest.fixture
async def database(tmp_path: Path) -> Database:
    return await open_store(str(tmp_path / "fleet.db"))


@pytest.mark.parametrize("name", [name for name, kind in ORDERS.items() if not kind.arguments or kind.grave])
async def test_each_order_waits_for_its_persons(database: Database, name: str) -> None:
    if any(one.name in ("statement", "block") for one in ORDERS[name].arguments):
        block = "A" + "0" * 63
        envelope = drafted(name, "Ada", statement="{}", slot="pin", block=block)
    else:
        envelope = drafted(name, "Ada")
    kept = await orders.submit(database, envelope, TRUST, NOW_S * 1_000)
    assert kept.state is (orders.State.WAITING if ORDERS[name].grave else orders.State.READY)
    if ORDERS[name].grave:
        signed = kept.envelope.signed_by(key("Ben").public, key("Ben").sign)
        kept = await orders.approve(database, kept.id, signed, TRUST, NOW_S * 1_000)
        assert kept.state is orders.State.READY
    found = believe_order(kept.envelope, TRUST, ed25519.verify, terminal=NAME, now_s=NOW_S, floor=None)
    assert found.kind.name == name
    await database.close()


async def test_what_no_terminal_would_take_is_told_early(database: Database) -> None:
    cases = [
        (drafted("ping"), Cause.NOBODY),
        (drafted("ping", "Mallory"), Cause.NOBODY),
    ]
    for envelope, cause in cases:
        with pytest.raises(Fault, match=str(cause)) as caught:
            await orders.submit(database, envelope, TRUST, NOW_S * 1_000)
        assert caught.value.exit_code is Exit.REFUSED
    with pytest.raises(Fault, match="its time is over"):
        await orders.submit(database, drafted("ping", "Ada"), TRUST, (NOW_S + 601) * 1_000)
    await orders.submit(database, drafted("ping", "Ada"), TRUST, NOW_S * 1_000)
    with pytest.raises(Fault, match="there already"):
        await orders.submit(database, drafted("lock", "Ada"), TRUST, NOW_S * 1_000)
    assert await orders.next_sequence(database, NAME) == 2
    await database.close()


async def test_one_person_is_one_however_often_he_signs(database: Database) -> None:
    kept = await orders.submit(database, drafted("unlock", "Ada"), TRUST, NOW_S * 1_000)
    again = kept.envelope.signed_by(key("Ada").public, key("Ada").sign)
    with pytest.raises(Fault, match="you have signed it already"):
        await orders.approve(database, kept.id, again, TRUST, NOW_S * 1_000)
    stranger = kept.envelope.signed_by(key("Mallory").public, key("Mallory").sign)
    with pytest.raises(Fault, match=r"you have signed it already|no known key"):
        await orders.approve(database, kept.id, stranger, TRUST, NOW_S * 1_000)
    other = drafted("thaw", "Ben")
    with pytest.raises(Fault, match="another order"):
        await orders.approve(database, kept.id, other, TRUST, NOW_S * 1_000)
    assert (await orders.find(database, kept.id)).state is orders.State.WAITING
    await database.close()


async def test_whoever_owns_the_console_host_owns_no_order(database: Database) -> None:
    """Every row of the store may be rewritten: no terminal believes what leaves it without persons' signatures."""
    kept = await orders.submit(database, drafted("unlock", "Ada"), TRUST, NOW_S * 1_000)
    forged = drafted("unlock", "Mallory", "Ada", sequence=2)
    changed = Envelope(kept.envelope.statement.replace(b"a test", b"a lie!"), kept.envelope.signatures)
    for octets in (kept.octets, forged.encode(), changed.encode(), drafted("unlock", sequence=3).encode()):
        await database.write([("UPDATE orders SET state = 'ready', envelope = $1", [(octets,)])])
        taken = read((await database.read("SELECT envelope FROM orders WHERE state = 'ready'"))[0][0])
        with pytest.raises(Refused) as caught:
            believe_order(taken, TRUST, ed25519.verify, terminal=NAME, now_s=NOW_S, floor=None)
        assert caught.value.cause in (Cause.TOO_FEW, Cause.NOBODY)
    await database.close()


async def test_an_order_goes_to_its_terminal_and_its_answer_comes_back(tmp_path: Path) -> None:
    people(tmp_path)
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        async with ingest(settings), there.terminal(NAME) as talk:
            assert await talk.subscribe([order_topic(NAME)]) == (None,)
            [given] = await issue(there, settings, "unlock", "reason=found")
            assert (given["state"], given["signed"], given["needed"]) == ("waiting", ["Ada"], 2)
            [fault] = await command(
                "approve", given["id"], "--key", tmp_path / "Ada.key", "--settings", settings, code=4
            )
            assert "you have signed it already" in fault["error"]
            [ready] = await command("approve", given["id"], "--key", tmp_path / "Ben.key", "--settings", settings)
            assert (ready["state"], ready["signed"]) == ("ready", ["Ada", "Ben"])
            came = await talk.hears(lambda one: one.topic == order_topic(NAME))
            assert came is not None
            assert not came.retained
            trust = read_trust((tmp_path / "trust.json").read_text())
            now = int(time.time())
            order = believe_order(read(came.payload), trust, ed25519.verify, terminal=NAME, now_s=now, floor=None)
            assert (order.kind.name, order.id, order.arguments) == ("unlock", given["id"], {"reason": "found"})

            async def state() -> str:
                return str((await command("orders", "show", given["id"], "--settings", settings))[0]["state"])

            async def sent() -> bool:
                return await state() == "sent"

            await until(sent, "the order's way out")
            done = Teller(NAME).says("order.done", order=order.id, command="unlock", sequence=order.sequence,
                                     persons="Ada, Ben", result="takes payments")  # fmt: skip
            await talk.publish(done.topic, done.payload)

            async def answered() -> bool:
                return await state() == "done"

            await until(answered, "the order's answer")
        records = await command("audit", "show", "--settings", settings)
        names = [one["name"] for one in records]
        assert names == ["terminal.added", "order.given", "order.not approved", "order.approved"]
        assert records[3]["fields"]["persons"] == "Ben"


async def test_an_order_in_a_file_needs_no_store_where_it_is_signed(tmp_path: Path) -> None:
    people(tmp_path)
    there = make_estate(tmp_path, NAME)
    settings = there.settings("fleet.db")
    await (await open_store(str(tmp_path / "fleet.db"))).close()
    file = tmp_path / "thaw.order"
    await command("orders", "new", "thaw", "--terminal", NAME, "--sequence", 7, "--set", "reason=checked", "--key",
                  tmp_path / "Cy.key", "--out", file)  # fmt: skip
    await command("approve", "--file", file, "--key", tmp_path / "Ben.key")
    [kept] = await command("orders", "submit", file, "--settings", settings)
    assert (kept["state"], kept["sequence"], sorted(kept["signed"])) == ("ready", 7, ["Ben", "Cy"])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["new", "reboot"], "not an order"),
        (["new", "lock", "--set", "why=x"], "--set: reason=… expected"),
        (["new", "lock"], "arguments: reason expected"),
        (["new", "ping", "--minutes", "99999"], "--minutes: 1 to 10080 expected"),
        (["show", "nothing-1"], "no order nothing-1 here"),
    ],
)
async def test_faults_tell_the_cure(tmp_path: Path, words: list[str], error: str) -> None:
    people(tmp_path)
    settings = make_estate(tmp_path, NAME).settings("fleet.db")
    await (await open_store(str(tmp_path / "fleet.db"))).close()
    more = ["--terminal", NAME, "--key", str(tmp_path / "Ada.key")]
    [fault] = await command("orders", *words, *more, "--settings", settings, code=3 if words[0] == "show" else 2)
    assert error in fault["error"]
    assert fault["hint"]


async def issue(there: Estate, settings: Path, name: str, *given: str) -> list[dict[str, object]]:
    words = [word for one in given for word in ("--set", one)]
    key_file = there.folder / "Ada.key"
    return await command("orders", "new", name, "--terminal", NAME, *words, "--key", key_file, "--settings", settings)


def test_an_order_for_a_terminal_that_will_not_hear_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people(tmp_path)
    settings = str(make_estate(tmp_path, NAME).settings("fleet.db"))
    kept = ["--settings", settings, "--json"]
    assert main(["terminals", "import", "--certificates", str(tmp_path), *kept]) == 0
    order = ["orders", "new", "ping", "--key", str(tmp_path / "Ada.key"), *kept]
    assert main([*order, "--terminal", NAME]) == 0
    assert capsys.readouterr().err == ""
    assert main([*order, "--terminal", "TG000010"]) == 0
    assert "no terminal TG000010 is known here" in capsys.readouterr().err
    assert main(["terminals", "isolate", NAME, "--reason", "stolen", *kept]) == 5  # no broker runs
    capsys.readouterr()
    assert main([*order, "--terminal", NAME]) == 0
    assert f"{NAME} is isolated" in capsys.readouterr().err
