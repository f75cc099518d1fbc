# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Version E, of which few blocks are published: ISO 20038, Annex A, restated over the library's own CTR and CMAC."""

import random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from protocols.keyblock import binding
from protocols.keyblock.header import Header
from protocols.keyblock.optional import OptionalBlock
from protocols.keyblock.x9143 import ProtectionKey
from protocols.secret import ClearKey

CASES, SEED = 2_000, 20_038
ALGORITHM_NUMBERS = {16: 2, 24: 3, 32: 4}


def cmac(key: bytes, data: bytes) -> bytes:
    running = CMAC(AES(key))
    running.update(data)
    return running.finalize()


def derived(kbpk: bytes, purpose: int) -> bytes:
    """As many counted CMACs as the key is long."""
    size = len(kbpk)
    tail = purpose.to_bytes(2, "big") + b"\x00" + ALGORITHM_NUMBERS[size].to_bytes(2, "big")
    tail += (8 * size).to_bytes(2, "big")
    return b"".join(cmac(kbpk, bytes((counter,)) + tail) for counter in (1, 2))[:size]


def counted(key: bytes, start: bytes, data: bytes) -> bytes:
    return Cipher(AES(key), modes.CTR(start)).encryptor().update(data)


def sealed(kbpk: bytes, header: str, clear: bytes) -> str:
    tag = cmac(derived(kbpk, 1), header.encode() + clear)
    return header + (counted(derived(kbpk, 2), tag, clear) + tag).hex().upper()


def opened(kbpk: bytes, text: str, header: int) -> bytes:
    binary = bytes.fromhex(text[header:])
    payload, tag = binary[:-16], binary[-16:]
    clear = counted(derived(kbpk, 2), tag, payload)
    assert cmac(derived(kbpk, 1), text[:header].encode() + clear) == tag
    return clear


def test_both_ways() -> None:
    source = random.Random(SEED)
    for number in range(CASES):
        kbpk, size = source.randbytes(source.choice((16, 24, 32))), source.choice((16, 24, 32))
        key, fill = source.randbytes(size), source.randbytes(32 - size)
        blocks = (OptionalBlock("LB", "x" * source.randrange(1, 40)),) if number % 3 == 0 else ()
        with ProtectionKey.aes(kbpk) as guard:
            ours = guard.wrap(Header("E", "D0", "A", "B", "00", "E", blocks), key, fill + source.randbytes(16))
            found = guard.unwrap(ours)
            end = 16 + sum(len(block.encode()) for block in found.header.optional)
            clear = (8 * size).to_bytes(2, "big") + key + fill
            assert opened(kbpk, ours, end) == clear
            theirs = sealed(kbpk, ours[:end], clear)
            assert theirs == ours
            assert guard.unwrap(theirs).key == ClearKey(key)


@pytest.mark.parametrize("start", [b"\xff" * 16, b"\xff" * 15 + b"\xfe", b"\x00" * 8 + b"\xff" * 8])
@pytest.mark.parametrize("size", [1, 16, 34, 64])
def test_a_counter_that_runs_over(start: bytes, size: int) -> None:
    """The whole block is counted. A start near its end never occurs by chance, so it is put there."""
    key, data = bytes(range(16)), bytes(range(size))
    blocks = Cipher(AES(key), modes.ECB()).encryptor().update
    assert binding._count(blocks, start, data) == counted(key, start, data)
