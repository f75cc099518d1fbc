# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Unpredictable numbers (9F37), watched: a source that has become predictable is no longer used. It draws none itself.

Who knows the next number of a terminal can ask a card for the cryptogram of a payment to come, and play it there later
without the card (pre-play; Bond and others 2012, who found terminals that counted). So every number passes health tests
before it is used, after NIST SP 800-90B, 4.4, and for what was found in the field:

* repetition: two numbers in a row are the same (4.4.1; by chance once in 4 thousand million);
* proportion: of 64 numbers one octet has fewer than 24 values (4.4.2; a stuck or short generator);
* steps: of 32 numbers 8 are near the one before, or 4 steps are the same (a counter, a clock, a counter and a clock).

By chance a sound source fails less than once in ten million numbers. A source that failed stays out of use until the
terminal is started again: a person has to look.
"""

from collections import Counter, deque
from collections.abc import Callable

OCTETS = 4  # EMV 4.4 Book 3, Annex A1: 9F37
PROPORTION_WINDOW, LEAST_VALUES = 64, 24
STEP_WINDOW, MOST_NEAR, MOST_SAME_STEPS = 32, 8, 4
NEAR = 1 << 22  # of 2^32: a step shorter than this in either direction has one chance in 512
_MODULUS = 1 << 8 * OCTETS


class PredictableNumbers(Exception):
    """The source fails a health test: no payment may be made with it."""


class UnpredictableNumbers:
    """Numbers of ``source``, which gives as many random octets as it is asked for."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._recent: deque[bytes] = deque(maxlen=PROPORTION_WINDOW)
        self._steps: deque[int] = deque(maxlen=STEP_WINDOW)
        self.fault = ""
        """Why the source is out of use, or nothing."""

    def next(self) -> bytes:
        """A number for one payment; raises :class:`PredictableNumbers` from the first failed test on."""
        if not self.fault:
            number = self._source(OCTETS)
            self.fault = self._judged(number)
        if self.fault:
            raise PredictableNumbers(self.fault)
        return number

    def _judged(self, number: bytes) -> str:
        if len(number) != OCTETS:
            return f"{len(number)} octets instead of {OCTETS}"
        last = self._recent[-1] if self._recent else None
        self._recent.append(number)
        if last is None:
            return ""
        if number == last:
            return "the same number twice"
        self._steps.append((int.from_bytes(number, "big") - int.from_bytes(last, "big")) % _MODULUS)
        near = sum(step < NEAR or step > _MODULUS - NEAR for step in self._steps)
        if near >= MOST_NEAR:
            return f"{near} of {len(self._steps)} numbers follow closely on the one before"
        if max(Counter(self._steps).values()) >= MOST_SAME_STEPS:
            return "the numbers go on in equal steps"
        if len(self._recent) == PROPORTION_WINDOW:
            fewest = min(len({one[place] for one in self._recent}) for place in range(OCTETS))
            if fewest < LEAST_VALUES:
                return f"of {PROPORTION_WINDOW} numbers one octet has only {fewest} values"
        return ""
