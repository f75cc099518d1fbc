# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a filled DOL is exactly as long as it asks for, and garbage ends in DecodeError only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.emv import dol
from protocols.emv.dol import Wanted
from protocols.errors import DecodeError, EncodeError
from tests.protocols.emv.traces import scripts

PDOL = bytes.fromhex("9F66049F02069F03069F1A0295055F2A029A039C019F3704")


def test_a_recorded_pdol_is_filled_as_recorded() -> None:
    values = {
        0x9F66: bytes.fromhex("24C04000"),
        0x9F02: bytes.fromhex("000000009000"),
        0x9F1A: bytes.fromhex("0840"),
        0x5F2A: bytes.fromhex("0840"),
        0x9A: bytes.fromhex("200316"),
        0x9C: b"\0",
        0x9F37: bytes.fromhex("ABABABAB"),
    }
    sent = scripts()["visa-online"].exchanges[2][0]
    assert dol.fill(dol.decode(PDOL), values) == sent[7:-1]


def test_entries() -> None:
    entries = dol.decode(PDOL)
    assert entries[:2] == (Wanted(0x9F66, 4), Wanted(0x9F02, 6))
    assert len(entries) == 9
    assert dol.encode(entries) == PDOL
    assert dol.decode(b"") == ()


@pytest.mark.parametrize(
    ("tag", "length", "value", "filled"),
    [
        (0x9F02, 6, "000000009000", "000000009000"),
        (0x9F02, 4, "000000009000", "00009000"),  # n: too long loses on the left
        (0x9F02, 8, "000000009000", "0000000000009000"),  # n: filled on the left
        (0x5A, 4, "476173900101FFFF", "47617390"),  # cn: too long loses on the right
        (0x5A, 10, "476173900101FFFF", "476173900101FFFFFFFF"),  # cn: filled with FF
        (0x9F37, 2, "01020304", "0102"),  # b: too long loses on the right
        (0x9F37, 6, "01020304", "010203040000"),  # b: filled with 00
        (0x9F1E, 4, "3132333435363738", "31323334"),  # an
        (0x9F4E, 3, "41", "410000"),  # ans
        (0x9F79, 2, "0A", "0A00"),  # unknown but given: as binary
        (0x9F7B, 3, None, "000000"),  # unknown
        (0x70, 3, "5A0112", "000000"),  # a template
        (0x9F02, 0, "000000009000", ""),
    ],
)
def test_fill_rules(tag: int, length: int, value: str | None, filled: str) -> None:
    values = {} if value is None else {tag: bytes.fromhex(value)}
    assert dol.fill([Wanted(tag, length)], values) == bytes.fromhex(filled)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("9F", "within an entry"),
        ("9F02", "within an entry"),
        ("9F0280", "more than 252"),
        ("9F027F9F027F", "more than 252"),
        ("0001", "00 where a tag"),
        ("DF81818101", "more than 3 octets"),
        ("95" * 253, "at most 252"),
    ],
)
def test_malformed_lists_are_refused(octets: str, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        dol.decode(bytes.fromhex(octets))


def test_split_is_the_card_side_of_fill() -> None:
    entries = dol.decode(PDOL)
    data = bytes(range(33))
    values = dol.split(entries, data)
    assert values[0x9F02] == data[4:10]
    assert dol.fill(entries, values) == data
    for wrong in (data[:-1], data + b"\0", b""):
        with pytest.raises(DecodeError):
            dol.split(entries, wrong)


def test_a_length_that_no_list_can_ask_for() -> None:
    with pytest.raises(EncodeError):
        dol.encode([Wanted(0x9F02, 128)])


@given(st.binary(max_size=60), st.dictionaries(st.integers(1, 0xFFFF), st.binary(max_size=12), max_size=4))
@settings(max_examples=300, deadline=None)
def test_whatever_decodes_is_filled_to_its_length(octets: bytes, values: dict[int, bytes]) -> None:
    try:
        entries = dol.decode(octets)
    except DecodeError:
        return
    assert dol.encode(entries) == octets
    assert len(dol.fill(entries, values)) == sum(entry.length for entry in entries) <= dol.FILLED
