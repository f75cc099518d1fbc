# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Agents die and disks fill up at drawn steps of many payments; in the end journal, log, outbox, bank and card agree.

The agent is the real one, killed with SIGKILL before and after every step that writes or sends, in the middle of an
audit record, and at moments that mean nothing; the bank loses, delays, doubles and garbles answers; the disk is full
now and then. What is drawn comes from the seed in the test's name.
"""

from pathlib import Path

import pytest

from tests.flows.lives import Cradle, Run
from tests.flows.reckoning import reckon
from tests.flows.shop import Shop

PAYMENTS = 100


@pytest.mark.parametrize("seed", [1, 2])
async def test_whoever_dies_whenever_all_tell_the_same_story(seed: int, tmp_path: Path) -> None:
    async with Shop(tmp_path).open() as shop, Cradle.open() as cradle:
        run = Run(shop, cradle, seed)
        await run.until(PAYMENTS)
    found = reckon(shop, run.told)
    print(found, run.killed, run.in_payment, run.refused, run.full)
    assert found.unmatched == []
    assert found.payments >= PAYMENTS
    assert run.in_payment > PAYMENTS / 4
    assert min(found.approved, found.reversed) > PAYMENTS / 10
