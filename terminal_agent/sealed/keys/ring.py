# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Everything of the vault that outlives it: keys, counters, marks; and its form as octets. Writes no file.

Keys rest in the arena. Beside them stands what is not secret: check values, counters, what was destroyed and when.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from protocols.errors import DecodeError
from terminal_agent.sealed.arena import Arena
from terminal_agent.sealed.keys.slots import SLOTS

LARGEST_KEY = 1_152
"""Octets: the state of AES DUKPT with keys of 256 bits has 1,074."""
LARGEST_CREDENTIAL = 384
"""Octets: two primes of 1,536 bits."""
LARGEST_DELIVERY = 5_000
"""Octets: three certificates, names, times. With four states of AES DUKPT and all that is remembered, the ring then
has 14,300; a place of the store has 16 KiB."""
MARK: Final = b"TGV2"
REMEMBERED = 64
"""Fingerprints of keys that served once and must not come again; and what was destroyed."""


@dataclass(slots=True)
class Held:
    """One key. ``region`` is its place in the arena, ``size`` how much of it is used."""

    region: memoryview
    size: int = 0
    usage: str = ""
    algorithm: str = ""
    check_value: bytes = b""
    fingerprint: bytes = b""
    loaded_ms: int = 0
    origin: str = ""

    def __bool__(self) -> bool:
        return self.size > 0

    @property
    def octets(self) -> memoryview:
        """The key itself, in the arena."""
        return self.region[: self.size]

    def put(self, octets: bytearray | memoryview) -> None:
        """Take a copy of ``octets`` into the arena; the caller wipes his own."""
        self.region[:] = bytes(len(self.region))
        self.size = len(octets)
        self.region[: self.size] = octets

    def take_over(self, other: "Held") -> None:
        """Become ``other``, which is empty afterwards."""
        self.put(other.octets)
        self.usage, self.algorithm, self.check_value = other.usage, other.algorithm, other.check_value
        self.fingerprint, self.loaded_ms, self.origin = other.fingerprint, other.loaded_ms, other.origin
        other.wipe()

    def wipe(self) -> None:
        """Overwrite the key and forget what it was."""
        self.region[:] = bytes(len(self.region))
        self.size = self.loaded_ms = 0
        self.usage = self.algorithm = self.origin = ""
        self.check_value = self.fingerprint = b""


@dataclass(frozen=True, slots=True)
class Destroyed:
    """Evidence that a key is gone."""

    slot: str
    check_value: bytes
    why: str
    at_ms: int


@dataclass(slots=True)
class Ring:
    """The keys by slot, serving and waiting, and all that is counted."""

    serving: dict[str, Held]
    waiting: dict[str, Held]
    credential: Held
    """The two primes of the RSA key of TR-34, one behind the other."""
    delivery: tuple[bytes, ...] = ()
    """What TR-34 has to remember, nothing of it secret; see :mod:`terminal_agent.sealed.delivery`."""
    generation: int = 0
    """Goes up with every start and every block of key uses; the same number is kept elsewhere."""
    used: dict[str, int] = field(default_factory=dict)
    """Key uses by slot since the generation began."""
    pin_credit_ms: int = 0
    """What the PIN throttle has saved up."""
    failed_loads: int = 0
    """Key blocks in a row that were not authentic."""
    tampered: str = ""
    """The source of a tamper input; empty for none."""
    tampered_ms: int = 0
    custodians: tuple[bytes, ...] = ()
    """Ed25519 public keys, 32 octets each."""
    spent: deque[bytes] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    destroyed: deque[Destroyed] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def wipe_keys(self) -> None:
        """Overwrite every key."""
        for held in (*self.serving.values(), *self.waiting.values(), self.credential):
            held.wipe()
        self.delivery = ()


def empty(arena: Arena) -> Ring:
    """A ring without keys, its places taken in the arena."""
    return Ring(
        {name: Held(arena.take(LARGEST_KEY)) for name in SLOTS},
        {name: Held(arena.take(LARGEST_KEY)) for name in SLOTS},
        Held(arena.take(LARGEST_CREDENTIAL)),
        used=dict.fromkeys(SLOTS, 0),
    )


class _Writer:
    def __init__(self, region: memoryview) -> None:
        self.region = region
        self.place = 0

    def put(self, octets: bytes | memoryview) -> None:
        end = self.place + 2 + len(octets)
        self.region[self.place : self.place + 2] = len(octets).to_bytes(2, "big")
        self.region[self.place + 2 : end] = octets
        self.place = end

    def number(self, value: int) -> None:
        self.region[self.place : self.place + 8] = value.to_bytes(8, "big")
        self.place += 8

    def held(self, held: Held) -> None:
        self.put(held.octets)
        self.put("|".join((held.usage, held.algorithm, held.origin)).encode())
        self.put(held.check_value)
        self.put(held.fingerprint)
        self.number(held.loaded_ms)


class _Reader:
    def __init__(self, region: memoryview) -> None:
        self.region = region
        self.place = 0

    def take(self) -> memoryview:
        start = self.place + 2
        self.place = start + int.from_bytes(self.region[self.place : start], "big")
        if self.place > len(self.region):
            raise DecodeError("vault store", "cut short, though its seal holds: made by another version")
        return self.region[start : self.place]

    def octets(self) -> bytes:
        return bytes(self.take())

    def text(self) -> str:
        return self.octets().decode()

    def number(self) -> int:
        start, self.place = self.place, self.place + 8
        return int.from_bytes(self.region[start : self.place], "big")

    def held(self, held: Held) -> None:
        held.put(self.take())
        held.usage, held.algorithm, held.origin = self.text().split("|")
        held.check_value, held.fingerprint = self.octets(), self.octets()
        held.loaded_ms = self.number()


def write(ring: Ring, region: memoryview) -> int:
    """The ring as octets into ``region``, which lies in the arena; how many there are."""
    out = _Writer(region)
    out.put(MARK)
    for value in (ring.generation, ring.pin_credit_ms, ring.failed_loads, ring.tampered_ms):
        out.number(value)
    for octets in (ring.tampered.encode(), b"".join(ring.custodians), b"".join(ring.spent)):
        out.put(octets)
    out.number(len(ring.destroyed))
    for gone in ring.destroyed:
        out.put(gone.slot.encode())
        out.put(gone.check_value)
        out.put(gone.why.encode())
        out.number(gone.at_ms)
    out.number(len(ring.delivery))
    for octets in ring.delivery:
        out.put(octets)
    out.held(ring.credential)
    for name in SLOTS:
        out.number(ring.used[name])
        for held in (ring.serving[name], ring.waiting[name]):
            out.held(held)
    return out.place


def read(region: memoryview, ring: Ring) -> None:
    """Fill ``ring`` from octets that :func:`write` made."""
    source = _Reader(region)
    if source.octets() != MARK:
        raise DecodeError("vault store", "a mark of this version expected")
    ring.generation, ring.pin_credit_ms = source.number(), source.number()
    ring.failed_loads, ring.tampered_ms = source.number(), source.number()
    ring.tampered = source.text()
    custodians, spent = source.octets(), source.octets()
    ring.custodians = tuple(custodians[place : place + 32] for place in range(0, len(custodians), 32))
    ring.spent.extend(spent[place : place + 8] for place in range(0, len(spent), 8))
    for _ in range(source.number()):
        ring.destroyed.append(Destroyed(source.text(), source.octets(), source.text(), source.number()))
    ring.delivery = tuple(source.octets() for _ in range(source.number()))
    source.held(ring.credential)
    for name in SLOTS:
        ring.used[name] = source.number()
        for held in (ring.serving[name], ring.waiting[name]):
            source.held(held)
