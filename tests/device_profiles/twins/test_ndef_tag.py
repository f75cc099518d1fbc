# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the tag gives its two files to who selects them, and refuses everything else with a status word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.twins.card_answer import CardTorn
from device_profiles.twins.ndef_tag import NdefTag, uri_message

SELECT, CAPABILITIES, MESSAGE = "00A4040007D276000085010100", "00A4000C02E103", "00A4000C02E104"
ADDRESS = "https://example.com/menu"


def tag() -> NdefTag:
    made = NdefTag(uri_message(ADDRESS), bytes)
    made.power_on()
    return made


def said(of: NdefTag, *commands: str) -> str:
    return [of.apdu(bytes.fromhex(command)).hex().upper() for command in commands][-1]


def test_what_it_can_do() -> None:
    assert said(tag(), SELECT, CAPABILITIES, "00B000000F") == "000F2000FB00F60406E104001F00FF9000"


def test_its_message() -> None:
    whole = bytes.fromhex(said(tag(), SELECT, MESSAGE, "00B0000000"))
    assert whole == b"\x00\x1d\xd1\x01\x19U\x00" + ADDRESS.encode() + b"\x90\x00"
    assert said(tag(), SELECT, MESSAGE, "00B0000701") == b"h".hex().upper() + "9000"


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        (["00A404000E325041592E5359532E444446303100"], "6A82"),
        ([CAPABILITIES], "6A82"),
        ([SELECT, "00B000000F"], "6986"),
        ([SELECT, MESSAGE, "00B07FFF01"], "6B00"),
        ([SELECT, "00A4000C02E105"], "6A82"),
        ([SELECT, MESSAGE, "00D600000100"], "6D00"),
        (["80A8000002830000"], "6E00"),
        (["00A4"], "6700"),
    ],
)
def test_what_it_refuses(commands: list[str], status: str) -> None:
    assert said(tag(), *commands) == status


def test_out_of_the_field_it_is_silent() -> None:
    made = tag()
    made.power_off()
    with pytest.raises(CardTorn):
        made.apdu(bytes.fromhex(SELECT))


@pytest.mark.parametrize("address", ["", "x" * 251, "é"])
def test_addresses_that_do_not_fit(address: str) -> None:
    with pytest.raises(ValueError):
        uri_message(address)


@given(st.binary(max_size=40))
def test_nothing_breaks_it(octets: bytes) -> None:
    assert len(tag().apdu(octets)) >= 2
