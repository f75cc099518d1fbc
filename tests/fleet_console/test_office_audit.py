# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office's own chain: several writers, every change found, countersigned by a key and by `openssl ts`."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fleet_console import office_audit
from fleet_console.cli import main
from fleet_console.store.choose import open_store
from fleet_console.store.port import Taken
from protocols.audit_chain import verify
from tests.fleet_console.estate import command, make_estate
from tests.fleet_console.tsa import authority
from tests.postgres import Postgres

COUNT = 12


async def filled(address: str) -> None:
    database = await open_store(address)
    for number in range(COUNT):
        await office_audit.append(database, 1_000 + number, "terminal.added", {"terminal": f"TG{number}"})
    await database.close()


async def test_writers_side_by_side_make_one_chain(tmp_path: Path, server: Postgres) -> None:
    for address in (str(tmp_path / "fleet.db"), server.fresh()):
        writers = [await open_store(address) for _ in range(3)]

        async def write(name: int, writers: list = writers) -> None:  # type: ignore[type-arg]
            for number in range(8):
                await office_audit.append(writers[name], number, "order.given", {"writer": name, "number": number})

        await asyncio.gather(*(write(name) for name in range(3)))
        lines = [bytes(line) for (line,) in await writers[0].read("SELECT line FROM audit ORDER BY seq")]
        assert verify(office_audit.CHAIN, lines).records == 24
        for one in writers:
            await one.close()


async def test_a_record_and_its_deed_are_one(tmp_path: Path) -> None:
    database = await open_store(str(tmp_path / "fleet.db"))
    deed = ("INSERT INTO terminals VALUES ($1, 0, 'active', '', 0)", [("TG1",)])
    await office_audit.append(database, 1, "terminal.added", {}, [deed])
    with pytest.raises(Taken):
        await office_audit.append(database, 2, "terminal.added", {}, [deed])
    assert (await office_audit.head(database)).seq == 1
    await database.close()


def test_verify_finds_every_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = make_estate(tmp_path).settings("fleet.db")
    asyncio.run(filled(str(tmp_path / "fleet.db")))

    def audit(*words: object, code: int = 0) -> dict[str, Any]:
        """The command, in this process: there are many of them."""
        assert main(["audit", *map(str, words), "--settings", str(settings), "--json"]) == code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    audit("countersign")
    public = tmp_path / "audit.pub"
    found = audit("verify", "--public", public)
    assert (found["records"], found["countersignatures"], found["unchecked"]) == (COUNT, 1, [])
    file = sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)
    whole = file.execute("SELECT seq, line FROM audit ORDER BY seq").fetchall()
    for place, (seq, line) in enumerate(whole):
        middle = len(line) // 2
        file.execute("UPDATE audit SET line = ? WHERE seq = ?", (line[:middle] + b"~" + line[middle + 1 :], seq))
        fault = audit("verify", "--public", public, code=6)
        assert f"record {place + 1}" in fault["error"]
        file.execute("UPDATE audit SET line = ? WHERE seq = ?", (line, seq))
    file.execute("DELETE FROM audit WHERE seq = ?", (COUNT,))
    fault = audit("verify", code=6)
    assert "the chain does not lead to the head that was countersigned" in fault["error"]
    file.execute("DELETE FROM countersignatures")
    audit("verify")  # a chain alone cannot show that its end was cut off
    remembered = found["head"]
    fault = audit("verify", "--remembered", remembered, code=6)
    assert "truncated" in fault["error"]
    file.close()


async def test_a_chain_made_anew_is_found_by_key_and_by_token(tmp_path: Path) -> None:
    settings = make_estate(tmp_path).settings("fleet.db")
    await filled(str(tmp_path / "fleet.db"))
    with authority(tmp_path / "tsa") as (address, ca):
        settings.write_text(settings.read_text() + f'tsa = "{address}"\ntsa-ca = "{ca}"\n')
        [made] = await command("audit", "countersign", "--settings", settings)
    assert made["by"] == ["key", "rfc3161"]
    [found] = await command("audit", "verify", "--public", tmp_path / "audit.pub", "--settings", settings)
    assert found["countersignatures"] == 2
    file = sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)
    kept = file.execute("SELECT number, octets FROM countersignatures").fetchall()
    for number, octets in kept:
        file.execute("UPDATE countersignatures SET octets = ? WHERE number = ?", (octets[:-9] + b"x" * 9, number))
        [fault] = await command("audit", "verify", "--public", tmp_path / "audit.pub", "--settings", settings, code=6)
        assert "not by the audit key" in fault["error"] or "the token is not over this head" in fault["error"]
        file.execute("UPDATE countersignatures SET octets = ? WHERE number = ?", (octets, number))
    file.execute("DELETE FROM audit")
    file.close()
    database = await open_store(str(tmp_path / "fleet.db"))
    for number in range(COUNT):
        await office_audit.append(database, 1_000 + number, "terminal.added", {"terminal": "another"})
    await database.close()
    [fault] = await command("audit", "verify", "--settings", settings, code=6)
    assert "the chain does not lead to the head that was countersigned" in fault["error"]


async def test_an_authority_that_is_not_there_is_said(tmp_path: Path) -> None:
    settings = make_estate(tmp_path).settings("fleet.db")
    await filled(str(tmp_path / "fleet.db"))
    text = settings.read_text()
    settings.write_text(text + 'tsa = "http://127.0.0.1:9/"\n')
    [fault] = await command("audit", "countersign", "--settings", settings, code=5)
    assert fault["error"].startswith("tsa: ")
    settings.write_text(text.replace('key = "audit.key"', ""))
    [fault] = await command("audit", "countersign", "--settings", settings, code=2)
    assert "neither key nor tsa" in fault["error"]
