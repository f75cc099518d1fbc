# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A broker that is killed and comes back under a whole agent: payments go on, head office sees every event once."""

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from device_profiles.serve.mosquitto import free_port
from tests.brokers import Running, broker
from tests.flows.lives import Agent, Cradle, living
from tests.flows.reckoning import UNRECORDED, audit_events, reckon
from tests.flows.shop import Shop
from tests.flows.test_reporting_over_mqtt import Line, shown, start_watch
from tests.patience import until


def reports(watch: Line) -> list[dict[str, Any]]:
    """What head office was shown, in the order of the reports' numbers; nothing of it twice, no will."""
    numbers = shown(watch)
    assert len(numbers) == len(set(numbers))
    documents = [json.loads(line) for line in watch.lines]
    found = [document for document in documents if document["event"] == "report" and document["seq"]]
    found = [document for document in found if document["name"] not in UNRECORDED]
    return sorted(found, key=lambda document: (document["boot"], document["seq"]))


async def seen_at_head_office(watch: Line, shop: Shop) -> None:
    """Wait until everything was shown."""
    await until(lambda: len(reports(watch)) >= len(audit_events(shop.state)))


def pid_of(running: Running) -> int:
    """Of a mosquitto."""
    assert running.pid is not None
    return running.pid


async def pay(agent: Agent, told: dict[str, dict[str, Any]]) -> None:
    fields = await agent.pays()
    told[fields["payment"]] = fields
    assert fields["outcome"] == "approved"


async def test_every_event_of_every_payment_is_seen_once_and_in_its_order(tmp_path: Path) -> None:
    port = free_port()
    shop = Shop(tmp_path)
    shop.values["broker"] = f"127.0.0.1:{port}"
    told: dict[str, dict[str, Any]] = {}
    async with shop.open(), Cradle.open() as cradle, contextlib.AsyncExitStack() as brokers:
        running = await brokers.enter_async_context(broker("mosquitto", shop.pki, tmp_path, port))
        watch = await start_watch(shop.pki, running.address)
        async with living(shop, cradle) as agent:
            await pay(agent, told)
            for _ in range(2):
                os.kill(pid_of(running), signal.SIGKILL)
                await pay(agent, told)
                await pay(agent, told)
                running = await brokers.enter_async_context(broker("mosquitto", shop.pki, tmp_path, port))
                await seen_at_head_office(watch, shop)
        pid = await cradle.bear(shop.folder / "terminal.toml")
        doomed = await Agent.meet(pid, shop.folder / "agent.sock")
        await doomed.has_devices()
        os.kill(pid_of(running), signal.SIGKILL)
        await pay(doomed, told)
        os.kill(pid, signal.SIGKILL)  # with reports that nobody has
        await cradle.ended()
        await doomed.leave()
        running = await brokers.enter_async_context(broker("mosquitto", shop.pki, tmp_path, port))
        async with living(shop, cradle) as agent:
            await pay(agent, told)
            await seen_at_head_office(watch, shop)
        events = audit_events(shop.state)
        seen = [{name: one[name] for name in ("name", "at_ms", "fields")} for one in reports(watch)]
        assert len(seen) >= len(events) - 1, "all but the agent's last word, which may wait for its next start"
        assert seen == events[: len(seen)]
        assert await watch.end(signal.SIGTERM) == 0
    found = reckon(shop, told)
    assert (found.unmatched, found.approved) == ([], len(told))
