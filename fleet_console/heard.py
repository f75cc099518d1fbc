# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a watch has heard of each terminal since it began: what is new, came twice, or is missing. Stores nothing.

A report's identity is (terminal, boot, seq). It may come twice, after an acknowledgement was lost, and counts once. A
number that is jumped over is a gap until it comes: for a moment, mostly, since an urgent lane overtakes the others.
Whatever order they come in, a report must link to the one with the number before it, and the first report of a new
boot to the last one of the boot before, which may come later: so a terminal whose whole disk was put back to an older
state shows, since what head office has heard no longer leads to what it hears.

The will (number 0) stands outside: it says that a connection of this life ended, as often as one does.
"""

from dataclasses import dataclass, field
from enum import Enum

from protocols.telemetry.envelope import WILL_SEQ, Report, genesis, report_hash
from protocols.telemetry.ranges import Range, ranges_of

BOOTS_KEPT = 8  # boots of one terminal that are remembered: late reports come from the last one or two
NUMBERS_KEPT = 100_000  # single numbers remembered for one boot; an outbox holds no more
LINKS_KEPT = 2_000  # reports of one boot whose links are remembered: as many as may be overtaken


class Verdict(Enum):
    """What a report is to whoever has heard the ones before."""

    NEW = "new"
    DUPLICATE = "duplicate"
    UNLINKED = "unlinked"
    """New, but it does not link to the report before it: one of the two is not what the terminal wrote."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that were jumped over."""

    terminal: str
    boot: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A report's verdict, and the gap before it where there is one.

    ``loose``: the first report of a boot, and what it links to was not heard; that may still come.
    """

    verdict: Verdict
    gap: Gap | None = None
    loose: bool = False


@dataclass(slots=True)
class _Boot:
    highest: int
    missing: set[int] = field(default_factory=set)
    lowest: int = 1
    """Where listening began; what is below was never missed, and is known by its number in ``below``."""
    below: set[int] = field(default_factory=set)
    hashes: dict[int, str] = field(default_factory=dict)
    prevs: dict[int, str] = field(default_factory=dict)

    def links(self, seq: int, prev: str, own: str) -> bool:
        """Whether a report fits between its neighbours, as far as they are known; remembers it."""
        fits = self.hashes.get(seq - 1) in (None, prev) and self.prevs.get(seq + 1) in (None, own)
        self.hashes[seq], self.prevs[seq] = own, prev
        for known in (self.hashes, self.prevs):
            if len(known) > LINKS_KEPT:
                del known[next(iter(known))]
        return fits


class Heard:
    """The stories of all terminals, as far as they were heard since the start."""

    def __init__(self) -> None:
        self._terminals: dict[str, dict[int, _Boot]] = {}

    def hear(self, report: Report, octets: bytes) -> Finding:
        """Take one report, given as it was sent too."""
        boots = self._terminals.setdefault(report.terminal, {})
        if report.seq == WILL_SEQ:
            return Finding(Verdict.NEW if report.boot >= max(boots, default=0) else Verdict.DUPLICATE)
        known = boots.get(report.boot)
        if known is None:
            # Of a terminal not heard before, the story may begin anywhere; a later boot begins at 1.
            begins = report.seq if not boots else 1
            known = boots[report.boot] = _Boot(begins - 1, lowest=begins)
            for old in sorted(boots)[:-BOOTS_KEPT]:
                del boots[old]
        gap = None
        if report.seq < known.lowest:
            if report.seq in known.below:
                return Finding(Verdict.DUPLICATE)
            if len(known.below) < NUMBERS_KEPT:
                known.below.add(report.seq)
        elif report.seq <= known.highest:
            if report.seq not in known.missing:
                return Finding(Verdict.DUPLICATE)
            known.missing.discard(report.seq)
        else:
            gap = _ahead(known, report)
        linked = known.links(report.seq, report.prev, report_hash(octets))
        rooted = _rooted(report.terminal, report.boot, boots) if report.seq == 1 else True
        verdict = Verdict.NEW if linked and rooted is not False else Verdict.UNLINKED
        return Finding(verdict, gap, loose=linked and rooted is None)

    def rooted(self, terminal: str, boot: int) -> bool:
        """Whether the first report of a boot links to the last one that was heard of the boot before."""
        return _rooted(terminal, boot, self._terminals.get(terminal, {})) is True

    def dropped(self, terminal: str, boot: int, ranges: tuple[Range, ...]) -> None:
        """The terminal itself says that these do not come any more."""
        known = self._terminals.get(terminal, {}).get(boot)
        if known is not None:
            gone = {number for number in known.missing if any(first <= number <= last for first, last in ranges)}
            known.missing -= gone

    def missing(self, gap: Gap) -> tuple[Range, ...]:
        """What of a gap is still one."""
        known = self._terminals.get(gap.terminal, {}).get(gap.boot)
        if known is None:
            return ()
        return ranges_of(number for number in known.missing if gap.first <= number <= gap.last)


def _ahead(known: _Boot, report: Report) -> Gap | None:
    gap = None
    if report.seq > known.highest + 1:
        gap = Gap(report.terminal, report.boot, known.highest + 1, report.seq - 1)
        room = NUMBERS_KEPT - len(known.missing)
        known.missing.update(range(max(gap.first, report.seq - room), report.seq))
    known.highest = report.seq
    return gap


def _rooted(terminal: str, boot: int, boots: dict[int, _Boot]) -> bool | None:
    """Whether the first report of a boot links to the last of the boot before; None where that may still come."""
    before = [boots[number] for number in sorted(boots) if number < boot]
    if boot not in boots or not before or (prev := boots[boot].prevs.get(1)) is None:
        return True
    if prev == genesis(terminal):
        return False
    for one in before:
        for seq, own in one.hashes.items():
            if own == prev:
                return one is before[-1] and seq == one.highest
    return None
