# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How fast a PIN pad's twin enciphers PINs: a bucket of credit. Counts time as it is told, reads no clock.

A pad that enciphers whatever is typed, as fast as it is asked, tells its PIN key's owner nothing but lets a thief with
a keypad robot try PINs by the thousand. So PINs leave at most once per ``spacing_s`` on average, with some in reserve
for a queue of customers. What is left of the reserve outlives a power cycle, and the time without power earns nothing:
a pad cannot know how long it was.
"""

MILLISECONDS = 1000


class Throttle:
    """The credit of one pad in milliseconds: an entry costs the spacing, time earns it back, up to the reserve."""

    __slots__ = ("_at", "_most", "_price", "credit")

    def __init__(self, burst: int, spacing_s: float) -> None:
        """A full reserve of ``burst`` entries."""
        self._price = round(spacing_s * MILLISECONDS)
        self._most = burst * self._price
        self._at: int | None = None
        self.credit = self._most

    def ready(self, now: float) -> bool:
        """Whether an entry may begin at ``now`` (seconds of any clock that only goes forward)."""
        return self._earned(round(now * MILLISECONDS)) >= self._price

    def take(self, now: float) -> None:
        """An entry was enciphered."""
        at = round(now * MILLISECONDS)
        self.credit = max(self._earned(at) - self._price, 0)
        self._at = at

    def restore(self, credit: int) -> None:
        """Go on from a saved credit, after a power cycle."""
        self.credit = min(credit, self._most)
        self._at = None

    def _earned(self, at: int) -> int:
        if self._at is None:
            self._at = at
        return min(self.credit + max(at - self._at, 0), self._most)
