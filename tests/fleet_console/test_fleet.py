# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin fleet` before a real ingest: every report receipted, over a storm of reconnections and a copied disk."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from device_profiles.cli import main
from tests.fleet_console.estate import Estate, command, estate, ingest, make_estate

COUNT = 30
COMMAND = [sys.executable, "-m", "device_profiles.cli", "fleet"]


async def fleet(there: Estate, *words: str, code: int = 0) -> list[dict[str, Any]]:
    files = ["--pki", str(there.folder), "--receipt-key", str(there.folder / "receipt.pub")]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--terminals", str(COUNT), "--broker", f"127.0.0.1:{there.port}", *files, *words, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    return [json.loads(line) for line in out.splitlines()]


async def test_a_storm_and_a_copy(tmp_path: Path) -> None:
    names = tuple(f"TG{number:06}" for number in range(1, COUNT + 1))
    async with estate(tmp_path, *names) as there:
        settings = there.settings("fleet.db")
        await command("terminals", "import", "--certificates", tmp_path, "--settings", settings)
        async with ingest(settings) as running:
            spool = str(tmp_path / "spool.db")
            words = ["--over", "0.5", "--overdue", "0.5", "--spool", spool]
            done = (await fleet(there, "--reports", "6", "--storm", *words))[-1]
            assert (done["told"], done["receipted"], done["waiting"]) == (6 * COUNT, 6 * COUNT, 0)
            assert done["connections"] >= 2 * COUNT
            await fleet(there, "--reports", "4", "--clone", names[5], *words)
            found = await running.says("isolated", terminal=names[5])
            assert found["reason"].startswith("two machines bear its name")
        [status] = await command("status", "--settings", settings)
        assert status["terminals"] == {"active": COUNT - 1, "isolated": 1}


async def test_without_head_office_every_report_waits(tmp_path: Path) -> None:
    names = tuple(f"TG{number:06}" for number in range(1, COUNT + 1))
    async with estate(tmp_path, *names) as there:
        done = (await fleet(there, "--reports", "2", "--over", "0.1", "--within", "3", code=1))[-1]
    assert (done["receipted"], done["waiting"]) == (0, 2 * COUNT)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--broker", "nowhere"], "--broker: HOST:PORT expected"),
        (["--broker", "127.0.0.1:8883", "--pki", "none"], "none/ca.pem: no authority in PEM"),
        (["--broker", "127.0.0.1:8883"], "no usable key of TG000001"),
        (["--broker", "127.0.0.1:8883", "--receipt-key", "none"], "none: no public key"),
    ],
)
def test_faults_tell_the_cure(words: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = make_estate(tmp_path)
    files = ["--pki", str(there.folder), "--receipt-key", str(there.folder / "receipt.pub")]
    assert main(["fleet", "--terminals", "1", *files, *words]) == 2
    said = capsys.readouterr().err
    assert what in said
    assert "hint: " in said
