# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A whole agent that head office has not heard for days, or that no broker lets in: it keeps selling."""

from pathlib import Path

import pytest

from terminal_agent.orders.duties import Absence
from tests.flows.lives import Cradle, living
from tests.flows.reckoning import audit_events
from tests.flows.shop import Shop

DAY_MS = 86_400_000
LONG = {Absence.DAY: 1, Absence.WEEK: 7, Absence.MONTHS: 60, Absence.EXPIRED: 0}


@pytest.mark.parametrize("absence", Absence)
async def test_payments_go_on(absence: Absence, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open(), Cradle.open() as cradle:
        if absence is Absence.EXPIRED:
            profile = tmp_path / "terminal.toml"
            profile.write_text(profile.read_text().replace('"pki/TG000001.', '"pki/expired.'))
        async with living(shop, cradle) as agent:
            assert (await agent.pays())["outcome"] == "approved"
        (tmp_path / "clock-is-off-by").write_text(str(LONG[absence] * DAY_MS))
        async with living(shop, cradle) as agent:
            assert (await agent.pays())["outcome"] == "approved"
    names = [event["name"] for event in audit_events(shop.state)]
    assert names.count("payment.finished") == 2
