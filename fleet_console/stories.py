# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The ledgers of all terminals, as far as they are in memory, read from the store when they are first needed.

Across boots: the first report of a boot names the hash of the last one of the boot before. Two boots that name the same
one are two lives of one terminal, a copy of it: a disk that was cloned, or put back to an older state.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum

from fleet_console.ledger import Boot, Place
from fleet_console.store.port import Database, Step
from protocols.telemetry.envelope import Report, decode

BOOTS_KEPT = 8  # boots of one terminal in memory: late reports come from the last one or two
TERMINALS_KEPT = 50_000
MOST_ASKED = 64  # boots of one terminal that wait to be looked for; the oldest go first


class Finding(StrEnum):
    """What a terminal's story shows beyond its reports."""

    UNLINKED = "unlinked"
    """A report does not follow the one before it."""
    CONFLICT = "conflict"
    """A number came twice with different contents."""
    FORK = "fork"
    """Two boots follow the same report."""
    ROLLED_BACK = "rolled back"
    """A boot follows a report that is not the last one that was heard before it."""

    @property
    def is_clone(self) -> bool:
        """Whether it can only be if two machines bear the terminal's name and key."""
        return self in (Finding.CONFLICT, Finding.FORK)


@dataclass(slots=True)
class Story:
    """One terminal: its latest boots, the serial of its last receipt, how often it says that it is alive."""

    boots: dict[int, Boot]
    serial: int = 0
    every_s: int = 0
    latest_boot: int = 0
    ask: list[tuple[int, bytes]] = field(default_factory=list)
    """Boots whose first report names a hash that the end before it in memory has not: the store knows what it is.

    Memory holds some boots only, and late ones come in any order: the one before may not be there.
    """

    def add(self, report: Report, own: bytes) -> tuple[Place, Finding | None]:
        """Enter one report, whose octets have the hash ``own``."""
        boot = self.boots.get(report.boot)
        if boot is None:
            boot = self.boots[report.boot] = Boot()
            self.latest_boot = max(self.latest_boot, report.boot)
            for old in sorted(self.boots)[:-BOOTS_KEPT]:
                if old != report.boot:
                    del self.boots[old]
        prev = bytes.fromhex(report.prev)
        place = boot.add(report.seq, prev, own)
        if place is Place.UNLINKED:
            return place, Finding.UNLINKED
        return place, self._follows(report.boot, prev) if report.seq == 1 and place is Place.NEW else None

    def _follows(self, boot: int, prev: bytes) -> Finding | None:
        if any(number != boot and other.first_prev == prev for number, other in self.boots.items()):
            return Finding.FORK
        before = [number for number in self.boots if number < boot]
        if before and self.boots[max(before)].last_hash != prev:
            self.ask = [*self.ask[1 - MOST_ASKED :], (boot, prev)]
        return None


class Stories:
    """All of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, Story] = OrderedDict()

    async def of(self, terminal: str, boot: int) -> Story:
        """A terminal's story, with that boot's ledger where the store has one."""
        story = self._known.get(terminal)
        if story is None:
            story = self._known[terminal] = await self._load(terminal)
            if len(self._known) > TERMINALS_KEPT:
                self._known.popitem(last=False)
        if boot not in story.boots and boot < story.latest_boot:
            found = await self._database.read(_BOOTS + " AND boot = $2", terminal, boot)
            for row in found:
                story.boots[boot] = await self._boot(terminal, *row)
        return story

    def cached(self, terminal: str, boot: int) -> Story | None:
        """The story, where :meth:`of` need not ask the store."""
        story = self._known.get(terminal)
        if story is None or (boot not in story.boots and boot < story.latest_boot):
            return None
        return story

    def forget(self, terminals: set[str]) -> None:
        """What was entered of these was not committed: read them anew."""
        for terminal in terminals:
            self._known.pop(terminal, None)

    async def rolled_back(self, terminal: str, boot: int, prev: bytes) -> bool:
        """Whether a boot follows a committed report behind which there are others from before that boot."""
        for before, seq in await self._database.read(
            "SELECT boot, seq FROM reports WHERE terminal = $1 AND hash = $2", terminal, prev
        ):
            if await self._database.read(_BETWEEN, terminal, before, seq, boot):
                return True
        return False

    async def committed(self, terminal: str, boot: int, seq: int) -> bytes | None:
        """The hash of the report that stands under this number; None where the number was dropped."""
        found = await self._database.read(
            "SELECT hash FROM reports WHERE terminal = $1 AND boot = $2 AND seq = $3", terminal, boot, seq
        )
        return bytes(found[0][0]) if found else None

    async def _load(self, terminal: str) -> Story:
        story = Story({})
        for row in await self._database.read(_BOOTS + f" ORDER BY boot DESC LIMIT {BOOTS_KEPT}", terminal):
            story.boots[row[0]] = await self._boot(terminal, *row)
        story.latest_boot = max(story.boots, default=0)
        for (serial,) in await self._database.read("SELECT serial FROM receipts WHERE terminal = $1", terminal):
            story.serial = serial
        return story

    async def _boot(self, terminal: str, boot: int, upto: int, first: bytes | None, last: bytes | None) -> Boot:
        found = Boot(upto, first, last)
        for octets, own in await self._database.read(
            "SELECT octets, hash FROM reports WHERE terminal = $1 AND boot = $2 AND seq > $3 ORDER BY seq",
            terminal, boot, upto,
        ):  # fmt: skip
            report = decode(bytes(octets))
            found.add(report.seq, bytes.fromhex(report.prev), bytes(own))
        for first_number, last_number in await self._database.read(
            "SELECT first, last FROM dropped WHERE terminal = $1 AND boot = $2", terminal, boot
        ):
            found.account(first_number, last_number)
        return found


_BETWEEN = (
    "SELECT 1 FROM reports WHERE terminal = $1 AND seq > 0 "
    "AND ((boot = $2 AND seq > $3) OR (boot > $2 AND boot < $4)) LIMIT 1"
)
_BOOTS = "SELECT boot, upto, first_prev, last_hash FROM stories WHERE terminal = $1"


def keeping(changed: dict[tuple[str, int], Boot]) -> Step:
    """What keeps the ledgers that have changed."""
    return (
        "INSERT INTO stories VALUES ($1, $2, $3, $4, $5) ON CONFLICT (terminal, boot) DO UPDATE SET "
        "upto = excluded.upto, first_prev = excluded.first_prev, last_hash = excluded.last_hash",
        [
            (terminal, boot, ledger.upto, ledger.first_prev, ledger.floor_hash)
            for (terminal, boot), ledger in changed.items()
        ],
    )
