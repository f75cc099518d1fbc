# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The machine's clock is set while the agent runs or rests: it is said and recorded, and payments go on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.lives import Cradle, living, settled
from tests.flows.reckoning import audit_events, reckon
from tests.flows.shop import Shop

HOUR = 3_600_000
YEAR = 365 * 24 * HOUR


class Wrong:
    """A shop whose machine has a clock that a test sets."""

    def __init__(self, shop: Shop, cradle: Cradle) -> None:
        self.shop = shop
        self.cradle = cradle
        self.told: dict[str, dict[str, Any]] = {}
        self.set(0)

    def set(self, off_by_ms: int) -> None:
        (self.shop.folder / "clock-is-off-by.new").write_text(str(off_by_ms))
        (self.shop.folder / "clock-is-off-by.new").rename(self.shop.folder / "clock-is-off-by")

    def times(self) -> list[int]:
        return [event["at_ms"] for event in audit_events(self.shop.state)]


@pytest.fixture
async def wrong(tmp_path: Path) -> AsyncIterator[Wrong]:
    async with Shop(tmp_path).open() as shop, Cradle.open() as cradle:
        yield Wrong(shop, cradle)


async def pay(agent: Any, wrong: Wrong) -> str:
    fields = await agent.pays(1000)
    wrong.told[fields["payment"]] = fields
    return str(fields["outcome"])


@pytest.mark.parametrize("by_ms", [HOUR, -HOUR, -5 * YEAR])
async def test_set_while_it_runs_and_put_right_again(by_ms: int, wrong: Wrong) -> None:
    async with living(wrong.shop, wrong.cradle) as agent:
        assert await pay(agent, wrong) == "approved"
        wrong.set(by_ms)
        jumped = await agent.until("clock.jumped")
        assert abs(jumped["by_ms"] - by_ms) < 500
        assert await pay(agent, wrong) == "approved"
        wrong.set(0)
        back = await agent.until("clock.jumped")
        assert abs(back["by_ms"] + by_ms) < 500
        assert await pay(agent, wrong) == "approved"
        assert await settled(wrong.shop, 5)
    if by_ms < 0:
        assert wrong.times() == sorted(wrong.times()), "what was set back had no effect on any record"
    assert reckon(wrong.shop, wrong.told).unmatched == []


async def test_five_years_ahead_is_an_alert_and_putting_it_right_heals_everything(wrong: Wrong) -> None:
    async with living(wrong.shop, wrong.cradle) as agent:
        wrong.set(5 * YEAR)
        assert abs((await agent.until("clock.jumped"))["by_ms"] - 5 * YEAR) < 500
    async with living(wrong.shop, wrong.cradle) as agent:
        wrong.set(0)
        assert abs((await agent.until("clock.jumped"))["by_ms"] + 5 * YEAR) < 500
        assert await pay(agent, wrong) == "approved"
    first, *_, last = wrong.times()
    assert last - first < HOUR, "no trace of the five years"
    assert reckon(wrong.shop, wrong.told).unmatched == []


@pytest.mark.parametrize("by_ms", [-HOUR, -5 * YEAR])
async def test_set_back_while_it_rests(by_ms: int, wrong: Wrong) -> None:
    async with living(wrong.shop, wrong.cradle) as agent:
        assert await pay(agent, wrong) == "approved"
    wrong.set(by_ms)
    async with living(wrong.shop, wrong.cradle) as agent:
        assert await pay(agent, wrong) == "approved"
    jumps = [event["fields"]["by_ms"] for event in audit_events(wrong.shop.state) if event["name"] == "clock.jumped"]
    assert len(jumps) == 1
    assert abs(jumps[0] - by_ms) < 5000
    assert wrong.times() == sorted(wrong.times())
    assert reckon(wrong.shop, wrong.told).unmatched == []
