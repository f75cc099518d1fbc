# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: an event comes as soon as it is whole, None at the deadline, the driver's own error when the line went."""

import asyncio

import pytest

from protocols.serial.framer import Damaged
from protocols.serial.pn532 import Event, Frame, FrameFramer
from terminal_agent.errors import AgentError
from terminal_agent.line.hearing import Hearing
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run

BEGAN = 1000.0  # virtual time
ONE, OTHER = Frame(0xD5, b"\x03\x01"), Frame(0xD5, b"\x15")


class Gone(AgentError):
    """The driver's own."""


class Speaker:
    """A device that says, at given times, given octets."""

    def __init__(self, *words: tuple[float, bytes]) -> None:
        self._words = list(words)

    def feed(self, octets: bytes, now: float) -> bytes:
        return b""

    def tick(self, now: float) -> bytes:
        said = b"".join(octets for when, octets in self._words if when <= now)
        self._words = [one for one in self._words if one[0] > now]
        return said

    @property
    def due(self) -> float | None:
        return min((when for when, _ in self._words), default=None)


def heard(*words: tuple[float, bytes]) -> tuple[Hearing[Event], TwinLine, list[Event]]:
    told: list[Event] = []
    line = TwinLine(Speaker(*words))
    return Hearing(line, FrameFramer(), 0.05, Gone, told.append), line, told


def test_in_order_and_told_at_once() -> None:
    async def main() -> None:
        hearing, _, told = heard((BEGAN + 1.0, ONE.encode() + OTHER.encode()))
        hearing.put(b"?")
        assert await hearing.event(BEGAN + 5.0) == ONE
        assert told == [ONE, OTHER]
        hearing.unhear(ONE)
        assert await hearing.event(BEGAN + 5.0) == ONE
        assert await hearing.event(BEGAN + 5.0) == OTHER
        assert await hearing.event(BEGAN + 5.0) is None
        assert hearing.now() == pytest.approx(BEGAN + 5.0)

    run(main())


def test_a_frame_that_stands_still_is_damaged() -> None:
    async def main() -> None:
        hearing, _, _ = heard((BEGAN + 1.0, ONE.encode()[:-2]))
        hearing.put(b"?")
        assert isinstance(await hearing.event(BEGAN + 5.0), Damaged)
        assert hearing.now() == pytest.approx(BEGAN + 1.05)

    run(main())


def test_a_deadline_put_off_and_brought_forward() -> None:
    async def main() -> None:
        hearing, _, _ = heard()
        waiting = asyncio.create_task(hearing.event(BEGAN + 2.0))
        await asyncio.sleep(1.0)
        hearing.reschedule(BEGAN + 3.0)
        assert await waiting is None
        assert hearing.now() == pytest.approx(BEGAN + 3.0)
        waiting = asyncio.create_task(hearing.event(BEGAN + 9.0))
        await asyncio.sleep(1.0)
        hearing.reschedule(BEGAN + 4.5)
        assert await waiting is None
        assert hearing.now() == pytest.approx(BEGAN + 4.5)

    run(main())


def test_what_nobody_asked_for_is_dropped() -> None:
    async def main() -> None:
        hearing, _, _ = heard(
            (BEGAN + 1.0, ONE.encode() + ONE.encode() + OTHER.encode()[:4]), (BEGAN + 1.01, OTHER.encode()[4:])
        )
        hearing.put(b"?")
        assert await hearing.event(BEGAN + 5.0) == ONE
        hearing.forget()
        assert await hearing.event(BEGAN + 5.0) == OTHER
        hearing.clear()
        assert await hearing.event(BEGAN + 1.5) is None

    run(main())


def test_a_line_that_went_is_the_drivers_error() -> None:
    async def main() -> None:
        hearing, line, _ = heard()
        asyncio.get_running_loop().call_later(1.0, line.unplug)
        with pytest.raises(Gone) as caught:
            await hearing.event(BEGAN + 5.0)
        assert caught.value.what
        with pytest.raises(Gone):
            hearing.put(b"x")

    run(main())
