# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of the PC/SC daemon: layouts, every truncation, garbage. Whether clients agree is tested with clients."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.pcsc.wire import (
    FIELDS,
    HEADER,
    LARGEST_DATA,
    MOST_READERS,
    Command,
    Framer,
    ReaderFlag,
    ReaderRow,
    decode_table,
    encode_request,
    encode_table,
)

ROW = ReaderRow("Box 00 00", 3, ReaderFlag.PRESENT | ReaderFlag.POWERED, -1, bytes.fromhex("3B6500002063CB6800"), 2)
TRANSMIT = encode_request(Command.TRANSMIT, 7, 2, 16, 5, 2, 16, 258, 0, data=bytes.fromhex("00A4040000"))


def test_sizes_are_those_of_the_structures() -> None:
    assert len(ROW.encode()) == 184
    assert len(encode_table([ROW])) == 184 * MOST_READERS
    sizes = {Command.CONNECT: 152, Command.TRANSMIT: 32, Command.CONTROL: 24, Command.GET_ATTRIB: 280}
    assert {command: FIELDS[command].size for command in sizes} == sizes


def test_the_table_round_trips() -> None:
    assert decode_table(encode_table([ROW, ROW])) == [ROW, ROW]
    assert decode_table(encode_table([])) == []


def test_a_table_that_lies() -> None:
    with pytest.raises(DecodeError, match="2944 expected"):
        decode_table(b"")
    table = bytearray(encode_table([ROW]))
    struct.pack_into("<I", table, 176, 34)
    with pytest.raises(DecodeError, match="ATR length"):
        decode_table(bytes(table))


@pytest.mark.parametrize("size", range(1, len(TRANSMIT) + 1))
def test_messages_in_pieces(size: int) -> None:
    framer = Framer()
    found = [one for start in range(0, len(TRANSMIT), size) for one in framer.feed(TRANSMIT[start : start + size])]
    assert [(one.command, one.fields[0], one.data.hex()) for one in found] == [(Command.TRANSMIT, 7, "00a4040000")]


def test_messages_together() -> None:
    version = encode_request(Command.VERSION, 4, 4, 0)
    assert [one.command for one in Framer().feed(version + TRANSMIT + version)] == [
        Command.VERSION,
        Command.TRANSMIT,
        Command.VERSION,
    ]


def test_what_is_not_the_protocol() -> None:
    with pytest.raises(DecodeError, match="command 99"):
        Framer().feed(HEADER.pack(0, 99))
    with pytest.raises(DecodeError, match="12 expected"):
        Framer().feed(HEADER.pack(1 << 31, Command.VERSION))
    too_much = encode_request(Command.TRANSMIT, 7, 2, 16, LARGEST_DATA + 1, 2, 16, 258, 0)
    with pytest.raises(DecodeError, match="octets of data"):
        Framer().feed(too_much)


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_garbage_is_refused_or_waited_for(pieces: list[bytes]) -> None:
    framer = Framer()
    try:
        for piece in pieces:
            for request in framer.feed(piece):
                assert request.command in FIELDS
    except DecodeError:
        return
