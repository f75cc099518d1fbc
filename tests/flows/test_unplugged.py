# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Reader or pad pulled in mid-payment, at every turn of its line: an outcome, one story, usable within two seconds.

In virtual time over lines in memory, so that every turn is tried; then once each over pseudo terminals in real time.
"""

import asyncio
import time
from pathlib import Path

import pytest

from tests.flows.lives import Cradle, living, settled
from tests.flows.reckoning import reckon
from tests.flows.shop import Shop
from tests.flows.terminal import Terminal
from tests.patience import PATIENCE_S
from tests.secrets.twins import planted_profiles
from tests.virtual_time import run

BACK_WITHIN_S = 2.0


@pytest.mark.parametrize("loses_power", [False, True], ids=["cable", "power"])
@pytest.mark.parametrize("device", ["reader", "pad"])
def test_pulled_at_every_turn(device: str, loses_power: bool, tmp_path: Path) -> None:
    planted = planted_profiles()
    shop = Shop(tmp_path, planted)

    async def every_turn() -> None:
        terminal = Terminal(shop, shop.state)
        told = {}
        async with terminal.running():
            socket = terminal.sockets[device]
            interrupted = turn = 0
            while True:
                turn += 1
                socket.pull_in = turn
                fields = await terminal.pay()
                told[fields["payment"]] = fields
                assert fields["outcome"] in ("approved", "failed"), fields
                if not socket.pulled.is_set():
                    assert fields["outcome"] == "approved"
                    break
                interrupted += fields["outcome"] == "failed"
                if fields["outcome"] == "failed":
                    assert fields["reason"]
                if loses_power:
                    shop.power_cycle(device)
                socket.pull_in = 1_000_000
                socket.plug()
                assert await terminal.usable_after_s(device) <= BACK_WITHIN_S
                await terminal.settled()
                again = await terminal.pay(1000)
                told[again["payment"]] = again
                assert again["outcome"] == "approved", (turn, again)
            await terminal.settled()
        found = reckon(shop, told)
        assert found.unmatched == []
        assert interrupted > 8

    run(every_turn())


@pytest.mark.parametrize(
    ("device", "step", "amount"),
    [("reader", "present", 1000), ("reader", "emv", 4200), ("pad", "pin-entry", 4200), ("pad", "request", 4200)],
)
async def test_pulled_and_plugged_in_again_in_real_time(device: str, step: str, amount: int, tmp_path: Path) -> None:
    shop = Shop(tmp_path, pace_s=0.05)
    told = {}
    async with shop.open(), Cradle.open() as cradle, living(shop, cradle, hasty=False) as agent:
        payment = await agent.begins(amount)
        await agent.until("payment.step", step=step)
        shop.unplug(device)
        told[payment] = await agent.until("payment.finished", payment=payment)
        await asyncio.sleep(0.6)
        shop.power_cycle(device)
        shop.plug(device)
        plugged = time.monotonic()
        while not await agent.has(device):
            await asyncio.sleep(0.01)
        assert time.monotonic() - plugged <= 10 * BACK_WITHIN_S  # on a busy machine
        again = await agent.pays()
        told[again["payment"]] = again
        assert again["outcome"] == "approved"
        assert await settled(shop, PATIENCE_S)
    assert reckon(shop, told).unmatched == []


async def test_pulled_while_idle_it_is_missed_at_once_and_the_next_payment_knows_nothing_of_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open(), Cradle.open() as cradle, living(shop, cradle) as agent:
        for device in ("reader", "pad"):
            shop.unplug(device)
            await agent.until("device.lost", device=device)
            shop.plug(device)
            await agent.until("device.back", device=device)
        assert (await agent.pays())["outcome"] == "approved"
