# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Receipts: round trip, every truncation, and nothing that is not exactly one."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.telemetry.batch import CONTEXT as REPORTS
from protocols.telemetry.receipt import (
    CONTEXT,
    LARGEST_RECEIPT,
    MOST_RANGES,
    Receipt,
    encode_receipt,
    read_receipt,
    receipt,
)
from protocols.telemetry.seal import Algorithm, Sealed
from tests.protocols.telemetry.report_keys import public, signer

RECEIPT = Receipt("TG000001", 5, 17, 1_800_000_000_000, 3, ((19, 20), (25, 25)), ((18, 18),))
OCTETS = encode_receipt(RECEIPT, signer("office", ed25519=True))


def changed(**members: Any) -> Sealed:
    document = {**json.loads(read_receipt(OCTETS).body), **members}
    return Sealed(Algorithm.ED25519, "0" * 16, b"", json.dumps(document).encode() + b"\n")


@pytest.mark.parametrize("ed25519", [False, True])
def test_round_trip(ed25519: bool) -> None:
    sealed = read_receipt(encode_receipt(RECEIPT, signer("office", ed25519=ed25519)))
    assert public("office", ed25519=ed25519).signed(sealed, CONTEXT)
    assert not public("office", ed25519=ed25519).signed(sealed, REPORTS)
    assert receipt(sealed) == RECEIPT


def test_members_as_documented() -> None:
    assert read_receipt(OCTETS).body == (
        b'{"v":1,"terminal":"TG000001","boot":5,"upto":17,"also":[[19,20],[25,25]],"missing":[[18,18]],'
        b'"at":1800000000000,"serial":3}\n'
    )


def test_the_largest_receipt_fits() -> None:
    top = 2**52
    many = tuple((top + 4 * place, top + 4 * place + 1) for place in range(MOST_RANGES))
    also = tuple((first + 2, last + 1) for first, last in many)
    full = Receipt("T" * 32, 2**62, top - 1, 2**52, 2**62, also[: MOST_RANGES // 2], many[: MOST_RANGES // 2])
    assert len(encode_receipt(full, signer("office"))) <= LARGEST_RECEIPT
    with pytest.raises(EncodeError, match="octets, at most"):
        encode_receipt(replace(full, also=also, missing=many), signer("office"))


@pytest.mark.parametrize("length", range(len(OCTETS)))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        receipt(read_receipt(OCTETS[:length]))


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        receipt(read_receipt(data))


@pytest.mark.parametrize(
    "members",
    [
        {"v": 2},
        {"v": True},
        {"terminal": "a/b"},
        {"terminal": 5},
        {"boot": -1},
        {"boot": "5"},
        {"upto": True},
        {"upto": 2**63},
        {"at": 1 << 53},
        {"serial": 1.0},
        {"also": {}},
        {"also": [[19]]},
        {"also": [[20, 19]]},
        {"also": [[17, 20]]},
        {"also": [[19, 20], [20, 21]]},
        {"also": [[True, 20]]},
        {"missing": [["18", "18"]]},
        {"missing": [[18 + 2 * place, 18 + 2 * place] for place in range(MOST_RANGES + 1)]},
        {"extra": 1},
    ],
)
def test_what_is_no_receipt(members: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        receipt(changed(**members))


@pytest.mark.parametrize(
    "wrong",
    [
        replace(RECEIPT, terminal="head-office"),
        replace(RECEIPT, upto=-1),
        replace(RECEIPT, also=((17, 18),)),
        replace(RECEIPT, missing=((20, 19),)),
        replace(RECEIPT, at_ms=-1),
    ],
)
def test_what_would_not_be_read_is_not_made(wrong: Receipt) -> None:
    with pytest.raises(EncodeError):
        encode_receipt(wrong, signer("office"))
