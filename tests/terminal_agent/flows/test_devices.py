# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a device that goes is told within 50 ms, once, and is opened anew with back-off until it is back."""

import asyncio
from typing import Any

import pytest

from terminal_agent.errors import AgentError
from terminal_agent.flows.devices import Attached, DeviceAway
from tests.virtual_time import run


class Driver:
    """A device whose cable can be pulled."""

    def __init__(self) -> None:
        self.plugged = True
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Slot:
    """A device slot, the times of all that happens to it, and a hand at its cable."""

    def __init__(self) -> None:
        self.there = True
        self.tried: list[float] = []
        self.told: list[tuple[str, float]] = []
        self.drivers: list[Driver] = []
        self.attached = Attached("pad", self._open, self, lambda: not self.drivers[-1].plugged)

    def note(self, name: str, **fields: Any) -> None:
        self.told.append((name, asyncio.get_running_loop().time()))

    def pull(self) -> None:
        self.there = self.drivers[-1].plugged = False

    async def _open(self) -> Driver:
        self.tried.append(asyncio.get_running_loop().time())
        if not self.there:
            raise AgentError("/dev/ttyUSB0: no such port", "plug it in")
        self.drivers.append(Driver())
        return self.drivers[-1]


def test_it_is_missed_at_once_and_opened_with_back_off() -> None:
    async def main() -> None:
        slot = Slot()
        await slot.attached.open()
        keeping = asyncio.create_task(slot.attached.keep())
        await asyncio.sleep(10.013)
        pulled = asyncio.get_running_loop().time()
        slot.pull()
        await asyncio.sleep(5.0)
        ((name, missed),) = slot.told
        assert name == "device.lost"
        assert missed - pulled <= 0.05
        assert slot.drivers[0].closed
        with pytest.raises(DeviceAway, match="no such port"):
            slot.attached.driver()
        pauses = [
            round(after - before, 6) for before, after in zip([missed, *slot.tried[1:]], slot.tried[1:], strict=False)
        ]
        assert pauses[:6] == [0.1, 0.2, 0.4, 0.8, 0.8, 0.8]
        slot.there = True
        plugged = asyncio.get_running_loop().time()
        await asyncio.sleep(2.0)
        assert slot.told[-1][0] == "device.back"
        assert slot.told[-1][1] - plugged <= 0.8
        assert slot.attached.driver() is slot.drivers[1]
        keeping.cancel()

    run(main())


def test_after_it_was_back_the_pauses_begin_anew() -> None:
    async def main() -> None:
        slot = Slot()
        await slot.attached.open()
        keeping = asyncio.create_task(slot.attached.keep())
        for _ in range(2):
            slot.pull()
            await asyncio.sleep(3.0)
            slot.there = True
            await asyncio.sleep(2.0)
        lost = [at for name, at in slot.told if name == "device.lost"]
        assert len(lost) == 2
        for at in lost:
            assert round(min(one for one in slot.tried if one > at) - at, 6) == 0.1
        keeping.cancel()

    run(main())
