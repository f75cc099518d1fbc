# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a command reaches the card once, whole, however often its blocks are repeated; nonsense is silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.twins.activation import Activation, ActivationB
from device_profiles.twins.card_answer import CardTorn
from device_profiles.twins.iso_dep import IsoDepCard
from tests.device_profiles.twins.hands import EchoCard

ATS = bytes.fromhex("0578807002")
TYPE_B = ActivationB(bytes.fromhex("01020304"), bytes(4), bytes.fromhex("008171"))
APDU = bytes.fromhex("00A40400")


def activated(rats: str = "E080", **wrong: int) -> tuple[IsoDepCard, EchoCard]:
    card = EchoCard(**wrong)
    side = IsoDepCard(card, Activation(b"\x00\x04", 0x20, bytes(4), ATS))
    assert side.hear(bytes.fromhex(rats)) == ATS
    return side, card


def test_block_numbers_alternate() -> None:
    side, _ = activated()
    assert side.hear(b"\x02" + APDU) == b"\x02" + APDU + b"\x90\x00"
    assert side.hear(b"\x03" + APDU) == b"\x03" + APDU + b"\x90\x00"
    assert side.hear(b"\x02" + APDU) == b"\x02" + APDU + b"\x90\x00"


def test_a_card_number_is_repeated() -> None:
    side, _ = activated("E081")
    assert side.hear(b"\x0a\x01" + APDU) == b"\x0a\x01" + APDU + b"\x90\x00"


def test_a_command_in_pieces() -> None:
    side, card = activated()
    assert side.hear(b"\x12" + APDU[:1]) == b"\xa2"
    assert side.hear(b"\x13" + APDU[1:2]) == b"\xa3"
    assert side.hear(b"\x02" + APDU[2:]) == b"\x02" + APDU + b"\x90\x00"
    assert card.commands == [APDU]


def test_an_answer_in_pieces() -> None:
    side, _ = activated("E000")  # frames of 16 octets: 13 of an answer in each
    command = bytes.fromhex("00A40005") + bytes(range(3))
    said = side.hear(b"\x02" + command)
    whole = b""
    number = 0
    while said is not None and said[0] & 0x10:
        assert len(said) == 14
        whole += said[1:]
        number ^= 1
        said = side.hear(bytes((0xA2 | number,)))
    assert said is not None
    assert whole + said[1:] == command * 5 + b"\x90\x00"


def test_a_lost_answer_is_said_again_and_the_card_asked_once() -> None:
    side, card = activated()
    said = side.hear(b"\x02" + APDU)
    assert side.hear(b"\xb2") == said
    assert card.commands == [APDU]


def test_presence_is_answered() -> None:
    side, card = activated()
    side.hear(b"\x02" + APDU)
    assert side.hear(b"\xb3") == b"\xa2"
    assert card.commands == [APDU]


@pytest.mark.parametrize("deselect", ["C2", "CA01"])
def test_deselected_it_waits_for_a_new_activation(deselect: str) -> None:
    side, card = activated()
    assert side.hear(bytes.fromhex(deselect)) == bytes.fromhex(deselect)
    assert side.hear(b"\x02" + APDU) is None
    assert side.hear(b"\xe0\x80") == ATS
    assert side.hear(b"\x02" + APDU) is not None
    assert card.commands == [APDU]


def test_type_b_is_requested_and_attributed() -> None:
    side = IsoDepCard(EchoCard(), TYPE_B)
    assert side.hear(bytes.fromhex("E080")) is None
    assert side.hear(bytes.fromhex("050008")) == bytes.fromhex("50 01020304 00000000 008171")
    assert side.hear(bytes.fromhex("1D 09090909 00080100")) is None
    assert side.hear(bytes.fromhex("1D 01020304 00080101")) == b"\x01"
    assert side.hear(b"\x02" + APDU) == b"\x02" + APDU + b"\x90\x00"


def test_a_torn_card_says_nothing() -> None:
    side, _ = activated(torn_at=0)
    with pytest.raises(CardTorn):
        side.hear(b"\x02" + APDU)


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=12))
def test_nothing_breaks_it(pieces: list[bytes]) -> None:
    side, _ = activated()
    for piece in pieces:
        side.hear(piece)
    side.hear(b"\xc2")
    assert side.hear(b"\xe0\x80") == ATS
