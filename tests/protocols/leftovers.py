# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A process that makes one key and counts what is left of it in its own memory. Run by a test, not by hand.

The octets to look for are held only with every bit turned, else the search would find its own needle; and it searches
only once, else it would find what the search before had read.
"""

import gc
import sys
from collections.abc import Callable
from pathlib import Path

from protocols.pan import Pan
from protocols.pin import sm4_block
from protocols.pin.iso9564 import (
    Format,
    decipher_pin,
    decode_format_2,
    encipher_pin,
    encode_format_0,
    encode_format_1,
    encode_format_2,
    encode_format_3,
    encode_format_4,
)
from protocols.pin.sm4_block import Variant
from protocols.pin.translation import translate
from protocols.primitives import AesKey, BlockKey, Sm4Key, TdesKey
from protocols.secret import ClearPinBlock, Pin

SM4 = 9
ENCODERS: dict[int, Callable[[Pin, Pan, bytes], ClearPinBlock]] = {
    0: lambda pin, pan, random: encode_format_0(pin, pan),
    1: lambda pin, pan, random: encode_format_1(pin, random),
    2: lambda pin, pan, random: encode_format_2(pin),
    3: encode_format_3,
    4: lambda pin, pan, random: encode_format_4(pin, random),
    SM4: lambda pin, pan, random: sm4_block.encode(pin, pan, Variant.WHOLE_FIELD),
}
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


def pin_left(form: int, stage: str) -> int:
    """Copies of a clear PIN field after its PIN's way through encoding, decoding and translation. Form 9 is SM4's."""
    digits = bytearray(9 - place for place in range(9))
    pin, pan, random = Pin(digits), Pan("0000000000000"), bytes(8)  # with this account number a block is its PIN field
    control = 0 if form == SM4 else form
    needle = bytes([(control << 4 | 9) ^ 0xFF, *(0x98 - 0x22 * pair ^ 0xFF for pair in range(4))])
    kept = ENCODERS[form](pin, pan, random) if stage == "control" else None
    for _ in range(3):
        if form == SM4:
            key: BlockKey = Sm4Key(bytes(16))
            for variant in Variant:
                sm4_block.decipher(key, sm4_block.encipher(key, pin, pan, variant), pan, variant).wipe()
        elif form == 2:
            with encode_format_2(pin) as clear:
                decode_format_2(clear).wipe()
        else:
            key = AesKey(bytes(16)) if form == 4 else TdesKey(bytes(range(16)))
            style = Format(form)
            block = encipher_pin(key, style, pin, pan, random)
            decipher_pin(key, style, translate(key, style, key, style, block, pan, random), pan).wipe()
    left = copies(needle)
    if kept is not None:
        kept.wipe()
    return left


def main() -> None:
    if sys.argv[1] == "pin":
        print(pin_left(int(sys.argv[2]), sys.argv[3]))
    else:
        print(key_left(sys.argv[1], int(sys.argv[2]), sys.argv[3]))


if __name__ == "__main__":
    main()
