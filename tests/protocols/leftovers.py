# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A process that makes one key and counts what is left of it in its own memory. Run by a test, not by hand.

The octets to look for are held only with every bit turned, else the search would find its own needle; and it searches
only once, else it would find what the search before had read.
"""

import gc
import sys
from pathlib import Path

from protocols.primitives import AesKey, TdesKey

TURN = bytes(octet ^ 0xFF for octet in range(256))


def copies(needle: bytes) -> int:
    """How often the octets whose complement is ``needle`` stand in writable memory."""
    gc.collect()
    found = 0
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/mem").open("rb", 0) as memory:
        spans = [line.split()[:2] for line in maps if "[v" not in line]
        for span, rights in spans:
            if rights.startswith("rw"):
                start, end = (int(edge, 16) for edge in span.split("-"))
                memory.seek(start)
                found += memory.read(end - start).translate(TURN).count(needle)
    return found


def main() -> None:
    kind, size = {"TdesKey": TdesKey, "AesKey": AesKey}[sys.argv[1]], int(sys.argv[2])
    needle = bytes((place * 89 + 61) % 256 for place in range(size))
    octets = bytearray(needle)
    for place in range(size):
        octets[place] ^= 0xFF
    key = kind(octets)
    stage = sys.argv[3]
    if stage != "control":
        octets[:] = bytes(size)
    key.encipher(bytes(key.block_octets))
    if stage == "wiped":
        key.wipe()
    print(copies(needle))


if __name__ == "__main__":
    main()
