# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An isolated terminal: its line ends, its certificate opens nothing any more, nothing of it is taken; by mosquitto."""

from pathlib import Path

import pytest
from cryptography import x509

from fleet_console import register
from fleet_console.authority import serial_of
from fleet_console.isolation import Barrier, revocation_list
from fleet_console.line import line
from fleet_console.settings import load
from fleet_console.store.choose import open_store
from protocols.telemetry.keys import from_certificate
from tests.fleet_console.estate import CRL, Estate, command, estate, ingest, make_estate, until
from tests.fleet_console.terminals import Teller
from tests.fleet_console.test_ingest import add, upto
from tests.fleet_console.test_orders import people
from tillguard.voice import Fault

NAME, OTHER = "TG000001", "TG000002"


def listed(folder: Path) -> set[str]:
    """Serial numbers on the broker's list."""
    return {f"{one.serial_number:x}" for one in x509.load_pem_x509_crl((folder / CRL).read_bytes())}


def serial(there: Estate, name: str) -> str:
    return serial_of((there.folder / f"{name}.pem").read_bytes())


async def gets_in(there: Estate, name: str, expected: bool = True) -> None:
    """Wait until the broker takes the certificate, or refuses it: TLS 1.3 says so behind the handshake."""

    async def so() -> bool:
        async with line(there.access(name), name) as talk:
            return await talk.open() is expected

    await until(so, f"{name}: {'taken' if expected else 'refused'}")


async def test_its_line_ends_its_certificate_is_refused_and_nothing_is_taken(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME, OTHER)
        told, other = Teller(NAME), Teller(OTHER)
        async with ingest(settings), there.terminal(NAME) as talk, there.terminal(OTHER) as bystander:
            first = told.message(told.tell())
            await talk.publish(first.topic, first.payload)
            await upto(talk, NAME, 1)
            [said] = await command("terminals", "isolate", NAME, "--reason", "stolen", "--settings", settings)
            assert (said["at_broker"], said["listed"]) == (True, True)
            assert await talk.goes()
            assert listed(tmp_path) == {serial(there, NAME)}
            await gets_in(there, NAME, expected=False)
            message = other.message(other.tell())  # whoever is not isolated does not even lose its line
            assert await bystander.publish(message.topic, message.payload) is None
            await upto(bystander, OTHER, 1)
            await gets_in(there, OTHER)
            events = await command("events", "--settings", settings)
            assert [(one["terminal"], one["seq"]) for one in events] == [(NAME, 1), (OTHER, 1)]
            [said] = await command("terminals", "release", NAME, "--reason", "found", "--settings", settings)
            assert said["listed"]
            assert listed(tmp_path) == set()
            await gets_in(there, NAME)
            late = told.message(told.tell())
            async with there.terminal(NAME) as back:
                await back.publish(late.topic, late.payload)
                await upto(back, NAME, 2)


async def test_without_the_authority_s_key_the_line_ends_and_nothing_can_be_said(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        text = settings.read_text()
        settings.write_text(text.replace('[enrolment]\ncertificate = "ca.pem"\nkey = "ca.key"\n', ""))
        await add(there, settings, NAME)
        told = Teller(NAME)
        async with there.terminal(NAME) as talk:
            [said] = await command("terminals", "isolate", NAME, "--reason", "stolen", "--settings", settings)
            assert (said["at_broker"], said["listed"]) == (True, False)
            assert await talk.goes()
        async with line(there.access(NAME), NAME) as again:
            assert await again.open()
            message = told.message(told.tell())
            assert await again.publish(message.topic, message.payload) == "not authorized"
        assert listed(tmp_path) == set()
        settings.write_text(text)  # the machine that enrols catches up
        people(tmp_path)
        await command("enrol", "crl", "--out", tmp_path / CRL, "--settings", settings)
        assert listed(tmp_path) == {serial(there, NAME)}


async def test_the_ingest_lists_a_copy_by_itself(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        told = Teller(NAME)
        async with ingest(settings), there.terminal(NAME) as talk:
            first = told.message(told.tell())
            await talk.publish(first.topic, first.payload)
            for copy in (told.again(), Teller(NAME, told.boot + 7, told.prev)):
                message = copy.message(copy.tell())
                await talk.publish(message.topic, message.payload)
            assert await talk.goes()

            async def on_the_list() -> bool:
                return listed(tmp_path) == {serial(there, NAME)}

            await until(on_the_list, "the copy's certificate on the list")


@pytest.mark.parametrize(
    ("reload", "words"),
    [
        ('["false"]', "false: ended with code 1"),
        ('["/nowhere/reload"]', "/nowhere/reload: no such file or directory"),
    ],
)
async def test_a_broker_that_is_not_told_is_said_with_the_cure(tmp_path: Path, reload: str, words: str) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        lines = [f"reload = {reload}" if one.startswith("reload") else one for one in settings.read_text().splitlines()]
        settings.write_text("\n".join(lines))
        [fault] = await command("terminals", "isolate", NAME, "--reason", "x", "--settings", settings, code=1)
        assert words in fault["error"]
        assert "[broker] reload" in fault["hint"]
        assert listed(tmp_path) == {serial(there, NAME)}


async def test_a_list_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    there = make_estate(tmp_path, NAME)
    settings = there.settings("fleet.db")
    settings.write_text(settings.read_text().replace(f'crl = "{CRL}"', 'crl = "nowhere/revoked.pem"'))
    database = await open_store(str(tmp_path / "fleet.db"))
    barrier = Barrier.of(load(settings))
    assert barrier is not None
    assert barrier.revoked is not None
    with pytest.raises(Fault, match=r"revoked\.pem: no such file or directory"):
        await barrier.revoked.publish(database)
    assert listed(tmp_path) == set()
    await database.close()


async def test_a_copy_that_cannot_be_barred_at_the_broker_does_not_end_the_ingest(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME, OTHER)
        lines = ['reload = ["false"]' if one.startswith("reload") else one for one in settings.read_text().splitlines()]
        settings.write_text("\n".join(lines))
        told, other = Teller(NAME), Teller(OTHER)
        async with ingest(settings) as running, there.terminal(NAME) as talk, there.terminal(OTHER) as bystander:
            first = told.message(told.tell())
            await talk.publish(first.topic, first.payload)
            for copy in (told.again(), Teller(NAME, told.boot + 7, told.prev)):
                message = copy.message(copy.tell())
                await talk.publish(message.topic, message.payload)
            assert "false: ended with code 1" in (await running.says("list not renewed"))["reason"]
            message = other.message(other.tell())
            await bystander.publish(message.topic, message.payload)
            await upto(bystander, OTHER, 1)


async def test_an_authority_that_cannot_sign_is_said_before_anything_is_taken(tmp_path: Path) -> None:
    settings = make_estate(tmp_path, NAME).settings("fleet.db")
    settings.write_text(settings.read_text().replace('key = "ca.key"', 'key = "receipt.key"'))
    [fault] = await command("ingest", "--settings", settings, code=2)
    assert fault["error"] == "enrolment: authority: a key on P-256 expected"


async def test_release_and_isolation_speak_to_the_same_list(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME, OTHER)
        for name in (NAME, OTHER):
            await command("terminals", "isolate", name, "--reason", "x", "--settings", settings)
        assert listed(tmp_path) == {serial(there, NAME), serial(there, OTHER)}
        await command("terminals", "release", NAME, "--reason", "x", "--settings", settings)
        assert listed(tmp_path) == {serial(there, OTHER)}
        await gets_in(there, NAME)
        await gets_in(there, OTHER, expected=False)


async def test_sync_catches_up_with_what_the_broker_was_not_told(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        database = await open_store(str(tmp_path / "fleet.db"))
        await database.write(register.change(NAME, register.State.ISOLATED, "stolen", 1))
        await database.close()
        [said] = await command("broker", "sync", "--settings", settings)
        assert (said["isolated"], said["listed"]) == (1, True)
        await gets_in(there, NAME, expected=False)


async def test_sync_lets_in_whom_the_broker_was_not_told_of_and_disturbs_nobody_else(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME, OTHER)
        await command("terminals", "isolate", NAME, "--reason", "x", "--settings", settings)
        database = await open_store(str(tmp_path / "fleet.db"))
        await database.write(register.change(NAME, register.State.ACTIVE, "found", 2))
        await database.close()
        told, other = Teller(NAME), Teller(OTHER)
        async with there.terminal(OTHER) as bystander:
            [said] = await command("broker", "sync", "--settings", settings)
            assert (said["isolated"], said["released"]) == (0, 1)
            message = other.message(other.tell())
            assert await bystander.publish(message.topic, message.payload) != "not authorized"
            assert bystander.ended is None
        await gets_in(there, NAME)
        async with there.terminal(NAME) as back:
            message = told.message(told.tell())
            assert await back.publish(message.topic, message.payload) != "not authorized"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_list_names_each_certificate_once(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    there = make_estate(tmp_path, NAME, OTHER)
    address = str(tmp_path / "fleet.db") if kind == "sqlite" else request.getfixturevalue("server").fresh()
    settings = there.settings(address)
    database = await open_store(address)
    for name in (NAME, OTHER):
        key = from_certificate((tmp_path / f"{name}.pem").read_bytes(), name)
        await database.write(register.addition(name, (key,), 1, (serial(there, name),)))
    await database.write(register.change(NAME, register.State.ISOLATED, "stolen", 5))
    row = ("a", "TG000001", b"", "", 1)
    issued = ("a", serial(there, NAME), NAME, "k", b"", 1 << 50)
    await database.write([("INSERT INTO applications VALUES ($1, $2, $3, $4, $5)", [row])])
    await database.write([("INSERT INTO certificates VALUES ($1, $2, $3, $4, $5, $6)", [issued])])
    revoked = revocation_list(load(settings))
    assert revoked is not None
    assert len(x509.load_pem_x509_crl(await revoked.made(database))) == 1
    await database.write([("INSERT INTO revocations VALUES ($1, $2, $3)", [("2a", "retire", 3)])])
    assert [one.serial_number for one in x509.load_pem_x509_crl(await revoked.made(database))] == [
        42, int(serial(there, NAME), 16),
    ]  # fmt: skip
    await database.close()


async def test_the_broker_follows_what_a_terminal_becomes(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        barrier = Barrier.of(load(settings))
        assert barrier is not None
        database = await open_store(str(tmp_path / "fleet.db"))
        async with there.terminal(NAME) as talk:
            await barrier.follow("TG000077", database)  # a stranger
            assert talk.ended is None
            await database.write(register.change(NAME, register.State.RETIRED, "retire", 1))
            await barrier.follow(NAME, database)
            assert await talk.goes()
        await gets_in(there, NAME, expected=False)
        assert listed(tmp_path) == {serial(there, NAME)}
        await database.write(register.change(NAME, register.State.ACTIVE, "", 2))
        await barrier.follow(NAME, database)
        await gets_in(there, NAME)
        told = Teller(NAME)
        async with there.terminal(NAME) as back:
            message = told.message(told.tell())
            assert await back.publish(message.topic, message.payload) != "not authorized"
        await database.close()
