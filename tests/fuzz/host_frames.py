# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host messages that are nearly right, and some that are nothing at all, from a seed. No test.

A message that a unit carries out is changed in the ways that hosts, lines and attackers change one: octets flipped,
left out, doubled, exchanged for others of the same sort, lengths and codes put in from elsewhere, two messages grown
together. Changes of the same sort keep most of a message valid, so they come to the checks behind the first one.
"""

import random
from collections.abc import Callable, Iterator

from tests.hsm_sim import live

HEADER = b"\x19%00"
LONGEST = 2000  # octets put in at once; longer ones only make a run slower
DIGITS, HEXADECIMAL = b"0123456789", b"0123456789ABCDEF"
MARKS = b"%;#&!~*<L$\x19\x00\xff"

BLOCKS = {
    "A0": b"A00FFFS%01#P0T2N00E00",
    "A4": b"A42FFFS%02#K0A2N00S00",
    "EI": b"EI2102401%02",
}
SEEDS: dict[str, tuple[bytes, ...]] = {
    code: (*(table[code] for table in (live.COMMANDS, live.AUTHORISED) if code in table),)
    + ((live.PERMITTED[code][1],) if code in live.PERMITTED else ())
    + ((BLOCKS[code],) if code in BLOCKS else ())
    for code in (*live.COMMANDS, *live.AUTHORISED, *live.PERMITTED)
} | {
    "RA": (b"RA",),
    "NK": (b"NK002" + b"".join(b"%04d" % len(piece) + piece for piece in (b"NC", live.COMMANDS["CA"])),),
}
"""At least one message of every command."""

ONCE_WRONG = (live.COMMANDS["FA"] + b"99", live.COMMANDS["MI"] + b"32", b"A00FFFS%01#P0T2N0 E00")
"""Messages that a run found to end in a fault of ours."""

Change = Callable[[random.Random, bytearray], None]


def _place(draw: random.Random, message: bytearray) -> int:
    return draw.randrange(len(message)) if message else 0


def _flipped(draw: random.Random, message: bytearray) -> None:
    if message:
        message[_place(draw, message)] ^= 1 << draw.randrange(8)


def _alike(draw: random.Random, message: bytearray) -> None:
    """Another octet of the same sort."""
    place = _place(draw, message)
    if message[place : place + 1].isdigit():
        message[place] = draw.choice(DIGITS)
    elif message[place : place + 1] in (b"A", b"B", b"C", b"D", b"E", b"F"):
        message[place] = draw.choice(HEXADECIMAL)
    elif message:
        message[place] = draw.choice(b"ABCKNSTUXYZR0123")


def _marked(draw: random.Random, message: bytearray) -> None:
    message.insert(_place(draw, message), draw.choice(MARKS))


def _left_out(draw: random.Random, message: bytearray) -> None:
    place = _place(draw, message)
    del message[place : place + draw.choice((1, 1, 2, 8, 16))]


def _doubled(draw: random.Random, message: bytearray) -> None:
    place = _place(draw, message)
    message[place:place] = message[place : place + draw.choice((1, 2, 16, 33))]


def _cut(draw: random.Random, message: bytearray) -> None:
    del message[_place(draw, message) :]


def _lengthened(draw: random.Random, message: bytearray) -> None:
    message += draw.choice((b"%00", b"%01", b"%99", b"\x19", b"\x19" + bytes(32), b";001", draw.randbytes(7)))


def _counted(draw: random.Random, message: bytearray) -> None:
    """Four digits that may be a length."""
    place = _place(draw, message)
    message[place : place + 4] = draw.choice((b"0000", b"0001", b"9999", b"FFFF", b"%04d" % draw.randrange(10_000)))


def _grown_together(draw: random.Random, message: bytearray) -> None:
    message[_place(draw, message) :] = any_seed(draw)[draw.randrange(2, 30) :]


def _renamed(draw: random.Random, message: bytearray) -> None:
    message[:2] = draw.choice(CODES).encode()


def _filled(draw: random.Random, message: bytearray) -> None:
    place = _place(draw, message)
    message[place:place] = draw.choice((b"F", b"0", b"\x00", b"U")) * draw.randrange(LONGEST)


CHANGES: tuple[Change, ...] = (
    _flipped, _alike, _alike, _alike, _marked, _left_out, _doubled, _cut, _lengthened, _counted, _grown_together,
    _renamed,
)  # fmt: skip
CODES = sorted(SEEDS)


def any_seed(draw: random.Random) -> bytes:
    """A message that was not changed."""
    return draw.choice(SEEDS[draw.choice(CODES)])


def messages(seed: int | str, count: int) -> Iterator[bytes]:
    """So many messages behind :data:`HEADER`; every command comes as often as any other."""
    draw = random.Random(seed)
    yield from (HEADER + message for message in ONCE_WRONG)
    for number in range(count - len(ONCE_WRONG)):
        if draw.random() < 0.05:
            yield HEADER + draw.choice((b"", b"N", b"\x00\x00", b"ZZ", b"j2", draw.randbytes(draw.randrange(200))))
            continue
        message = bytearray(draw.choice(SEEDS[CODES[number % len(CODES)]]))
        for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3, 6))):
            draw.choice(CHANGES)(draw, message)
        if draw.random() < 0.01:
            _filled(draw, message)
        yield HEADER + bytes(message)
