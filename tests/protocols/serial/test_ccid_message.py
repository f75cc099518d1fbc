# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A CCID message as a USB pipe carries it: the same after decoding, and nothing else is one."""

import random

import pytest

from protocols.errors import DecodeError
from protocols.serial.ccid import Message, decode


def test_round_trip_and_every_truncation() -> None:
    noise = random.Random(7)
    for size in (0, 1, 2, 64, 271):
        one = Message(noise.randrange(256), 0, noise.randrange(256), noise.randbytes(3), noise.randbytes(size))
        octets = one.encode()
        assert decode(octets) == one
        for cut in range(len(octets)):
            with pytest.raises(DecodeError):
                decode(octets[:cut])
        with pytest.raises(DecodeError):
            decode(octets + b"\0")


def test_garbage_ends_in_one_error() -> None:
    noise = random.Random(11)
    for _ in range(2_000):
        try:
            decode(noise.randbytes(noise.randrange(40)))
        except DecodeError:
            continue
