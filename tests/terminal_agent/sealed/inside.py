# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A vault without a process: the real parts on disks in memory that can fail, tear and forget what was not synced."""

import mmap
import random
from dataclasses import dataclass, field

from terminal_agent.sealed.arena import Arena
from terminal_agent.sealed.fences import Fence
from terminal_agent.sealed.keys import ring as rings
from terminal_agent.sealed.keys.counters import Counters, PinRate
from terminal_agent.sealed.keys.elsewhere import COUNTER_OCTETS, FileCounter
from terminal_agent.sealed.keys.inject import take_components
from terminal_agent.sealed.keys.ring import Ring
from terminal_agent.sealed.keys.store import FILE_OCTETS, Store
from terminal_agent.sealed.vault import Circumstances, Vault
from tests.terminal_agent.sealed.vaults import TRANSPORT

STORE_KEY = bytes(range(32))
IDENTITY = b"identity-of-test"
SECTOR = 512


class PowerCut(BaseException):
    """Nothing runs any more; not an error that code could handle."""


class TornDisk:
    """A disk whose power goes after so many writes and syncs. What was not synced may be there, in part, or not."""

    def __init__(self, octets: int, chance: random.Random) -> None:
        self.durable = bytearray(octets)
        self.steps_left: int | None = None
        self.syncs = 0
        self._cached = bytearray(octets)
        self._pending: list[tuple[int, bytes]] = []
        self._chance = chance

    def read(self, offset: int, octets: int) -> bytes:
        return bytes(self._cached[offset : offset + octets])

    def write(self, offset: int, octets: bytes) -> None:
        self._pending.append((offset, bytes(octets)))
        self._cached[offset : offset + len(octets)] = octets
        self._step()

    def sync(self) -> None:
        self._step()
        for offset, octets in self._pending:
            self.durable[offset : offset + len(octets)] = octets
        self._pending.clear()
        self.syncs += 1

    def _step(self) -> None:
        if self.steps_left is None:
            return
        if self.steps_left == 0:
            self.cut()
            raise PowerCut
        self.steps_left -= 1

    def cut(self) -> None:
        """Of what was not synced each sector is old, new, or torn inside."""
        for offset, octets in self._pending:
            for start in range(0, len(octets), SECTOR):
                sector = octets[start : start + SECTOR]
                keep = self._chance.choice((0, len(sector), self._chance.randrange(len(sector) + 1)))
                self.durable[offset + start : offset + start + keep] = sector[:keep]
        self._pending.clear()

    def power_on(self) -> None:
        """What is there after the cut."""
        self._cached[:] = self.durable
        self._pending.clear()
        self.steps_left = None


@dataclass
class Machine:
    """Two disks and a clock; :meth:`start` is a start of the vault."""

    chance: random.Random = field(default_factory=lambda: random.Random(1))
    rate: PinRate = field(default_factory=lambda: PinRate(1, 1_000_000))
    now: int = 1_000_000
    steady: int = 5_000
    needed: tuple[str, ...] = ("pin", "mac-master")
    custodians: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        self.store_disk = TornDisk(FILE_OCTETS, self.chance)
        self.counter_disk = TornDisk(COUNTER_OCTETS, self.chance)
        _, ring, store, elsewhere = self._parts()
        elsewhere.write(0, 0)
        ring.custodians = self.custodians
        ring.pin_credit_ms = self.rate.interval_ms * self.rate.burst
        components = bytearray(32), bytearray(TRANSPORT)
        components[0][:] = components[0].replace(b"\0", b"\x55")
        for place in range(32):
            components[1][place] ^= 0x55
        take_components(ring, components, self.now)
        store.save(ring)
        store.save(ring)

    def start(self) -> Vault:
        """A vault on what is on the disks. Raises what keeps it locked."""
        for disk in (self.store_disk, self.counter_disk):
            disk.power_on()
        arena, ring, store, elsewhere = self._parts()
        store.load(ring)
        counters = Counters(ring, store, elsewhere, self.rate, lambda: self.steady)
        counters.begin()
        self.ring, self.arena, self.store = ring, arena, store
        around = Circumstances(self.needed, lambda: self.now, self.chance.randbytes)
        return Vault(ring, store, counters, around)

    def cut_after(self, steps: int | None) -> None:
        """Power goes at the write or sync after ``steps`` more of either disk."""
        self.store_disk.steps_left = self.counter_disk.steps_left = steps

    def cut(self) -> None:
        """Now, on both disks."""
        self.store_disk.cut()
        self.counter_disk.cut()

    def _parts(self) -> tuple[Arena, Ring, Store, FileCounter]:
        arena = Arena(mmap.mmap(-1, 256 * 1024), Fence("arena", True, ""))
        ring = rings.empty(arena)
        key = arena.take(32)
        key[:] = STORE_KEY
        store = Store(self.store_disk, key, IDENTITY, arena, self.chance.randbytes)
        return arena, ring, store, FileCounter(self.counter_disk, key)
