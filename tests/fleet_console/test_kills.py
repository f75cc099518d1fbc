# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whoever dies, and wherever: every report is in the store once, in its lane's order. The long run is the evidence."""

from pathlib import Path

import pytest

from tests import evidence
from tests.fleet_console.kills import faults, listed, scene
from tests.postgres import postgres

IN_CI = 60
LONG = 3_000
SEED = 12
COVERS = ["fleet_console", "protocols/mqtt", "protocols/telemetry", "device_profiles/serve/fleet.py",
          "device_profiles/serve/fleet_spool.py", "device_profiles/twins/fleet_terminal.py"]  # fmt: skip


async def rounds(folder: Path, store: str, seed: int, count: int) -> None:
    async with scene(folder, store) as made:
        for kill in listed(seed, count):
            await made.round(kill)
        assert made.happened >= count * 0.9, "most of the listed kills must have happened"
    assert await faults(made) == []


async def test_sixty_kills(tmp_path: Path) -> None:
    await rounds(tmp_path, "fleet.db", SEED, IN_CI)


@pytest.mark.long
async def test_thousands_of_kills(tmp_path: Path) -> None:
    with evidence.run("ingest", COVERS, "kills", cases=LONG, seed=SEED):
        for part in range(10):
            folder = tmp_path / str(part)
            folder.mkdir()
            await rounds(folder, "fleet.db", SEED + part, LONG // 10)


@pytest.mark.long
async def test_hundreds_of_kills_with_postgresql(tmp_path: Path) -> None:
    with evidence.run("ingest", COVERS, "kills with PostgreSQL", cases=300, seed=SEED), postgres() as server:
        await rounds(tmp_path, server.fresh(), SEED, 300)
