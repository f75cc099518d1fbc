# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The event thread against a service that can be made to do anything: what it tells, and that it ends."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from terminal_agent.card.pcsc_codes import Code
from terminal_agent.card.pcsc_watch import LONGEST_PAUSE_S, Table, View, Watch
from tests.patience import PATIENCE_S
from tests.terminal_agent.card.service import ATR, Service

READER = "Box 00 00"


@pytest.fixture
def service() -> Service:
    return Service(READER)


@pytest.fixture
async def watch(service: Service) -> AsyncIterator[View]:
    made = Watch(service.context)
    yield View(made)
    await made.close()


async def told(watch: View, wanted: object) -> Table:
    """The first table of which ``wanted`` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await watch.changed()
            if wanted(table := watch.look()):  # type: ignore[operator]
                return table


async def test_the_first_table_is_whole(service: Service) -> None:
    service.put_in(READER)
    watch = Watch(service.context)
    view = View(watch)
    await view.changed()
    slot = view.look().slots[READER]
    assert (slot.present, slot.mute, slot.atr) == (True, False, ATR)
    await watch.close()


async def test_cards_come_and_go(service: Service, watch: View) -> None:
    await told(watch, lambda table: READER in table.slots)
    service.put_in(READER)
    await told(watch, lambda table: table.slots[READER].present)
    service.take_out(READER)
    await told(watch, lambda table: not table.slots[READER].present)


async def test_a_card_that_was_exchanged_unseen_is_another_visit(service: Service, watch: View) -> None:
    service.put_in(READER)
    first = (await told(watch, lambda table: READER in table.slots and table.slots[READER].present)).slots[READER]
    with service.news:  # reentrant: the thread sees only the last state
        service.take_out(READER)
        service.put_in(READER)
    second = (await told(watch, lambda table: table.slots[READER].visit != first.visit)).slots[READER]
    assert second.present
    assert second.visit > first.visit


async def test_readers_are_plugged_and_unplugged(service: Service, watch: View) -> None:
    await told(watch, lambda table: set(table.slots) == {READER})
    service.plug("Second 01 00")
    await told(watch, lambda table: set(table.slots) == {READER, "Second 01 00"})
    service.unplug(READER)
    await told(watch, lambda table: set(table.slots) == {"Second 01 00"})
    service.unplug("Second 01 00")
    table = await told(watch, lambda table: not table.slots)
    assert table.fault is None


async def test_no_reader_at_all() -> None:
    watch = Watch(Service().context)
    assert (await told(View(watch), lambda table: True)) == Table(None, {})
    await watch.close()


async def test_the_service_dies_and_comes_back(service: Service, watch: View) -> None:
    service.put_in(READER)
    before = await told(watch, lambda table: READER in table.slots and table.slots[READER].present)
    service.die()
    gone = await told(watch, lambda table: table.fault is not None)
    assert gone == Table(Code.NO_SERVICE, {})
    service.live()
    after = await told(watch, lambda table: table.fault is None)
    assert after.slots[READER].present
    assert after.slots[READER].visit != before.slots[READER].visit


async def test_a_service_that_is_away_is_not_asked_without_pause(service: Service, watch: View) -> None:
    service.die()
    await told(watch, lambda table: table.fault is not None)
    before, began = service.asked, time.monotonic()
    await asyncio.sleep(0.5)
    assert service.asked - before <= 8 + (time.monotonic() - began) / LONGEST_PAUSE_S


async def test_a_slow_reader_of_tables_sees_the_last_one(service: Service, watch: View) -> None:
    await told(watch, lambda table: READER in table.slots)
    for _ in range(200):
        service.put_in(READER)
        service.take_out(READER)
    service.put_in(READER)
    assert (await told(watch, lambda table: table.slots[READER].present)).slots[READER].visit[1] == 401


async def test_closes_although_a_cancel_may_come_too_early() -> None:
    for _ in range(20):
        watch = Watch(Service(READER).context)
        await watch.close()
    assert "pcsc-events" not in [thread.name for thread in threading.enumerate()]


async def test_closes_while_the_service_is_away(service: Service) -> None:
    service.die()
    watch = Watch(service.context)
    await told(View(watch), lambda table: table.fault is not None)
    await watch.close()
    assert "pcsc-events" not in [thread.name for thread in threading.enumerate()]
