# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A process that makes one key and counts what is left of it in its own memory. Run by a test, not by hand."""

import sys

from protocols.primitives import AesKey, Sm4Key, TdesKey
from tests.protocols.leftovers import copies


def key_left(kind: str, size: int, stage: str) -> int:
    """Copies of a key: its maker's octets still there (control), gone (held), the key object wiped (wiped)."""
    needle = bytes((place * 89 + 61) % 256 for place in range(size))
    octets = bytearray(needle)
    for place in range(size):
        octets[place] ^= 0xFF
    key = {"TdesKey": TdesKey, "AesKey": AesKey, "Sm4Key": Sm4Key}[kind](octets)
    if stage != "control":
        octets[:] = bytes(size)
    key.encipher(bytes(key.block_octets))
    if stage == "wiped":
        key.wipe()
    return copies(needle)


if __name__ == "__main__":
    print(key_left(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
