# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The answer to reset that a PC/SC reader makes up for a contactless card."""

from functools import reduce
from operator import xor

import pytest

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTorn, CardTwin
from device_profiles.twins.card_behind_reader import ContactlessInReader, answer_to_reset, history_a, history_b


@pytest.mark.parametrize(
    ("ats", "atr"),
    [
        ("0578807002", "3B80800101"),  # TA, TB and TC, no historical bytes
        ("0200", "3B80800101"),
        ("01", "3B80800101"),
        ("067577810280", "3B8180018080"),  # one historical byte
    ],
)
def test_from_the_ats(ats: str, atr: str) -> None:
    made = answer_to_reset(history_a(bytes.fromhex(ats)))
    assert made.hex().upper() == atr
    assert reduce(xor, made[1:]) == 0


def test_history_is_bounded() -> None:
    made = answer_to_reset(history_a(bytes((22, 0x00)) + bytes(range(20))))
    assert made[1] == 0x8F
    assert len(made) == 4 + 15 + 1


def test_of_type_b() -> None:
    """The example of PC/SC part 3, 3.1.3.2.3.2: eight octets of history, all of them from the card."""
    made = answer_to_reset(history_b(bytes.fromhex("01020304"), bytes.fromhex("007781")))
    assert made[:12].hex().upper() == "3B8880010102030400778100"
    assert reduce(xor, made[1:]) == 0


def test_it_is_the_same_card() -> None:
    profile = load_card("test-visa-like")
    assert profile.contactless is not None
    history = history_a(bytes.fromhex(profile.contactless.ats))
    card = ContactlessInReader(CardTwin(profile, bytes), history)
    with pytest.raises(CardTorn):
        card.apdu(bytes.fromhex("00A4040000"))
    assert card.power_on() == card.atr == answer_to_reset(history)
    assert card.apdu(bytes.fromhex("00A404000E325041592E5359532E444446303100")).endswith(b"\x90\x00")
    card.power_off()
    with pytest.raises(CardTorn):
        card.apdu(bytes.fromhex("00A4040000"))
