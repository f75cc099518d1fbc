# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks of T=1: captured ones, round trips, truncations; that a PIN does not print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv.t1 import Block, Kind, decode, information, ready
from protocols.errors import DecodeError, EncodeError


def test_captured_blocks() -> None:
    ifs = decode(bytes.fromhex("00c101fe3e"))
    assert (ifs.kind, ifs.pcb, ifs.information) == (Kind.SUPERVISORY, 0xC1, b"\xfe")
    command = decode(bytes.fromhex("004004b03c0100c9"))
    assert (command.kind, command.number, command.more) == (Kind.INFORMATION, 1, False)
    assert ready(1, 2).encode().hex() == "0092" + "00" + "92"


@given(st.integers(0, 1), st.binary(max_size=254), st.booleans())
def test_round_trip_and_truncations(number: int, data: bytes, more: bool) -> None:
    block = information(number, data, more=more)
    octets = block.encode()
    assert decode(octets) == block
    assert (block.number, block.more) == (number, more)
    for wrong in (octets[:-1], octets + b"\0", octets[:-1] + bytes((octets[-1] ^ 1,))):
        with pytest.raises(DecodeError):
            decode(wrong)


@given(st.binary(max_size=20))
def test_garbage(octets: bytes) -> None:
    try:
        decode(octets)
    except DecodeError:
        return


def test_what_cannot_be_said() -> None:
    with pytest.raises(EncodeError):
        information(0, bytes(255)).encode()
    assert "24" not in repr(Block(0, 0, b"\x24\x12"))
