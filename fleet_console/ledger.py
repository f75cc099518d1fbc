# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which reports of a boot are here, what is missing between them, and whether they link. Stores nothing, verifies none.

Lanes overtake each other, so the numbers of a boot come in any order; what is here is a list of ranges. Of each range
the ends are known: what its first report says about the one before it, and the hash of its last. Where two ranges meet
the two must agree; where they do not, one of the two is not what the terminal wrote.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from protocols.telemetry.ranges import Range
from protocols.telemetry.receipt import MOST_RANGES as LARGEST_RECEIPT_RANGES

MOST_RANGES = 20_000  # of one boot: a full spool whose every second report waits in a slower lane


class Place(StrEnum):
    """What a report is to those that are here."""

    NEW = "new"
    KNOWN = "known"
    """Its number is here already, or was reported as dropped."""
    UNLINKED = "unlinked"
    """New, but it does not link to the report before or behind it."""
    NO_ROOM = "no room"
    """It would leave one gap more than is kept account of."""


@dataclass(slots=True)
class Stretch:
    """Numbers ``first`` to ``last`` without a gap. The hashes are None where a dropped report stands at that end."""

    first: int
    last: int
    prev: bytes | None
    hash: bytes | None


class Boot:
    """The reports of one boot of one terminal."""

    def __init__(self, upto: int = 0, first_prev: bytes | None = None, last_hash: bytes | None = None) -> None:
        self._stretches = [Stretch(1, upto, first_prev, last_hash)] if upto else []

    def add(self, seq: int, prev: bytes, own: bytes) -> Place:
        """A report, with the hash that it names and its own."""
        found = self._stretches
        if found and found[-1].last == seq - 1:  # by far the most frequent case: the next one
            return self._join(len(found) - 1, seq, prev, own)
        place = bisect_left(found, seq, key=lambda one: one.last)
        if place < len(found) and found[place].first <= seq:
            return Place.KNOWN
        if place and found[place - 1].last == seq - 1:
            return self._join(place - 1, seq, prev, own)
        if place < len(found) and found[place].first == seq + 1:
            behind = found[place]
            linked = behind.prev is None or behind.prev == own
            behind.first, behind.prev = seq, prev
            return Place.NEW if linked else Place.UNLINKED
        if len(found) >= MOST_RANGES:
            return Place.NO_ROOM
        found.insert(place, Stretch(seq, seq, prev, own))
        return Place.NEW

    def account(self, first: int, last: int) -> list[Range]:
        """Numbers that the terminal has dropped: they are missed no longer. Returns those that were missing.

        None where they would leave one gap more than is kept account of: a terminal may say of any number that it was
        dropped, and what it says must cost little.
        """
        found, first = self._stretches, max(first, 1)
        start = end = bisect_left(found, first - 1, key=lambda one: one.last)
        gaps, low = list[Range](), first
        while end < len(found) and found[end].first <= last + 1:
            if low < found[end].first:
                gaps.append((low, found[end].first - 1))
            low = found[end].last + 1
            end += 1
        if low <= last:
            gaps.append((low, last))
        if not gaps or (start == end and len(found) >= MOST_RANGES):
            return []
        whole = Stretch(first, last, None, None)
        if start < end and found[start].first <= first:
            whole.first, whole.prev = found[start].first, found[start].prev
        if start < end and found[end - 1].last >= last:
            whole.last, whole.hash = found[end - 1].last, found[end - 1].hash
        found[start:end] = [whole]
        return gaps

    @property
    def upto(self) -> int:
        """All numbers up to this one are here; 0 where the first is not."""
        found = self._stretches
        return found[0].last if found and found[0].first == 1 else 0

    @property
    def first_prev(self) -> bytes | None:
        """What report 1 names as the last one of the boot before; None where it is not here."""
        found = self._stretches
        return found[0].prev if found and found[0].first == 1 else None

    @property
    def floor_hash(self) -> bytes | None:
        """The hash of report ``upto``."""
        return self._stretches[0].hash if self.upto else None

    @property
    def last_hash(self) -> bytes | None:
        """The hash of the highest report that is here."""
        return self._stretches[-1].hash if self._stretches else None

    def also(self, most: int = LARGEST_RECEIPT_RANGES) -> list[Range]:
        """The lowest ranges that are here beyond ``upto``."""
        beyond = self._stretches[1:] if self.upto else self._stretches
        return [(one.first, one.last) for one in beyond[:most]]

    def missing(self, most: int = LARGEST_RECEIPT_RANGES) -> list[Range]:
        """The lowest gaps."""
        return [gap for gap, _ in zip(self._gaps(), range(most), strict=False)]

    def _gaps(self) -> Iterator[Range]:
        found = self._stretches
        if found and found[0].first > 1:
            yield 1, found[0].first - 1
        for one, other in pairwise(found):
            if other.first > one.last + 1:
                yield one.last + 1, other.first - 1

    def _join(self, place: int, seq: int, prev: bytes, own: bytes) -> Place:
        """The report goes behind a stretch, and may close the gap to the next one."""
        found = self._stretches
        before = found[place]
        linked = before.hash is None or before.hash == prev
        before.last, before.hash = seq, own
        if place + 1 < len(found) and found[place + 1].first == seq + 1:
            behind = found.pop(place + 1)
            linked = linked and (behind.prev is None or behind.prev == own)
            before.last, before.hash = behind.last, behind.hash
        return Place.NEW if linked else Place.UNLINKED
