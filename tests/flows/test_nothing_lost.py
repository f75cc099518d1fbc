# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Agents, workers and disks fail at drawn steps of many payments; in the end journal, log, outbox, bank and card agree.

Agent and worker are the real ones, killed with SIGKILL before and after every step that writes or sends, in the middle
of an audit record, and at moments that mean nothing; the bank loses, delays, doubles and garbles answers; the disk is
full now and then. What is drawn comes from the seed in the test's name.
"""

from pathlib import Path

import pytest

from tests import evidence
from tests.flows.lives import Cradle, Run
from tests.flows.reckoning import Reckoning, reckon
from tests.flows.shop import Shop

PAYMENTS = 100  # twice, so 200 in all
AREA = "nothing-lost"
NAME = "payments with random deaths, faults and full disks"
LONG_PAYMENTS, LONG_SEED = 1_000, 20261122
COVERS = (
    "device_profiles/twins/acquirer.py",
    "device_profiles/twins/acquirer_ledger.py",
    "protocols/acquirer",
    "protocols/audit_chain.py",
    "protocols/telemetry",
    "protocols/worker_pipe.py",
    "terminal_agent/audit.py",
    "terminal_agent/clock.py",
    "terminal_agent/flows",
    "terminal_agent/host",
    "terminal_agent/processes/agent.py",
    "terminal_agent/processes/worker.py",
    "terminal_agent/processes/worker_ends.py",
    "terminal_agent/processes/worker_source.py",
    "terminal_agent/processes/workers.py",
    "terminal_agent/report/outbox.py",
    "tests/flows/lives.py",
    "tests/flows/mortal.py",
    "tests/flows/reckoning.py",
    "tests/flows/shop.py",
)


async def reckoned(folder: Path, seed: int, payments: int) -> Reckoning:
    """So many payments, and what everybody has to say about them."""
    async with Shop(folder).open() as shop, Cradle.open() as cradle:
        run = Run(shop, cradle, seed)
        await run.until(payments)
    found = reckon(shop, run.told)
    print(f"{found}, agents killed {run.killed}, of them in a payment {run.in_payment}, disks full {run.full}")
    print(f"workers killed in a payment {run.workers_lost}")
    assert found.unmatched == []
    assert found.payments >= payments
    assert run.hit_enough
    assert min(found.approved, found.reversed) > payments / 20
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_whoever_dies_whenever_all_tell_the_same_story(seed: int, tmp_path: Path) -> None:
    await reckoned(tmp_path, seed, PAYMENTS)


@pytest.mark.long
async def test_a_thousand_payments(tmp_path: Path) -> None:
    with evidence.run(AREA, COVERS, NAME, cases=LONG_PAYMENTS, seed=LONG_SEED):
        await reckoned(tmp_path, LONG_SEED, LONG_PAYMENTS)


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert evidence.faults(AREA, {NAME: LONG_PAYMENTS}) == []
