# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whoever dies, and wherever: every report is in the store once, in its lane's order. The long run is the evidence."""

import asyncio
from pathlib import Path

import pytest

from tests import evidence
from tests.fleet_console.kills import VICTIMS, faults, listed, points, scene
from tests.postgres import postgres

IN_CI = 60
LONG = 3_000
SEED = 12
LONG_POSTGRES = 300
PARTS, SIDE_BY_SIDE = 10, 4
AREA = "ingest"
KILLS, KILLS_POSTGRES = "kills", "kills with PostgreSQL"
OFFICE = ("desk", "dispatch", "feed", "findings", "ingest", "judge", "jury", "ledger", "office_audit", "orders",
          "presence", "receipts", "register", "stories", "worker")  # fmt: skip
COVERS = [
    *(f"fleet_console/{name}.py" for name in OFFICE), "fleet_console/store", "protocols/audit_chain.py",
    "protocols/mqtt", "protocols/telemetry", "terminal_agent/report", "device_profiles/serve/fleet.py",
    "device_profiles/serve/fleet_spool.py", "device_profiles/twins/fleet_terminal.py",
]  # fmt: skip


async def rounds(folder: Path, store: str, seed: int, count: int) -> None:
    async with scene(folder, store) as made:
        for kill in listed(seed, 3 * count):  # a busy machine commits more at once, and a third commit may not come
            if made.happened >= count:
                break
            await made.round(kill)
        assert made.happened >= count
    assert await faults(made) == []


def test_the_list_holds_every_victim_and_every_call_before_and_behind_it() -> None:
    assert {(one.victim, one.call, one.when) for one in listed(SEED, IN_CI)} == set(points())
    assert {victim for victim, _, _ in points()} == {"broker", "worker", "console", "terminals", "agent"}
    for victim in VICTIMS:
        assert {call for one, call, _ in points() if one == victim} >= {
            "spool",
            "send",
            "commit",
            "acknowledge",
            "trim",
        }


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert evidence.faults(AREA, {KILLS: LONG, KILLS_POSTGRES: LONG_POSTGRES}) == []


async def test_sixty_kills(tmp_path: Path) -> None:
    await rounds(tmp_path, "fleet.db", SEED, IN_CI)


async def estates(folder: Path, count: int) -> None:
    """Ten estates, a few at once: a round mostly waits for somebody to come back."""
    few = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(part: int) -> None:
        async with few:
            place = folder / str(part)
            place.mkdir()
            await rounds(place, "fleet.db", SEED + part, count // PARTS)

    async with asyncio.TaskGroup() as tasks:
        for part in range(PARTS):
            tasks.create_task(one(part))


@pytest.mark.long
async def test_thousands_of_kills(tmp_path: Path) -> None:
    with evidence.run(AREA, COVERS, KILLS, cases=LONG, seed=SEED):
        await estates(tmp_path, LONG)


@pytest.mark.long
async def test_hundreds_of_kills_with_postgresql(tmp_path: Path) -> None:
    with evidence.run(AREA, COVERS, KILLS_POSTGRES, cases=LONG_POSTGRES, seed=SEED), postgres() as server:
        await rounds(tmp_path, server.fresh(), SEED, LONG_POSTGRES)
