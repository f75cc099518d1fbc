# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data, clear and enciphered: round trip, every truncation, every changed octet, and what a repr shows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.acquirer.account import AccountData, EncipheredAccount, read_account_data
from protocols.acquirer.dialects import ASCII_1987, Dialect
from protocols.acquirer.message import missing, redacted
from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan, Track2
from tests.protocols.acquirer.samples import ENCIPHERED, TEST_PAN

TRACK = Track2.from_text(TEST_PAN + "D2812201000000001")
WHOLE = AccountData(Pan(TEST_PAN), TRACK, "2812")
SENT = EncipheredAccount(bytes.fromhex("FFFFDA7A000002000001"), "400000******0016", bytes(range(64)))


@settings(max_examples=100, deadline=None)
@given(pan=st.from_regex(r"[0-9]{8,19}", fullmatch=True), more=st.text("0123456789", min_size=3, max_size=12))
def test_every_account_comes_back_from_its_text_with_any_fill(pan: str, more: str) -> None:
    for track in (None, Track2.from_text(f"{pan}D2812{more}")):
        account = AccountData(Pan(pan), track, "2812")
        clear = bytes(account.clear_octets())
        for fill in range(16):
            assert read_account_data(clear + bytes(fill)) == account
        with pytest.raises(DecodeError):
            read_account_data(clear + bytes(16))
        sent = EncipheredAccount(bytes(12), account.masked, bytes(16))
        assert EncipheredAccount.from_text(sent.text()) == sent


@pytest.mark.parametrize("track", [None, TRACK])
def test_no_truncation_is_an_account(track: Track2 | None) -> None:
    clear = bytes(AccountData(Pan(TEST_PAN), track, "2812").clear_octets())
    for length in range(len(clear)):
        for fill in (b"", bytes(8)):
            with pytest.raises(DecodeError, match="do not decipher to an account"):
                read_account_data(clear[:length] + fill)


@settings(max_examples=200, deadline=None)
@given(octets=st.binary(max_size=80))
def test_garbage_is_refused_and_not_quoted(octets: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        read_account_data(octets)
    assert refused.value.where == "account data"


def test_every_truncation_of_what_is_sent() -> None:
    text = SENT.text()
    for length in range(len(text)):
        if length < len(text) - 1 and (length - text.rindex(":") - 1) % 16 == 0 and length > text.rindex(":") + 1:
            continue  # whole blocks: what is cut so is found when it is deciphered
        with pytest.raises(DecodeError):
            EncipheredAccount.from_text(text[:length])


@pytest.mark.parametrize(
    "text",
    [
        SENT.text().lower(),
        SENT.text().replace("AD1", "AD2"),
        SENT.text().replace("400000******0016", TEST_PAN),
        SENT.text().replace("400000******0016", "400000**0016"),
        SENT.text() + "0" * 16 * 9,
    ],
)
def test_what_is_sent_has_one_form(text: str) -> None:
    with pytest.raises(DecodeError, match="AD1, serial number, masked number and whole blocks"):
        EncipheredAccount.from_text(text)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(EncodeError, match="a KSN of 10 or 12 octets"):
        EncipheredAccount(bytes(9), SENT.masked, bytes(8)).text()
    with pytest.raises(EncodeError, match="an expiry date of four digits"):
        AccountData(Pan(TEST_PAN), None, "").clear_octets()


def test_nothing_of_an_account_is_shown() -> None:
    for shown in (repr(WHOLE), repr(SENT), redacted(ENCIPHERED)):
        assert TEST_PAN not in shown
        assert "2812" not in shown
        assert "000102" not in shown
    assert "DE48=account data of 400000******0016 under KSN FFFFDA7A000002000001" in redacted(ENCIPHERED)
    assert missing(ENCIPHERED) == ()
    assert ENCIPHERED.masked_pan == "400000******0016"


def test_the_element_moves_out_of_the_serial_numbers_way() -> None:
    assert ASCII_1987.account_field == 48
    assert Dialect("other", ksn_field=48).account_field == 60
