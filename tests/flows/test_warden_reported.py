# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A running agent beside a running warden: a refusal becomes an event of the agent, once, and the chain is anchored."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.stations import Station
from tests.flows.stage import TERMINAL, Stage
from tests.terminal_agent.wardens import STICK, Shop, until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "w").mkdir()
    found = Shop(tmp_path / "w")
    yield found
    found.close()


def of(agent: Station, name: str) -> list[dict[str, Any]]:
    agent.next_line(0.2)
    return [line["fields"] for line in agent.lines if line.get("name") == name]


def test_a_refusal_is_an_event_of_the_agent_and_the_chain_is_anchored(shop: Shop, tmp_path: Path) -> None:
    shop.plug("1-1", STICK)
    shop.start()
    until(lambda: shop.verdicts("1-1"))
    with Stage(tmp_path, warden=shop.folder / "sock") as stage:
        agent = stage.agent()
        blocked = until(lambda: [one for one in of(agent, "usb.blocked") if one["port"] == "1-1"])
        assert [(one["rule"], one["device"]) for one in blocked] == [("implicit", "0781:5567 Cruzer")]
        stage.stop("agent")
        audit = tmp_path / f"state/{TERMINAL}.audit.jsonl"
        (head,) = [one for one in map(json.loads, audit.read_text().splitlines()) if one["name"] == "warden.head"]
        last = shop.records()[head["fields"]["records"] - 1]
        assert head["fields"]["hash"] == last["hash"]
        again = stage.agent()
        shop.keep("", version=2)  # a new policy: the same device is judged anew
        told = until(lambda: of(again, "usb.blocked"))
        assert [one["port"] for one in told] == ["1-1"]  # once, under version 2; what was told before is not told again
        assert of(again, "usb.alarm") == []
        stage.stop("agent")
