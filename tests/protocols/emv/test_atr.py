# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Answers to reset: the shipped cards', what EMV has a terminal refuse, every truncation, garbage."""

from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.emv.atr import decode
from protocols.errors import DecodeError

T1 = "3BE000008131FE45"
T0 = "3B6800000073C84000009000"


def checked(octets: str) -> bytes:
    """With its check byte."""
    body = bytes.fromhex(octets)
    return body + bytes((reduce(xor, body[1:]),))


def test_the_shipped_cards() -> None:
    t1 = decode(checked(T1))
    assert (t1.protocols, t1.historical, t1.check_is_right, t1.specific) == ((1,), b"", True, None)
    assert t1.emv_faults() == ()
    t0 = decode(bytes.fromhex(T0))
    assert (t0.protocols, t0.historical.hex(), t0.check_is_right) == ((0,), "0073c84000009000", None)
    assert t0.emv_faults() == ()


def test_both_protocols_and_a_specific_mode() -> None:
    both = decode(checked("3B80 80 01"))
    assert both.protocols == (0, 1)
    assert decode(checked("3B90 11 91 01 21 45")).specific == 1


@pytest.mark.parametrize(
    ("octets", "warm", "fault"),
    [
        ("3BE000008131FE45", False, None),
        ("3B80 01", False, "TB1"),
        ("3BA0 00 01", True, "TD2"),
        ("3BE0 00 00 81 71 FE 45 01", False, "TC3"),
        ("3BE0 00 00 81 31 0F 45", False, "TA3"),
        ("3BE0 00 00 81 31 FF 45", False, "TA3"),
        ("3BE0 00 00 81 31 FE 55", False, "TB3"),
        ("3BE0 00 00 81 31 FE 46", False, "TB3"),
        ("3BE0 00 07 81 31 FE 43", False, "TB3"),
        ("3BE0 00 FF 81 31 FE 40", False, None),
        ("3BE0 00 00 81 11 FE", False, "TB3"),
        ("3BE0 00 00 82 31 FE 45", False, "T=2"),
        ("3BF0 11 00 00 91 11 31 FE 45", False, "TA2"),
        ("3BF0 18 00 00 91 01 31 FE 45", False, "TA1"),
        ("3BE0 00 00 A1 00 31 FE 45", False, "TB2"),
    ],
)
def test_what_emv_refuses(octets: str, warm: bool, fault: str | None) -> None:
    said = decode(checked(octets)).emv_faults(warm=warm)
    assert (not said) if fault is None else any(one.startswith(fault) or fault in one for one in said)


def test_t0_with_another_waiting_time() -> None:
    assert decode(bytes.fromhex("3BE0 00 00 40 0A")).emv_faults() == ()
    assert decode(bytes.fromhex("3BE0 00 00 40 0B")).emv_faults()[0].startswith("TC2")


def test_a_warm_reset_is_judged_more_leniently() -> None:
    answer = decode(bytes.fromhex("3B20 25"))
    assert answer.emv_faults() == ("TB1: 00 expected after a cold reset",)
    assert answer.emv_faults(warm=True) == ()


def test_a_wrong_check_byte_is_a_fault_and_no_error() -> None:
    wrong = decode(bytes.fromhex(T1) + b"\0")
    assert wrong.check_is_right is False
    assert wrong.emv_faults() == ("TCK: the check byte is wrong",)


@pytest.mark.parametrize("whole", [checked(T1), bytes.fromhex(T0)])
def test_every_truncation(whole: bytes) -> None:
    for size in range(len(whole)):
        with pytest.raises(DecodeError):
            decode(whole[:size])
    with pytest.raises(DecodeError, match="behind the last field"):
        decode(whole + b"\0")


def test_what_is_none() -> None:
    with pytest.raises(DecodeError, match="3B or 3F"):
        decode(b"\0\0")
    with pytest.raises(DecodeError, match="at most 33"):
        decode(bytes(34))
    with pytest.raises(DecodeError, match="groups"):
        decode(b"\x3b" + b"\x80" * 30)


@given(st.binary(max_size=40))
def test_garbage(octets: bytes) -> None:
    try:
        decode(b"\x3b" + octets).emv_faults()
    except DecodeError:
        return
