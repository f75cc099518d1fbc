# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ranges of sequence numbers: from single ones, as text in an event, and back. Both ends belong to a range."""

from collections.abc import Iterable, Sequence

from protocols.errors import DecodeError
from protocols.telemetry.fields import LONGEST_RANGES, RANGES

Range = tuple[int, int]
"""First and last number, both included."""


def ranges_of(numbers: Iterable[int]) -> tuple[Range, ...]:
    """The fewest ranges that hold exactly these numbers, rising."""
    found: list[Range] = []
    for number in sorted(numbers):
        if found and number <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], number))
        else:
            found.append((number, number))
    return tuple(found)


def ranges_text(ranges: Sequence[Range]) -> str:
    """As the field of an event has them: ``1..5,7``."""
    return ",".join(str(first) if first == last else f"{first}..{last}" for first, last in ranges)


def texts(ranges: Sequence[Range]) -> tuple[tuple[int, str], ...]:
    """As few texts as hold all of them within a field's length, each with how many numbers it names."""
    found: list[tuple[int, str]] = []
    for one in ranges:
        count, text = one[1] - one[0] + 1, ranges_text((one,))
        if found and len(found[-1][1]) + 1 + len(text) <= LONGEST_RANGES:
            found[-1] = (found[-1][0] + count, f"{found[-1][1]},{text}")
        else:
            found.append((count, text))
    return tuple(found)


def read_ranges(text: str) -> tuple[Range, ...]:
    """The ranges of a field; :class:`DecodeError` where they do not rise."""
    if refusal := RANGES.refusal(text):
        raise DecodeError("ranges", f"{refusal} expected")
    found: list[Range] = []
    for part in text.split(","):
        first, _, last = part.partition("..")
        one = (int(first), int(last or first))
        if one[0] > one[1] or (found and one[0] <= found[-1][1]):
            raise DecodeError("ranges", "rising ranges expected")
        found.append(one)
    return tuple(found)
