# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Agents die and disks fill up at drawn steps of many payments; in the end journal, log, outbox, bank and card agree.

The agent is the real one, killed with SIGKILL before and after every step that writes or sends, in the middle of an
audit record, and at moments that mean nothing; the bank loses, delays, doubles and garbles answers; the disk is full
now and then. What is drawn comes from the seed in the test's name.
"""

from pathlib import Path

import pytest

from terminal_agent.audit import AuditBroken, verify_file
from tests import evidence
from tests.flows.lives import Cradle, Run
from tests.flows.reckoning import Reckoning, reckon
from tests.flows.shop import Shop
from tests.flows.terminal import Terminal
from tests.virtual_time import run

PAYMENTS = 100  # twice, so 200 in all
AREA = "nothing-lost"
NAME = "payments with random deaths, faults and full disks"
LONG_PAYMENTS, LONG_SEED = 1_000, 20261122
COVERS = (
    "device_profiles/twins/acquirer_ledger.py",
    "protocols/audit_chain.py",
    "terminal_agent/audit.py",
    "terminal_agent/clock.py",
    "terminal_agent/flows/acquiring.py",
    "terminal_agent/flows/books.py",
    "terminal_agent/flows/payment.py",
    "terminal_agent/flows/reporting.py",
    "terminal_agent/host",
    "terminal_agent/processes/agent.py",
    "terminal_agent/report/outbox.py",
    "tests/flows/lives.py",
    "tests/flows/mortal.py",
    "tests/flows/reckoning.py",
    "tests/flows/shop.py",
)
"""Whose promise it is, and who puts it to the test."""


async def reckoned(folder: Path, seed: int, payments: int) -> Reckoning:
    """So many payments, and what everybody has to say about them."""
    async with Shop(folder).open() as shop, Cradle.open() as cradle:
        till = Run(shop, cradle, seed)
        await till.until(payments)
    found = reckon(shop, till.told)
    print(f"{found}, agents killed {till.killed}, of them in a payment {till.in_payment}, disks full {till.full}")
    assert found.unmatched == []
    assert found.payments >= payments
    assert till.in_payment > payments / 4
    assert min(found.approved, found.reversed) > payments / 10
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_whoever_dies_whenever_all_tell_the_same_story(seed: int, tmp_path: Path) -> None:
    await reckoned(tmp_path, seed, PAYMENTS)


def test_a_log_whose_reported_end_was_cut_off_is_not_continued(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    async def pay_and_cut() -> None:
        async with Terminal(shop, shop.state).running() as terminal:
            await terminal.pay()
        path = terminal.log.path
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-2]))
        verify_file(path)  # by itself it shows nothing
        again = Terminal(shop, shop.state)
        with pytest.raises(AuditBroken, match=f"record {len(lines)}: truncated"):
            again.books.open()
        assert path.read_bytes() == b"".join(lines[:-2])
        for book in (again.journal, again.outbox, again.log):
            book.close()

    run(pay_and_cut())


@pytest.mark.long
async def test_a_thousand_payments(tmp_path: Path) -> None:
    with evidence.run(AREA, COVERS, NAME, cases=LONG_PAYMENTS, seed=LONG_SEED):
        await reckoned(tmp_path, LONG_SEED, LONG_PAYMENTS)


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert evidence.faults(AREA, {NAME: LONG_PAYMENTS}) == []
