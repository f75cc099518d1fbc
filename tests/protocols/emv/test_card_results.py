# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Card Verification Results in both layouts: recorded ones, every bit, and data that hold none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv.card_results import MASTERCARD, UNIONPAY, VISA, OfflinePin, read

NONE, FAILED, RIGHT = OfflinePin.NOT_PERFORMED, OfflinePin.FAILED, OfflinePin.SUCCESSFUL


@pytest.mark.parametrize(
    ("rid", "data", "pin", "words"),
    [
        # the recorded contact transaction: both PINs were right, DDA was made
        (VISA, "06010A03A4A002", RIGHT, "offline PIN verification performed"),
        (VISA, "06010A03A4A002", RIGHT, "DDA performed"),
        (VISA, "06010A03A4A002", RIGHT, "first cryptogram ARQC"),
        (VISA, "06010A03A6A002", FAILED, "offline PIN verification failed"),
        (VISA, "06010A03A0B000", NONE, "new card"),
        (VISA, "06010A03640000", RIGHT, "second cryptogram TC"),
        (UNIONPAY, "07010A03A40000", RIGHT, "offline PIN verification performed"),
        (MASTERCARD, "0110A50000000000" + "00" * 10, RIGHT, "offline PIN verification successful"),
        (MASTERCARD, "0110A40000100000" + "00" * 10, FAILED, "offline PIN verification failed"),
        (MASTERCARD, "0110A00000210000" + "00" * 10, NONE, "the terminal erroneously considers the offline PIN right"),
    ],
)
def test_what_a_card_says(rid: bytes, data: str, pin: OfflinePin, words: str) -> None:
    found = read(rid + b"\x10\x10", bytes.fromhex(data))
    assert found is not None
    assert found.offline_pin is pin
    assert words in found.words


@pytest.mark.parametrize(
    ("rid", "data"),
    [(VISA, ""), (VISA, "06010A"), (VISA, "06010A04A4A002"), (MASTERCARD, "0110A5"), (b"\xaf" * 5, "06010A03A4A002")],
)
def test_no_results_that_could_be_read(rid: bytes, data: str) -> None:
    assert read(rid, bytes.fromhex(data)) is None


@given(st.sampled_from([VISA, MASTERCARD, UNIONPAY]), st.binary(max_size=32))
def test_any_data(rid: bytes, data: bytes) -> None:
    found = read(rid, data)
    assert found is None or all(found.words)
