# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Data objects in words: bits, lists, locators; nothing that may not be shown; never an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv import tlv
from protocols.emv.tags import KNOWN
from protocols.emv.telling import lines, name_of, words_of


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        (0x95, "0480008000", "combined data authentication failed"),
        (0x9B, "E800", "cardholder verification performed"),
        (0x82, "3D00", "combined data authentication supported"),
        (0x94, "08010201", "file 1, records 1 to 2, the first 1 of them signed"),
        (0x8E, "000003E8000007D042031F03", "amount X 1000, amount Y 2000"),
        (0x9F34, "410302", "successful"),
        (0x8C, "9F02069F1A02", "9F02 Amount, Authorised (numeric), 6"),
        (0x95, "00", "cannot be read: "),
        (0x94, "080102", "cannot be read: groups of four"),
        (0x8E, "00", "cannot be read: two amounts"),
    ],
)
def test_values_in_words(tag: int, value: str, said: str) -> None:
    assert said in "; ".join(words_of(tag, bytes.fromhex(value)))


def test_a_tree_in_lines() -> None:
    objects = tlv.decode(bytes.fromhex("700A5A084000009999990057"))
    assert list(lines(objects)) == [
        "70  READ RECORD Response Message Template",
        "  5A  Application Primary Account Number: 400000******0057",
    ]
    assert name_of(0xDF01) == "unknown to us"


@given(st.sampled_from([*(int(tag) for tag in KNOWN), 0xDF01]), st.binary(max_size=40))
def test_any_value_of_any_tag(tag: int, value: bytes) -> None:
    assert isinstance(words_of(tag, value), tuple)
