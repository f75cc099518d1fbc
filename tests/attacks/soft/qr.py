# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of a merchant's code that lack one defence each, put together from the shipped codec."""

from collections.abc import Mapping

from protocols.emv import qr
from protocols.emv.qr import Terms, Verify

NOT_YET = 0  # a clock that has never been set: nothing is over


def whole_is_enough(
    payload: str, keys: Mapping[str, bytes], now_s: int, merchant: Mapping[str, str], by: Verify
) -> None:
    """Whatever has a right CRC is paid, as by every reader of unsigned codes."""
    qr.decode(payload)


def anybody_signed(
    payload: str, keys: Mapping[str, bytes], now_s: int, merchant: Mapping[str, str], by: Verify
) -> Terms:
    """A signature of the acquirer's is enough, whichever of its merchants it is for."""
    return qr.verify(payload, keys, now_s, {}, by)


def no_clock(payload: str, keys: Mapping[str, bytes], now_s: int, merchant: Mapping[str, str], by: Verify) -> Terms:
    """Signed for this merchant once, paid for ever."""
    return qr.verify(payload, keys, NOT_YET, merchant, by)
