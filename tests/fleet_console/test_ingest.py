# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console ingest` as a process, with the real mosquitto as head office ships it, over mutual TLS."""

import asyncio
import urllib.request
from pathlib import Path

from mqtt5 import QoS
from prometheus_client.parser import text_string_to_metric_families

from fleet_console.line import Line
from protocols.mqtt.session import Will
from protocols.telemetry.events import Lane
from tests.fleet_console.estate import Estate, Ingest, command, estate, ingest, make_estate, receipts, until
from tests.fleet_console.terminals import Teller
from tests.postgres import Postgres
from tests.protocols.telemetry.report_keys import public_pem

NAME, OTHER = "TG000001", "TG000002"


async def add(there: Estate, settings: Path, *names: str) -> None:
    """Register terminals with their report keys; their certificates' keys count as well."""
    for name in names:
        key = there.folder / f"{name}.report.pem"
        key.write_bytes(public_pem(name))
        await command("terminals", "add", name, "--certificate", there.folder / f"{name}.pem", "--report-key", key,
                      "--settings", settings)  # fmt: skip


async def upto(talk: Line, name: str, number: int) -> None:
    async def there() -> bool:
        return any(one.upto >= number for one in receipts(talk, name))

    await until(there, f"a receipt up to {number}")


async def test_a_report_is_committed_receipted_and_shown(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME, OTHER) as there:
        settings = there.settings("fleet.db", metrics_port=0)
        await add(there, settings, NAME)
        async with ingest(settings) as running, there.terminal(NAME) as talk:
            told = Teller(NAME)
            for lane in (Lane.HEALTH, Lane.ALERT, Lane.BULK):
                message = told.message(told.tell(lane), lane=lane)
                assert await talk.publish(message.topic, message.payload) is None
            await upto(talk, NAME, 3)
            address = (await running.says("ready"))["metrics"]
            text = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{address}/metrics").read().decode())
        families = {one.name: one for one in text_string_to_metric_families(text)}
        assert families["tillguard_ingest_reports"].samples[0].value == 3
        assert families["tillguard_ingest_connected"].samples[0].value == 1
        events = await command("events", "--settings", settings, "--terminal", NAME)
        assert [(one["seq"], one["lane"]) for one in events] == [(1, "health"), (2, "alert"), (3, "bulk")]
        [status] = await command("status", "--settings", settings)
        assert (status["reports"], status["presence"], status["terminals"]) == (3, {"online": 1}, {"active": 1})
        [row] = await command("terminals", "--settings", settings)
        assert (row["terminal"], row["state"], row["presence"], row["seq"]) == (NAME, "active", "online", 3)


async def test_a_will_says_that_a_terminal_is_gone(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        told = Teller(NAME)
        last = told.will()
        async with ingest(settings):
            async with there.terminal(NAME, Will(last.topic, payload=last.payload, qos=QoS.AT_LEAST_ONCE)) as talk:
                message = told.message(told.tell())
                await talk.publish(message.topic, message.payload)
                await upto(talk, NAME, 1)
                talk.cut()

            async def lost() -> bool:
                return (await command("terminals", "--settings", settings))[0]["presence"] == "lost"

            await until(lost, "the will")


async def test_nothing_is_lost_while_no_worker_is_there(tmp_path: Path) -> None:
    """The session is the group's: what comes while the worker is dead waits for whoever comes next, in order."""
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        async with there.terminal(NAME) as talk:
            told = Teller(NAME)
            running = await Ingest.start(settings)
            await running.says("ready")
            running.kill()
            await running.stop()
            for _ in range(200):
                message = told.message(told.tell())
                await talk.publish(message.topic, message.payload)
            async with ingest(settings) as second:
                assert (await second.says("connected"))["session"] == "kept"
                await upto(talk, NAME, 200)
        events = await command("events", "--settings", settings, "--limit", 1000)
        assert [one["seq"] for one in events] == list(range(1, 201))


async def test_a_second_worker_of_a_group_says_that_it_waits(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        async with ingest(settings):
            second = await Ingest.start(settings)
            await second.says("waits", group=0)
        await second.says("ready")
        await second.stop()


async def test_a_standby_takes_over_the_group_of_the_dead(tmp_path: Path, server: Postgres) -> None:
    async with estate(tmp_path, NAME, OTHER, "TG000003", "TG000004") as there:
        address = server.fresh()
        one, two = (
            there.settings(address, f"office{group}.toml", groups=2, group=[group], standby=True) for group in (0, 1)
        )
        await add(there, one, *there.terminals)
        first, second = await Ingest.start(one), await Ingest.start(two)
        await asyncio.gather(first.says("ready"), second.says("ready"))
        tellers = [Teller(name) for name in there.terminals]
        first.kill()
        for teller in tellers:
            async with there.terminal(teller.name) as talk:
                message = teller.message(teller.tell(), teller.tell())
                await talk.publish(message.topic, message.payload)
        await second.says("holds", group=0)
        await second.says("connected", group=0, session="kept")

        async def whole() -> bool:
            return (await command("status", "--settings", two))[0]["reports"] == 2 * len(tellers)

        await until(whole, "every report")
        await asyncio.gather(first.stop(), second.stop())


async def test_a_database_that_dies_is_waited_for(tmp_path: Path, server: Postgres) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings(server.fresh())
        await add(there, settings, NAME)
        told = Teller(NAME)
        async with ingest(settings) as running, there.terminal(NAME) as talk:
            server.kill()
            message = told.message(told.tell())
            await talk.publish(message.topic, message.payload)
            await running.says("unavailable")
            server.start()
            await upto(talk, NAME, 1)


async def test_a_copy_is_seen_said_and_isolated(tmp_path: Path) -> None:
    async with estate(tmp_path, NAME) as there:
        settings = there.settings("fleet.db")
        await add(there, settings, NAME)
        told = Teller(NAME)
        async with ingest(settings) as running, there.terminal(NAME) as talk:
            first = told.message(told.tell())
            await talk.publish(first.topic, first.payload)
            for copy in (told.again(), Teller(NAME, told.boot + 7, told.prev)):
                message = copy.message(copy.tell())
                await talk.publish(message.topic, message.payload)
            assert (await running.says("isolated"))["reason"].startswith("two machines bear its name: fork")
            assert await talk.goes()
        [row] = await command("terminals", "--settings", settings)
        assert row["state"] == "isolated"


async def test_faults_of_settings(tmp_path: Path) -> None:
    there = make_estate(tmp_path, NAME)
    settings = there.settings("fleet.db")
    *_, fault = await command("ingest", "--settings", settings, code=5)
    assert "127.0.0.1" in fault["error"]
    [fault] = await command("status", "--settings", settings.with_name("none.toml"), code=2)
    assert fault["error"].endswith("none.toml: no such file")
    (tmp_path / "receipt.key").write_text("no key")
    [fault] = await command("ingest", "--settings", settings, code=2)
    assert "private key" in fault["error"]
    settings.write_text(settings.read_text().replace("[ingest]", "[ingest]\ngroups = 99"))
    [fault] = await command("ingest", "--settings", settings, code=2)
    assert "groups: 1 to 64" in fault["error"]
