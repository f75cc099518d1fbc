# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A bank that restarts, forgets, is away, answers late, twice or not at all: one payment fails, none is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device_profiles.twins.acquirer_script import Fault, Rule
from tests.flows.lives import Agent, Cradle, living, settled
from tests.flows.mortal import Death
from tests.flows.reckoning import reckon
from tests.flows.shop import Shop, once
from tests.patience import PATIENCE_S


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with Shop(tmp_path).open() as opened:
        yield opened


@pytest.fixture
async def cradle() -> AsyncIterator[Cradle]:
    async with Cradle.open() as made:
        yield made


def reversals(shop: Shop) -> list[str]:
    """The kinds of the reversals that the bank heard."""
    return [heard.mti for heard in shop.bank.heard if heard.original is not None]


async def pay(agent: Agent, told: dict[str, dict[str, object]]) -> str:
    """One payment, remembered; its outcome."""
    fields = await agent.pays()
    told[fields["payment"]] = fields
    return str(fields["outcome"])


async def test_a_bank_that_restarted_and_forgot_its_session_keys(shop: Shop, cradle: Cradle) -> None:
    told: dict[str, dict[str, object]] = {}
    async with living(shop, cradle) as agent:
        assert await pay(agent, told) == "approved"
        for _ in range(3):
            await shop.close_bank()
            shop.bank.forget()
            await shop.open_bank()
            outcomes = [await pay(agent, told) for _ in range(3)]
            assert outcomes.count("approved") >= 2
            assert outcomes[1:] == ["approved", "approved"], "at most the first one fails"
        assert await settled(shop, PATIENCE_S)
    assert reckon(shop, told).unmatched == []


async def test_a_bank_that_is_away_for_a_while(shop: Shop, cradle: Cradle) -> None:
    told: dict[str, dict[str, object]] = {}
    async with living(shop, cradle) as agent:
        await shop.close_bank()
        assert await pay(agent, told) == "failed"
        await shop.open_bank()
        outcomes = [await pay(agent, told) for _ in range(2)]
        assert outcomes[-1] == "approved"
        assert await settled(shop, PATIENCE_S)
    assert reckon(shop, told).unmatched == []


async def test_a_reversal_is_repeated_until_it_is_answered_and_is_one_reversal(shop: Shop, cradle: Cradle) -> None:
    told: dict[str, dict[str, object]] = {}
    lost = [Rule(mti=mti, times=times, fault=Fault.DROP) for mti, times in (("0100", 1), ("0400", 1), ("0401", 2))]
    shop.bank.misbehave(*lost)
    async with living(shop, cradle) as agent:
        assert await pay(agent, told) == "failed"
        assert await settled(shop, PATIENCE_S)
        assert reversals(shop) == ["0400", "0401", "0401", "0401"]
        assert sum(shop.bank.ledger.held.values()) == 0
        assert await pay(agent, told) == "approved"
    assert reckon(shop, told).unmatched == []


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(Fault.LATE, "failed"), (Fault.DUPLICATE, "approved"), (Fault.GARBAGE, "failed"), (Fault.WRONG_MAC, "failed")],
)
async def test_answers_that_come_late_twice_or_spoilt_belong_to_nobody_else(
    shop: Shop, cradle: Cradle, fault: Fault, outcome: str
) -> None:
    told: dict[str, dict[str, object]] = {}
    async with living(shop, cradle) as agent:
        for mti in ("0100", "0400"):
            shop.bank.misbehave(once(fault, mti), once(Fault.DROP, "0100"))
            assert await pay(agent, told) == (outcome if mti == "0100" else "failed")
            shop.bank.misbehave()
            assert await pay(agent, told) == "approved"
            assert await settled(shop, PATIENCE_S)
    assert reckon(shop, told).unmatched == []


async def test_the_agent_died_and_the_bank_restarted(shop: Shop, cradle: Cradle) -> None:
    pid = await cradle.bear(shop.folder / "terminal.toml", Death("host.answer", "after", 2))  # the first is the 0810
    agent = await Agent.meet(pid, shop.folder / "agent.sock")
    await agent.has_devices()
    payment = await agent.begins(4200)
    await cradle.ended()
    await agent.leave()
    assert sum(shop.bank.ledger.held.values()) == 4200
    await shop.close_bank()
    shop.bank.forget()
    async with living(shop, cradle):
        await asyncio.sleep(0.2)
        await shop.open_bank()
        assert await settled(shop, PATIENCE_S)
    assert sum(shop.bank.ledger.held.values()) == 0
    assert reversals(shop)[-1] in ("0400", "0401")
    assert reckon(shop, {payment: {}}).unmatched == []
