# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: no account number, track, name or PIN of an APDU is in its redacted text, and no octets make it raise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.emv import redaction, tlv
from protocols.emv.redaction import redacted_apdu, redacted_command, redacted_objects, redacted_response
from tests.protocols.emv.traces import ANSWERS, COMMANDS

ACCOUNTS = ("4761739001010010", "5413339000001513", "5413330089601034")
NAME = b"VISA CARD/TEST".hex()


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{len(answer)}-{answer[:4].hex()}")
def test_recorded_answers_keep_their_secrets(answer: bytes) -> None:
    for text in (redacted_response(answer), redacted_apdu(answer)):
        for account in ACCOUNTS:
            assert account not in text
            assert account[4:14] not in text.replace(" ", "")
        assert NAME.upper() not in text
        assert text.startswith("9000 done ")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{len(command)}-{command[:4].hex()}")
def test_commands_say_their_names(command: bytes) -> None:
    text = redacted_command(command)
    assert text == redacted_apdu(command)
    assert command[:4].hex().upper() in text


def test_each_type_is_shown_as_it_may_be() -> None:
    record = tlv.encode(
        [
            tlv.template(
                0x70,
                (0x57, bytes.fromhex("4761739001010010D22122011143844489")),
                (0x5A, bytes.fromhex("4761739001010010")),
                (0x5F20, b"CARDHOLDER/ANNA"),
                (0x5F24, bytes.fromhex("281231")),
                (0x50, b"VISA"),
                (0x9F46, bytes(128)),
                (0xDF01, bytes.fromhex("CAFE")),
            )
        ]
    )
    assert redacted_response(record + b"\x90\x00") == (
        "9000 done 70=(57=476173******0010[track] 5A=476173******0010 5F20=[15 octets] 5F24=281231 50='VISA' "
        "9F46=[128 octets] DF01=CAFE)"
    )


@pytest.mark.parametrize(
    "value",
    [
        bytes.fromhex("4761739001010010"),
        bytes.fromhex("4761739001010010FFFF"),
        bytes.fromhex("476173900101001001"),
        b"4761739001010010",
        b"%B4761739001010010^ANNA^2212",
        b"4761739001010010=22122011143844489",
        bytes.fromhex("AA4761739001010010D22122011143844489"),
    ],
)
def test_account_data_in_an_object_that_we_do_not_know(value: bytes) -> None:
    for tag in (0xDF01, 0x9F7D):
        text = redacted_objects(tlv.encode([tlv.template(0x70, (tag, value))]))
        assert text == f"70=({tag:X}=[{len(value)} octets])"


def test_a_value_of_another_length_than_its_tag_has_is_treated_as_unknown() -> None:
    assert redaction.shown_value(0x9F36, bytes.fromhex("4761739001010010")) == "[8 octets]"
    assert redaction.shown_value(0x9F36, bytes.fromhex("0001")) == "0001"


def test_account_data_in_a_label() -> None:
    assert redaction.shown_value(0x50, b"4761739001010010") == "[16 octets]"
    assert redaction.shown_value(0x50, b"\xff\x00") == "FF00"


def test_malformed_account_data_are_not_shown_either() -> None:
    assert redaction.shown_value(0x5A, bytes.fromhex("47AA")) == "[4 digits]"
    assert redaction.shown_value(0x57, bytes.fromhex("4761739001010010")) == "[8 octets]"


def test_secrets_in_commands() -> None:
    pin_block = "2473 91FF FFFF FFFF".replace(" ", "")
    for command in (
        f"0020008008{pin_block}",
        f"8424000008{pin_block}",
        f"84A4000008{pin_block}",
        f"80DA9F5808{pin_block}",
    ):
        assert pin_block not in redacted_command(bytes.fromhex(command))
        assert "[8 octets]" in redacted_apdu(bytes.fromhex(command))
    assert redacted_command(bytes.fromhex("0020008008" + pin_block)) == "VERIFY 00200080 [8 octets]"


def test_what_does_not_parse_is_a_length() -> None:
    assert redacted_response(bytes.fromhex("4761739001010010") + b"\x90\x00") == "9000 done [8 octets]"
    assert redacted_response(bytes.fromhex("700A5A084761739001010010")[:-3] + b"\x90\x00") == "9000 done [9 octets]"
    assert redacted_response(b"\x90") == "[not a response, 1 octets]"
    assert redacted_command(b"\x00\xa4") == "[not a command, 2 octets]"
    assert redacted_command(bytes.fromhex("00FF0000")) == "INS FF 00FF0000"
    assert redacted_response(b"\x6a\x82") == "6A82 no such file or application"


def test_the_values_of_a_pdol_are_shown() -> None:
    assert redacted_command(COMMANDS[2]).endswith(
        " 832124C0400000000000900000000000000008400000000000084020031600ABABABAB"
    )
    harvested = bytes.fromhex("80A8000012831047617390010100" + "10D2212201114384" + "00")
    assert "476173" not in redacted_command(harvested)


def test_a_payment_directory_is_named() -> None:
    assert redacted_command(COMMANDS[0]) == "SELECT 00A40400 2PAY.SYS.DDF01"
    assert redacted_command(COMMANDS[1]) == "SELECT 00A40400 A0000000031010"


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_no_octets_make_it_raise(octets: bytes) -> None:
    for show in (redacted_apdu, redacted_command, redacted_response, redacted_objects):
        assert show(octets)


@given(st.sampled_from(ANSWERS), st.data())
@settings(max_examples=200, deadline=None)
def test_cut_answers_keep_their_secrets(answer: bytes, data: st.DataObject) -> None:
    cut = answer[: data.draw(st.integers(0, len(answer)))]
    for text in (redacted_response(cut), redacted_apdu(cut)):
        assert not any(account in text for account in ACCOUNTS)
