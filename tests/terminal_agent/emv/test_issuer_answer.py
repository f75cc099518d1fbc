# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What is read out of an issuer's data, and what is not believed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_agent.emv import IssuerAnswer
from terminal_agent.emv.issuer_answer import Script


def read(icc: str, code: str = "00") -> IssuerAnswer:
    return IssuerAnswer.from_message(code, approved=code == "00", icc=bytes.fromhex(icc))


def test_nothing_but_a_code() -> None:
    assert read("") == IssuerAnswer("00", True)
    assert read("", "51") == IssuerAnswer("51", False)


@pytest.mark.parametrize("octets", [8, 10, 16])
def test_authentication_data(octets: int) -> None:
    assert read(f"91{octets:02X}" + "AB" * octets).authentication == b"\xab" * octets


UNUSABLE = ("9107" + "AB" * 7, "9111" + "AB" * 17, "910AAB", "7105860184", "71069F1803010203", "FF")


@pytest.mark.parametrize("icc", UNUSABLE)
def test_data_that_are_not_used(icc: str) -> None:
    answer = read(icc)
    assert answer.fault
    assert answer == IssuerAnswer("00", True, fault=answer.fault)
    assert "AB" not in answer.fault.upper().replace("OBJECT", "")


def test_scripts_in_order() -> None:
    answer = read("720E9F180411223344860584180000FF" + "7103860184" + "7200" + "710686018486018C")
    assert answer.before == (Script(bytes(4), (b"\x84",)), Script(bytes(4), (b"\x84", b"\x8c")))
    assert answer.after == (Script(bytes.fromhex("11223344"), (bytes.fromhex("84180000FF"),)), Script(bytes(4), ()))


@pytest.mark.parametrize("code", ["", "0", "000", "0\xe9"])
def test_a_code_has_two_characters(code: str) -> None:
    with pytest.raises(ValueError, match="two characters"):
        IssuerAnswer.from_message(code, approved=False, icc=b"")


@given(st.binary(max_size=120))
@settings(max_examples=200, deadline=None)
def test_any_octets(icc: bytes) -> None:
    answer = IssuerAnswer.from_message("00", approved=True, icc=icc)
    assert len(answer.authentication) in (0, *range(8, 17))
