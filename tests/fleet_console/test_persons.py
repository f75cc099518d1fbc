# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console persons`: a new list goes to terminals that would take it, and to no others. The wire: tests/flows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fleet_console.cli import main
from fleet_console.register import State, addition, change
from fleet_console.store.choose import open_store
from protocols.signed import Person, Trust
from protocols.telemetry.envelope import Report, encode, genesis
from protocols.telemetry.events import make
from protocols.telemetry.orders import trust_statement
from tests.fleet_console.estate import make_estate
from tests.fleet_console.test_orders import KINDS, TRUST, people
from tests.protocols.persons import key, private_pem

NAMES = ("TG000001", "TG000002", "TG000003", "TG000004")
FRESH = Trust((*TRUST.persons[1:], Person("Dee", key("Dee").public, KINDS)), TRUST.thresholds)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> "Desk":
    return Desk(tmp_path, capsys)


class Desk:
    """Head office with four terminals, one of them isolated, and the persons' keys; no broker runs."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.folder = folder
        self.settings = make_estate(folder).settings("fleet.db")
        people(folder)
        (folder / "Dee.key").write_bytes(private_pem("Dee"))
        self.listed("fresh.json", FRESH)

    def listed(self, name: str, trust: Trust) -> Path:
        (self.folder / name).write_text(trust_statement(trust, 1, 0, 1).body)
        return self.folder / name

    async def _know(self, **reported: int) -> None:
        store = await open_store(str(self.folder / "fleet.db"))
        await store.write([step for name in NAMES for step in addition(name, (), 1)])
        await store.write(change(NAMES[3], State.ISOLATED, "a test", 2))
        for name, version in reported.items():
            event = make("trust.rotated", 5, persons="Ben, Cy, Dee", version=version)
            octets = encode(Report(name, 1, version, genesis(name), event))
            columns = "terminal, boot, seq, lane, event, at_ms, heard_ms, hash, octets"
            row = (name, 1, version, "ack", event.name, 5, 5, b"", octets)
            await store.write([(f"INSERT INTO reports ({columns}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)", [row])])
        await store.close()

    def know(self, **reported: int) -> None:
        """The terminals, and which list each has reported."""
        asyncio.run(self._know(**reported))

    def command(self, *words: object, code: int = 0) -> list[dict[str, Any]]:
        """Its answers as JSON."""
        assert main([*map(str, words), "--json"]) == code
        return [json.loads(text) for text in self._capsys.readouterr().out.splitlines()]

    def says(self, *words: object, code: int = 0) -> list[dict[str, Any]]:
        return self.command("persons", *words, "--settings", self.settings, code=code)

    def signed(self, file: Path, *names: str, version: int = 1) -> Path:
        """A list that the first of these persons makes and the others sign."""
        out = self.folder / f"list-{version}-{'-'.join(names)}"
        first = ("--key", self.folder / f"{names[0]}.key", "--out", out, "--version", version)
        self.says("new", file, *first)
        for name in names[1:]:
            self.command("approve", "--file", out, "--key", self.folder / f"{name}.key")
        return out


def test_who_has_which_list_is_read_from_what_terminals_reported(desk: Desk, tmp_path: Path) -> None:
    desk.know(TG000001=2, TG000002=1)
    found = desk.says()
    held = {one["terminal"]: one["version"] for one in found if one["event"] == "terminal"}
    assert held == {"TG000001": 2, "TG000002": 1, "TG000003": 0}  # the isolated one hears nothing
    assert [one["name"] for one in found if one["event"] == "person"] == ["Ada", "Ben", "Cy"]
    assert {one["kind"]: one["persons"] for one in found if one["event"] == "threshold"} == TRUST.thresholds
    made = ("--key", tmp_path / "Ada.key", "--out", tmp_path / "next")
    assert [one["version"] for one in desk.says("new", tmp_path / "fresh.json", *made)] == [3]


def test_sent_to_nobody_who_has_it_or_would_refuse_it(desk: Desk, tmp_path: Path) -> None:
    desk.know(TG000001=2, TG000002=2)
    second = desk.signed(tmp_path / "fresh.json", "Ada", "Ben", "Dee", version=2)
    [sent] = desk.says("send", second)
    assert (sent["terminals"], sent["have_it"], sent["behind"]) == ([], 2, ["TG000003"])
    third = desk.signed(tmp_path / "fresh.json", "Ada", "Ben", "Dee", version=3)
    [fault] = desk.says("send", third, code=5)  # two are due, and no broker is there
    assert "whoever has it gets none" in fault["hint"]
    [record] = desk.command("audit", "show", "--settings", desk.settings)
    assert (record["name"], record["fields"]["version"], record["fields"]["terminals"]) == ("persons.sent", 3, 2)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("Ada", "Dee"), "too few persons"),  # of the old list
        (("Ada", "Ben"), "too few persons"),  # of the new one
        (("Mallory",), "no known key"),
    ],
)
def test_what_no_terminal_would_take_is_not_sent(names: tuple[str, ...], words: str, desk: Desk) -> None:
    desk.know()
    [fault] = desk.says("send", desk.signed(desk.folder / "fresh.json", *names), code=4)
    assert words in fault["error"]
    assert desk.command("audit", "show", "--settings", desk.settings) == []


def test_faults_tell_the_cure(desk: Desk, tmp_path: Path) -> None:
    desk.know()
    alone = desk.listed("alone.json", FRESH)
    alone.write_text(alone.read_text().replace('"order-grave":2', '"order-grave":1'))
    made = ("--key", tmp_path / "Ada.key", "--out", tmp_path / "out")
    for words, code, said in (
        (("new",), 2, "a file expected"),
        (("new", tmp_path / "fresh.json"), 2, "--key and --out expected"),
        (("new", alone, *made), 2, "thresholds: 2 or more"),
        (("new", tmp_path / "fresh.json", *made, "--days", "0"), 2, "--days: 1 to 365"),
        (("new", tmp_path / "fresh.json", *made, "--terminal", "head-office"), 2, "a terminal's name"),
        (("new", tmp_path / "fresh.json", *made[:2], "--out", tmp_path), 1, "is a directory"),
        (("send", tmp_path / "fresh.json"), 2, "envelope"),
    ):
        [fault] = desk.says(*words, code=code)
        assert said in fault["error"]
        assert fault["hint"]
    order = desk.command(
        "orders", "new", "ping", "--terminal", NAMES[0], "--key", tmp_path / "Ada.key", "--sequence", 1, "--out",
        tmp_path / "ping", "--settings", desk.settings,
    )  # fmt: skip
    assert order
    [fault] = desk.says("send", tmp_path / "ping", code=4)
    assert "of another kind" in fault["error"]
