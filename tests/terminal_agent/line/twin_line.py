# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A line whose other end is a twin in the same process; it may cut, delay and spoil what it carries."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from device_profiles.serve.pty import SerialTwin
from terminal_agent.line.port import LineGone

Spoil = Callable[[str, int, int], int | None]
"""Direction (``>`` to the device), place of the octet in that direction, octet → what arrives, None for nothing."""


@dataclass
class Carriage:
    """How octets travel."""

    cut: int = 0
    delay_s: float = 0.0
    spoil: Spoil | None = None


WHOLE = Carriage()
OCTET_BY_OCTET = Carriage(cut=1, delay_s=0.001)
DELAYED = Carriage(cut=7, delay_s=0.02)


@dataclass
class TwinLine:
    """A :class:`terminal_agent.line.port.Line`."""

    twin: SerialTwin
    carriage: Carriage = field(default_factory=Carriage)
    name: str = "twin"
    sent: bytearray = field(default_factory=bytearray)
    said: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()
        self._free = {">": 0.0, "<": 0.0}
        self._due: asyncio.TimerHandle | None = None
        self._counts = {">": 0, "<": 0}
        self.plugged = True

    @property
    def ended(self) -> bool:
        return not self.plugged

    async def read(self) -> bytes:
        octets = await self._arrived.get()
        if not octets:
            self._arrived.put_nowait(b"")
            raise LineGone("twin: hung up", "plug it in")
        return octets

    def write(self, octets: bytes) -> None:
        if not self.plugged:
            raise LineGone("twin: hung up", "plug it in")
        self.sent += octets
        self._carry(">", octets, self._to_device)

    async def close(self) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Pull the cable."""
        self.plugged = False
        for timer in (*self._timers, *((self._due,) if self._due else ())):
            timer.cancel()
        self._arrived.put_nowait(b"")

    def press(self, deed: Callable[[float], bytes]) -> None:
        """Something happens to the device itself, such as a key that a person presses; told the time."""
        self._answer(deed(self._loop.time()))

    def _to_device(self, octets: bytes) -> None:
        self._answer(self.twin.feed(octets, self._loop.time()))

    def _answer(self, octets: bytes) -> None:
        self.said += octets
        if octets:
            self._carry("<", octets, self._arrived.put_nowait)
        if self._due is not None:
            self._due.cancel()
            self._due = None
        due = self.twin.due
        if due is not None and self.plugged:
            self._due = self._loop.call_at(due, lambda: self._answer(self.twin.tick(self._loop.time())))

    def _carry(self, direction: str, octets: bytes, arrive: Callable[[bytes], None]) -> None:
        octets = self._spoiled(direction, octets)
        size = self.carriage.cut or len(octets) or 1
        for place in range(0, len(octets), size):
            # One piece after the other, never at once: what is sent later arrives later.
            when = max(self._loop.time(), self._free[direction]) + self.carriage.delay_s
            self._free[direction] = when
            self._timers.add(self._loop.call_at(when, arrive, octets[place : place + size]))

    def _spoiled(self, direction: str, octets: bytes) -> bytes:
        spoil = self.carriage.spoil
        start = self._counts[direction]
        self._counts[direction] += len(octets)
        if spoil is None:
            return octets
        arrived = (spoil(direction, start + place, octet) for place, octet in enumerate(octets))
        return bytes(octet for octet in arrived if octet is not None)


def flip(direction: str, place: int, bits: int = 0x04) -> Spoil:
    """Spoils one octet."""
    return lambda way, here, octet: octet ^ bits if (way, here) == (direction, place) else octet


def lose(direction: str, place: int) -> Spoil:
    """Loses one octet."""
    return lambda way, here, octet: None if (way, here) == (direction, place) else octet
