# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the warden does is reported once, over restarts too, and its chain cannot be made anew unnoticed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.audit_chain import Head, Record, genesis, link
from protocols.telemetry.events import Event, make
from terminal_agent.flows.lockdown import ANCHORED, Lockdown
from terminal_agent.usb.hearing import Heard, WardenSilent, records
from tests.terminal_agent.wardens import STICK, TERMINAL, Shop, until

BLOCKED = {"port": "1-2", "id": "dead:beef", "name": "", "rule": "implicit", "why": "blocked: no rule", "done": True}
ALLOWED = {
    "port": "1-3",
    "id": "11ca:0220",
    "name": "PIN pad",
    "rule": "pad",
    "why": "allowed by rule pad",
    "done": True,
}


class Heads:
    """A recorder that keeps what is noted."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(self, name: str, **fields: Any) -> None:
        self.events.append(make(name, 1_000, **fields))

    def names(self) -> list[str]:
        return [one.name for one in self.events]


def chain(*names: str) -> list[Record]:
    head, found = genesis(f"warden/{TERMINAL}"), []
    for name in names:
        fields = {
            "block": {**BLOCKED, "target": "block"}, "allow": {**ALLOWED, "target": "allow"},
            "half": {**ALLOWED, "target": "allow", "done": False, "why_not": "the kernel refused"},
            "alarm": {"words": "a fence does not stand"},
        }.get(name, {})  # fmt: skip
        kind = {"alarm": "warden.alarm", "started": "warden.started"}.get(name, "usb.verdict")
        found.append(link(head, 5, kind, fields))
        head = found[-1].head
    return found


def lockdown(heads: Heads, anchored: Head | None = None) -> Lockdown:
    return Lockdown("/nowhere", TERMINAL, heads, anchored)  # type: ignore[arg-type]  # all of it that is used


def test_refusals_and_alarms_are_reported_and_the_end_is_anchored_once() -> None:
    heads = Heads()
    one = lockdown(heads)
    for record in chain("started", "block", "allow", "half", "alarm"):
        one.take(record)
    assert heads.names() == ["usb.blocked", "usb.allowed", "usb.blocked", "usb.alarm"]
    assert heads.events[2].fields["reason"] == "the kernel refused"
    one.anchor_now()
    one.anchor_now()
    assert heads.names()[4:] == [ANCHORED]
    assert heads.events[4].fields["records"] == 5


def test_after_a_restart_nothing_is_reported_twice() -> None:
    made, heads = chain("block", "allow", "block"), Heads()
    one = lockdown(heads, made[1].head)
    for record in made:
        one.take(record)
    assert heads.names() == ["usb.blocked"]


def test_a_chain_that_was_made_anew_is_told() -> None:
    heads = Heads()
    one = lockdown(heads, chain("block", "allow")[1].head)
    for record in chain("block", "block", "block"):
        one.take(record)
    assert heads.names()[0] == "usb.alarm"
    assert "made anew" in str(heads.events[0].fields["reason"])


async def test_a_warden_that_is_away_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heads, tries = Heads(), 0

    async def silent(path: str, terminal: str) -> AsyncIterator[Heard]:
        nonlocal tries
        tries += 1
        raise WardenSilent("nobody there")
        yield

    monkeypatch.setattr("terminal_agent.flows.lockdown.AGAIN_AFTER_S", 0)
    one = Lockdown("/nowhere", TERMINAL, heads, None, silent)  # type: ignore[arg-type]  # all of it that is used
    task = asyncio.create_task(one.follow())
    while tries < 5:
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert heads.names() == ["usb.alarm"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    found = Shop(tmp_path)
    yield found
    found.close()


async def test_from_a_running_warden_to_a_report(shop: Shop) -> None:
    shop.plug("1-1", STICK)
    shop.start()
    until(lambda: shop.verdicts("1-1"))
    heads = Heads()
    one = lockdown(heads)
    heard = records(str(shop.folder / "sock"), TERMINAL)
    async for found in heard:
        one.take(found.record)
        if found.record.fields.get("port") == "1-1":
            break
    await heard.aclose()  # type: ignore[attr-defined]  # an async generator
    blocked = [event for event in heads.events if event.name == "usb.blocked"]
    assert [event.fields["port"] for event in blocked] == ["usb1", "1-1"]
    one.anchor_now()
    anchored = heads.events[-1].fields
    last = shop.records()[int(str(anchored["records"])) - 1]
    assert last["hash"] == anchored["hash"]
