# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: requests of a reader's own payment survive their frames, print nothing of their terms, and have bounds."""

import pytest

from protocols.errors import DecodeError, EncodeError
from protocols.serial.vivotech2 import Frame, decode_frame, request_octets
from protocols.serial.vivotech2_messages import redacted_request
from protocols.serial.vivotech2_payment import (
    NAMES,
    Activate,
    CancelPayment,
    GetResult,
    PaymentRequest,
    decode_payment_request,
)

TERMS = bytes.fromhex("9F02060000000042009A03261122")
REQUESTS: list[PaymentRequest] = [Activate(30, TERMS), Activate(255, b""), GetResult(), CancelPayment()]


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
def test_requests_survive(request_: PaymentRequest) -> None:
    octets = request_octets(Frame(*request_.name, request_.data()))
    assert decode_payment_request(decode_frame(octets, ())) == request_
    assert request_.name in NAMES
    assert TERMS.hex() not in repr(request_).lower()


@pytest.mark.parametrize("wrong", [Activate(0, b""), Activate(256, b""), Activate(1, bytes(1025))], ids=repr)
def test_bounds(wrong: Activate) -> None:
    with pytest.raises(EncodeError):
        wrong.data()


@pytest.mark.parametrize("frame", [Frame(0x02, 0x01), Frame(0x05, 0x01, b"x"), Frame(0x07, 0x01)], ids=repr)
def test_others_are_refused(frame: Frame) -> None:
    with pytest.raises(DecodeError):
        decode_payment_request(frame)


def test_traces_show_no_terms() -> None:
    assert redacted_request(Frame(0x02, 0x01, b"\x1e" + TERMS)) == f"02-01, {len(TERMS) + 1} octets"
