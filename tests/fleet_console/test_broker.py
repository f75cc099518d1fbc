# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console broker`: the shipped configuration holds, and a check finds each way in which another one does not."""

from pathlib import Path
from typing import Any

import pytest

from fleet_console.broker_check import Subjects, checks
from tests.fleet_console.estate import Estate, command, estate, make_estate

ONE, OTHER = "TG000001", "TG000002"


async def check(there: Estate, code: int = 0) -> dict[str, bool]:
    settings = there.settings("fleet.db")
    words = ["--one", there.folder / f"{ONE}.pem", "--other", there.folder / f"{OTHER}.pem"]
    found: list[dict[str, Any]] = await command(
        "broker", "check", "--terminals", f"127.0.0.1:{there.port}", *words, "--settings", settings, code=code
    )
    return {one["name"]: one["holds"] for one in found if one.get("event") == "check"}


async def test_the_shipped_configuration_holds(tmp_path: Path) -> None:
    async with estate(tmp_path, ONE, OTHER) as there:
        found = await check(there)
    assert len(found) == 10
    assert all(found.values()), found


def with_plugin_open(folder: Path) -> None:
    path = folder / "dynamic-security.json"
    path.write_text(path.read_text().replace('"publishClientSend": false', '"publishClientSend": true'))


def with_subscriptions_open(folder: Path) -> None:
    path = folder / "dynamic-security.json"
    path.write_text(path.read_text().replace('"subscribe": false', '"subscribe": true'))


def with_line(old: str, new: str) -> Any:
    def change(folder: Path) -> None:
        path = folder / "mosquitto.conf"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def with_one_authority(folder: Path) -> None:
    """As one would at first: one authority for all."""
    (folder / "both.pem").write_bytes((folder / "ca.pem").read_bytes() + (folder / "office-ca.pem").read_bytes())
    with_line(f"cafile {folder}/office-ca.pem", f"cafile {folder}/both.pem")(folder)


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (with_plugin_open, {"foreign topics", "foreign will", "isolation"}),
        (with_subscriptions_open, {"foreign filters", "isolation"}),
        (with_line("use_username_as_clientid true", "use_username_as_clientid false"), {"client ids"}),
        (with_one_authority, {"head office's port"}),
        (with_line("tls_version tlsv1.3", "tls_version tlsv1.2"), {"old TLS"}),
        (with_line("retain_available false", "retain_available true"), {"retained messages"}),
        (with_line("require_certificate true", "require_certificate false"), {"no certificate"}),
    ],
)
async def test_each_way_in_is_found(tmp_path: Path, change: Any, broken: set[str]) -> None:
    there = make_estate(tmp_path, ONE, OTHER)
    change(tmp_path)
    await there.start_broker()
    subjects = Subjects(there.access("head-office", office=True), ONE, there.access(ONE), OTHER, there.access(OTHER))
    try:
        found = {verdict.name: verdict.holds async for verdict in checks(subjects, broken)}
    finally:
        assert there.broker is not None
        await there.broker.stop()
    assert found == dict.fromkeys(found, False)
    assert found.keys() == broken


async def test_config_writes_what_mosquitto_takes_and_keeps_what_it_was_told(tmp_path: Path) -> None:
    there = make_estate(tmp_path, ONE, OTHER)
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "office-ca")}
    words = [
        "broker", "config", "--dir", tmp_path, "--ca", files["ca"], "--office-ca", files["office-ca"], "--certificate",
        tmp_path / "broker.pem", "--key", tmp_path / "broker.key", "--port", there.port, "--office-port",
        there.office_port, "--address", "127.0.0.1", "--user", "root",
    ]  # fmt: skip
    before = (tmp_path / "dynamic-security.json").read_text()
    await command(*words)
    assert (tmp_path / "dynamic-security.json").read_text() == before
    (tmp_path / "dynamic-security.json").unlink()
    await command(*words)
    await there.start_broker()
    assert there.broker is not None
    settings = there.settings("fleet.db")
    for name in (ONE, OTHER):
        await command("terminals", "add", name, "--certificate", tmp_path / f"{name}.pem", "--settings", settings)
    await there.broker.stop()
    await there.start_broker()  # mosquitto keeps whom it was told to admit
    assert all((await check(there)).values())
    await there.broker.stop()
    (tmp_path / "dynamic-security.json").unlink()
    await command(*words)
    await there.start_broker()
    await command("terminals", "isolate", ONE, "--reason", "a test", "--settings", settings)
    [synced] = await command("broker", "sync", "--settings", settings)
    assert (synced["terminals"], synced["isolated"]) == (2, 1)
    subjects = Subjects(there.access("head-office", office=True), ONE, there.access(ONE), OTHER, there.access(OTHER))
    found = {verdict.name: verdict async for verdict in checks(subjects, {"own lane", "isolation"})}
    assert not any(verdict.holds for verdict in found.values())
    assert f"could not be tried: {ONE} may not speak here" in found["isolation"].words
    assert [verdict.holds async for verdict in checks(subjects, {"own lane"})] == [False]  # and nothing let it in
    await there.broker.stop()


async def test_faults_tell_the_cure(tmp_path: Path) -> None:
    there = make_estate(tmp_path, ONE, OTHER)
    same = ["--ca", tmp_path / "ca.pem", "--office-ca", tmp_path / "ca.pem"]
    rest = ["--certificate", tmp_path / "broker.pem", "--key", tmp_path / "broker.key"]
    [fault] = await command("broker", "config", "--dir", tmp_path, *same, *rest, code=4)
    assert "the same authority" in fault["error"]
    [fault] = await command("broker", "config", "--dir", tmp_path, *rest, code=2)
    assert "--ca expected" in fault["error"]
    found = await check(there, code=4)
    assert not any(holds for name, holds in found.items() if name in ("own lane", "foreign topics"))
