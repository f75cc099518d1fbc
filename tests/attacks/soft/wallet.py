# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A customer's phone that pays whoever a QR code names, as long as its CRC is right, as one for printed codes does."""

from collections.abc import Mapping

from protocols.emv.qr import Terms, Verify, decode


def any_code(payload: str, keys: Mapping[str, bytes], now_s: int, merchant: Mapping[str, str], by: Verify) -> Terms:
    """In place of :func:`protocols.emv.qr.verify`: the code is whole, that is enough."""
    decode(payload)
    return Terms("", now_s, "")
