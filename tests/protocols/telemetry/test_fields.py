# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""No field takes an unmasked account number, in any dress that a careless program would give it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.telemetry import fields
from protocols.telemetry.fields import fit, holds_account_number

PAN = "4111111111111111"  # public test number


@pytest.mark.parametrize(
    "text",
    [
        PAN,
        f"card {PAN} refused",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        f"0{PAN}",
        f"000{PAN}",
        f"{PAN}D28122010000",
        f"{PAN}=2812201",
        f"PAN:{PAN}F",
        f"{PAN}281220112345",  # with what follows on the stripe: no separator, 20 digits and more
        PAN.encode().hex(),
        f"5A08{PAN}",
        f"5a08{PAN}9F02",
        f"5A0A{PAN}FFFF",
        f"KSN {PAN}",
        "378282246310005",
        "6759649826438453",
        "6304000000000000000",  # 19 digits
    ],
)
def test_account_numbers_are_seen(text: str) -> None:
    assert holds_account_number(text)
    assert PAN not in fit(text)
    assert not holds_account_number(fit(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "approved",
        "400000******0016",
        "TTQ 36 00 40 00, CTQ 00 80",
        "TVR 0000008000, TSI 0000",
        "FFFF9876543210E00001",
        "the pad says KSN FFFF9876543210200005, PIN block follows",
        "KSN FFFF9876543210200013",
        "KSN 123456789012345678901234",
        "0000000000000000",
        "EUR 42.00 in 812 ms",
        "2025-11-22 00:40:12.123",
        "4111111111111112",  # not the check digit
        "123456789012",
    ],
)
def test_what_is_none_passes(text: str) -> None:
    assert not holds_account_number(text)
    assert fit(text) == " ".join(text.split())


def test_every_length_of_13_to_19_with_a_check_digit_is_seen() -> None:
    for length in range(13, 20):
        body = "4" + "0" * (length - 2)
        whole = next(body + digit for digit in "0123456789" if fields.Pan(body + digit).has_luhn_digit())
        assert holds_account_number(whole), length


def test_fit_makes_one_bounded_printable_line() -> None:
    assert fit("a\x1b[31mred\r\n\tb") == "a [31mred b"
    assert len(fit("x" * 1000)) == fields.LONGEST_TEXT
    assert fit("x" * 1000).endswith("…")
    assert fit("٤٠٠٠") == "????"


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_whatever_is_fitted_fits(text: str) -> None:
    fitted = fit(text)
    assert not fitted or fields.TEXT.refusal(fitted) is None


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (fields.NUMBER, [0, -1, 10**12 - 1], [10**12, 1.0, "1", True, int(PAN)]),
        (
            fields.IDENTIFIER,
            ["p-1", "A", "a" * 32, "20251122-0001"],
            ["", "-a", "a" * 33, "a b", PAN, "4111-1111-1111-1111", "é", 1],
        ),
        (fields.TEXT, ["words", "é"], ["", "x" * 201, "a\nb", "\x1b", PAN, "٤", 1, True]),
        (fields.CURRENCY, ["EUR"], ["eur", "EURO", ""]),
        (fields.RESPONSE_CODE, ["00", "55", "A1"], ["0", "000", "a1"]),
        (
            fields.MASKED_PAN,
            ["400000******0016", "****0016", "400000***0016"],
            [PAN, "4000000*****0016", "400000******00160", "****"],
        ),
        (fields.KSN, ["FFFF9876543210E00001", "0" * 24], ["FFFF9876543210E0000", "ffff9876543210e00001"]),
        (fields.CHECK_VALUE, ["A1B2C3", "A1B2C3D4E5"], ["A1B2", "a1b2c3"]),
        (fields.one_of("yes", "no"), ["yes"], ["maybe", "", 1]),
        (
            fields.DOCUMENT,
            ["ap", "ap" * fields.LONGEST_DOCUMENT],
            ["", "a", "aq", PAN, "ap" * (fields.LONGEST_DOCUMENT + 1)],
        ),
    ],
)
def test_kinds(kind: fields.Kind, good: list[fields.Value], bad: list[fields.Value]) -> None:
    assert [kind.refusal(value) for value in good] == [None] * len(good)
    for value in bad:
        refusal = kind.refusal(value)
        assert refusal
        if len(str(value)) > 3:
            assert str(value) not in refusal


@given(st.binary(min_size=1, max_size=300))
def test_a_document_is_letters_and_comes_back(octets: bytes) -> None:
    text = fields.document_text(octets)
    assert fields.DOCUMENT.refusal(text) is None
    assert fields.document_octets(text) == octets


def test_a_reference_to_an_account_number_reads_as_none() -> None:
    named = fields.one_time_reference(bytes.fromhex("4000007391846208"))
    assert named.isalpha()
    assert fields.IDENTIFIER.refusal(named) is None
    assert not holds_account_number(named)
    assert fields.one_time_reference(bytes(8)) != fields.one_time_reference(bytes(7) + b"\1")
