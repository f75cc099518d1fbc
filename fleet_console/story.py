# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What has been heard of each terminal's story: what is new, what came twice, what is missing. Stores nothing.

A report's identity is (terminal, boot, seq). It may come twice, after an acknowledgement was lost, and counts once. A
number that is jumped over is a gap until it comes. The report behind one that is known must link to it, and the first
report of a new boot to the last one of the boot before: so a terminal whose whole disk was put back to an older state
shows, since what head office has heard no longer leads to what it hears.
"""

from dataclasses import dataclass, field
from enum import Enum

from protocols.telemetry.envelope import Report, report_hash

BOOTS_KEPT = 8  # boots of one terminal that are remembered: late reports come from the last one or two
NUMBERS_KEPT = 100_000  # single numbers remembered for one boot; an outbox holds no more


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
    """A report's verdict, and the gap before it where there is one."""

    verdict: Verdict
    gap: Gap | None = None


@dataclass(slots=True)
class _Boot:
    highest: int
    last_hash: str | None
    missing: set[int] = field(default_factory=set)
    lowest: int = 1
    """Where listening began; what is below was never missed, and is known by its number in ``below``."""
    below: set[int] = field(default_factory=set)


class Stories:
    """The stories of all terminals, as far as they were heard since the start."""

    def __init__(self) -> None:
        self._terminals: dict[str, dict[int, _Boot]] = {}

    def hear(self, report: Report, octets: bytes) -> Finding:
        """Take one report, given as it was sent too."""
        boots = self._terminals.setdefault(report.terminal, {})
        known = boots.get(report.boot)
        if known is None:
            # Of a terminal not heard before, the story may begin anywhere; a later boot begins at 1.
            begins = report.seq if not boots else 1
            known = boots[report.boot] = _Boot(begins - 1, _leads_to(report.boot, boots), lowest=begins)
            for old in sorted(boots)[:-BOOTS_KEPT]:
                del boots[old]
        if report.seq < known.lowest:
            return self._below(known, report.seq)
        if report.seq <= known.highest:
            if report.seq not in known.missing:
                return Finding(Verdict.DUPLICATE)
            known.missing.discard(report.seq)
            return Finding(Verdict.NEW)
        return self._ahead(known, report, octets)

    def _below(self, known: _Boot, seq: int) -> Finding:
        if seq in known.below:
            return Finding(Verdict.DUPLICATE)
        if len(known.below) < NUMBERS_KEPT:
            known.below.add(seq)
        return Finding(Verdict.NEW)

    def _ahead(self, known: _Boot, report: Report, octets: bytes) -> Finding:
        gap = None
        if report.seq > known.highest + 1:
            gap = Gap(report.terminal, report.boot, known.highest + 1, report.seq - 1)
            room = NUMBERS_KEPT - len(known.missing)
            known.missing.update(range(max(gap.first, report.seq - room), report.seq))
        linked = gap is not None or known.last_hash is None or known.last_hash == report.prev
        known.highest, known.last_hash = report.seq, report_hash(octets)
        return Finding(Verdict.NEW if linked else Verdict.UNLINKED, gap)


def _leads_to(boot: int, boots: dict[int, _Boot]) -> str | None:
    """The hash that the first report of a new boot must link to; None for a boot older than one that was heard."""
    latest = max(boots, default=None)
    return boots[latest].last_hash if latest is not None and latest < boot else None
