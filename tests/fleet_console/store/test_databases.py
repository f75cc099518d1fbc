# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Both databases behind the port: all or nothing, the register's version, shard groups, migrations, faults."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet_console.store import migrations
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database, Stale, StoreError, Taken, Unavailable
from tests.patience import PATIENCE_S
from tests.postgres import Postgres
from tillguard.voice import Fault

KINDS = ("sqlite", "postgres")
ADD = "INSERT INTO terminals VALUES ($1, $2, 'active', '', 0)"
COUNT = "SELECT count(*) FROM terminals"
CHANGE = "UPDATE register SET version = version + 1"


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "fleet.db")
    running: Postgres = request.getfixturevalue("server")
    return running.fresh()


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    opened = await open_store(address)
    yield opened
    await opened.close()


async def test_a_write_is_whole_or_nothing(database: Database) -> None:
    await database.write([(ADD, [("TG1", 1), ("TG2", 2)]), (CHANGE, [()])])
    assert await database.read("SELECT terminal, shard FROM terminals ORDER BY terminal") == [("TG1", 1), ("TG2", 2)]
    with pytest.raises(Taken):
        await database.write([(ADD, [("TG3", 3), ("TG1", 1)])])
    assert await database.read(COUNT) == [(2,)]


@pytest.mark.parametrize("count", [7, 8, 9, 63, 72, 511, 700, 1_100])
async def test_however_many_rows_a_write_has_each_is_taken_once_in_its_order(database: Database, count: int) -> None:
    add = "INSERT INTO dropped VALUES ($1, $2, $3, $4) ON CONFLICT (terminal, boot, first) DO NOTHING"
    rows = [("TG1", 1, number, number + 5) for number in range(count)]
    await database.write([(add, [*rows, ("TG1", 1, 3, 99)])])
    await database.write([(add, [("TG1", 1, count - 1, 99), *rows])])
    assert await database.read("SELECT * FROM dropped ORDER BY first") == rows
    update = "INSERT INTO dropped VALUES ($1, $2, $3, $4) ON CONFLICT (terminal, boot, first) DO UPDATE SET last = $4"
    await database.write([(update, [(*row[:3], 7) for row in rows])])
    assert await database.read("SELECT DISTINCT last FROM dropped") == [(7,)]
    with pytest.raises(Taken):
        await database.write([("INSERT INTO dropped VALUES ($1, $2, $3, $4)", [("TG2", 1, 1, 1), *rows])])
    assert await database.read("SELECT count(*) FROM dropped") == [(count,)]


async def test_a_write_names_the_register_that_it_was_judged_by(database: Database) -> None:
    await database.write([(ADD, [("TG1", 1)])], version=1)
    await database.write([(CHANGE, [()])])
    with pytest.raises(Stale):
        await database.write([(ADD, [("TG2", 1)])], version=1)
    await database.write([(ADD, [("TG2", 1)])], version=2)
    assert await database.read(COUNT) == [(2,)]


async def test_a_change_of_the_register_and_a_commit_cannot_cross(address: str, database: Database) -> None:
    """Whichever comes first, no commit judged by the old register follows the change."""
    other = await open_store(address)
    try:
        for version in range(1, 6):
            change = asyncio.create_task(other.write([(CHANGE, [()])]))
            try:
                await database.write([(ADD, [(f"TG{version}", 1)])], version=version)
            except Stale:
                assert await other.read("SELECT version FROM register") == [(version + 1,)]
            await change
    finally:
        await other.close()


async def test_a_shard_group_has_one_holder_and_the_dead_let_go(address: str, database: Database) -> None:
    other = await open_store(address)
    assert await database.hold(3)
    assert await database.hold(3)
    assert not await other.hold(3)
    assert await other.hold(4)
    await database.close()
    async with asyncio.timeout(PATIENCE_S):  # the server notices within its own time
        while not await other.hold(3):
            await asyncio.sleep(0.01)
    await other.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbered_files_have_no_gap(kind: str) -> None:
    found = migrations.migrations(kind)
    assert [one.version for one in found] == list(range(1, len(found) + 1))
    assert all(one.statements for one in found)


def test_both_kinds_make_the_same_tables() -> None:
    def tables(kind: str) -> list[tuple[int, str]]:
        return [
            (one.version, text.split()[2])
            for one in migrations.migrations(kind)
            for text in one.statements
            if text.startswith("CREATE TABLE")
        ]

    assert tables("sqlite") == tables("postgres")


@pytest.mark.parametrize("version", range(1, len(migrations.migrations("sqlite"))))
async def test_an_old_database_is_brought_up_to_date_with_what_it_holds(
    address: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = migrations.migrations

    with monkeypatch.context() as old:
        old.setattr(migrations, "migrations", lambda kind: whole(kind)[:version])
        before = await open_store(address)
        await before.write([(ADD, [("TG1", 7)])])
        await before.close()
    after = await open_store(address)
    assert await after.read("SELECT max(version) FROM schema_version") == [(len(whole("sqlite")),)]
    assert await after.read("SELECT terminal, shard, state FROM terminals") == [("TG1", 7, "active")]
    assert await after.read("SELECT count(*) FROM orders") == [(0,)]
    assert await after.read("SELECT count(*) FROM audit") == [(0,)]
    await after.close()


async def test_a_database_of_a_newer_program_is_refused(address: str) -> None:
    first = await open_store(address)
    await first.write([("INSERT INTO schema_version VALUES ($1)", [(999,)])])
    await first.close()
    with pytest.raises(StoreError, match="schema 999"):
        await open_store(address)


async def test_a_full_disk_keeps_nothing_and_passes(tmp_path: Path) -> None:
    database = await open_store(str(tmp_path / "fleet.db"))
    await database.write([(ADD, [("TG1", 1)])])
    pages = (await database.read("PRAGMA page_count"))[0][0]
    await database.read(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable, match="the disk is full"):
        await database.write([(ADD, [(f"TG{number:06}{'x' * 900}", 1) for number in range(100)])])
    assert await database.read(COUNT) == [(1,)]
    await database.read(f"PRAGMA max_page_count = {pages + 1000}")
    await database.write([(ADD, [("TG2", 1)])])
    assert await database.read(COUNT) == [(2,)]
    await database.close()


async def test_files_that_are_no_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, and it is long enough to be looked at" * 20)
    with pytest.raises(StoreError, match="not a sound database"):
        await open_store(str(tmp_path / "text.db"))
    (tmp_path / "folder.db").mkdir()
    os.mkfifo(tmp_path / "pipe.db")  # SQLite would wait for somebody to write to it
    for name in ("folder.db", "pipe.db"):
        with pytest.raises(Fault, match="not a file"):
            await open_store(str(tmp_path / name))
    with pytest.raises(Fault, match="no such file"):
        await open_store(str(tmp_path / "nothing.db"), must_exist=True)
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize(
    "tables",
    [
        "CREATE TABLE customers (a)",
        "CREATE TABLE schema_version (version TEXT); INSERT INTO schema_version VALUES ('a')",
    ],
)
async def test_another_programs_file_is_left_as_it_is(tmp_path: Path, tables: str) -> None:
    path = tmp_path / "theirs.db"
    theirs = sqlite3.connect(path)
    theirs.executescript(tables)
    before = theirs.execute("SELECT sql FROM sqlite_schema").fetchall()
    with pytest.raises(StoreError, match="another program's database"):
        await open_store(str(path))
    assert theirs.execute("SELECT sql FROM sqlite_schema").fetchall() == before
    theirs.close()


async def test_a_database_that_lost_a_table_is_no_bug_of_ours(database: Database) -> None:
    await database.write([("DROP TABLE dead_letters", [()])])
    with pytest.raises(StoreError, match=r"not a sound database|not head office's database"):
        await database.read("SELECT count(*) FROM dead_letters")


@pytest.mark.parametrize("address", ["postgresql://[bad/x", "postgresql://h:port/x", "postgresql://h:99999/x"])
async def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(StoreError, match="not an address"):
        await open_store(address)


async def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    for address in ("postgresql://u:planted@h/x", "postgresql://u@h/x?password=planted"):
        with pytest.raises(StoreError, match="a password in the address") as caught:
            await open_store(address)
        assert "planted" not in caught.value.what + caught.value.hint


async def test_a_lock_that_cannot_be_made_passes(tmp_path: Path) -> None:
    database = await open_store(str(tmp_path / "fleet.db"))
    (tmp_path / "fleet.db.group0").mkdir()
    try:
        with pytest.raises(Unavailable, match="group0: Is a directory"):
            await database.hold(0)
    finally:
        await database.close()


async def test_the_file_is_the_owners_alone_and_synchronous(tmp_path: Path) -> None:
    database = await open_store(str(tmp_path / "fleet.db"))
    assert (tmp_path / "fleet.db").stat().st_mode & 0o777 == 0o600
    assert await database.read("PRAGMA journal_mode") == [("wal",)]
    assert await database.read("PRAGMA synchronous") == [(2,)]
    await database.close()


async def test_one_process_may_open_the_file_twice_while_others_come_and_go(tmp_path: Path) -> None:
    """Locks on a file are a process's: what closes it by the way lets another process remove the log under us."""
    path = str(tmp_path / "fleet.db")
    database = await open_store(path)
    await (await open_store(path)).close()
    script = (
        f"import sqlite3; d = sqlite3.connect({path!r}); d.execute({ADD.replace('$', '?')!r}, ('TG1', 1)); d.commit()"
    )
    for number in (1, 2):
        words = [sys.executable, "-c", script.replace("TG1", f"TG{number}")]
        process = await asyncio.create_subprocess_exec(*words)
        assert await process.wait() == 0
        assert await database.read(COUNT) == [(number,)]
    await database.close()


async def test_postgresql_that_is_not_there_and_a_password_in_the_address(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await open_store(f"postgresql://postgres@/fleet?host={tmp_path}&port=5")
    with pytest.raises(StoreError, match="a password in the address") as caught:
        await open_store("postgresql://postgres:geheim@127.0.0.1:5/fleet")
    assert "geheim" not in str(caught.value) + caught.value.hint


async def test_postgresql_dies_and_comes_back(server: Postgres) -> None:
    address = server.fresh()
    database = await open_store(address)
    await database.write([(ADD, [("TG1", 1)])])
    assert await database.hold(1)
    server.kill()
    with pytest.raises(Unavailable):
        await database.write([(ADD, [("TG2", 1)])])
    await database.close()
    server.start()
    again = await open_store(address)
    assert await again.read(COUNT) == [(1,)]
    assert await again.hold(1)
    await again.close()
