# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A process that uses one PIN and counts what is left of its clear field in memory. Run by a test, not by hand."""

import sys
from collections.abc import Callable

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
from tests.protocols.leftovers import copies

SM4 = 9
ENCODERS: dict[int, Callable[[Pin, Pan, bytes], ClearPinBlock]] = {
    0: lambda pin, pan, random: encode_format_0(pin, pan),
    1: lambda pin, pan, random: encode_format_1(pin, random),
    2: lambda pin, pan, random: encode_format_2(pin),
    3: encode_format_3,
    4: lambda pin, pan, random: encode_format_4(pin, random),
    SM4: lambda pin, pan, random: sm4_block.encode(pin, pan, Variant.WHOLE_FIELD),
}


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


if __name__ == "__main__":
    print(pin_left(int(sys.argv[1]), sys.argv[2]))
