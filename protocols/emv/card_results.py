# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Card Verification Results: what a card tells its issuer of a payment, inside tag 9F10. Judges and checks nothing.

The books leave 9F10 to the payment systems; two layouts cover most cards (Visa VIS 1.5, Annex D, which UnionPay's PBOC
cards share; Mastercard M/Chip 4, annex on issuer application data). The results are covered by the cryptogram: whoever
changes them between card and issuer changes a payment that the issuer will refuse. A terminal reads them for one thing:
whether card and terminal mean the same when the terminal says that an offline PIN was right.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

RID_OCTETS = 5  # ISO/IEC 7816-5
VISA, MASTERCARD, UNIONPAY = (bytes.fromhex(rid) for rid in ("A000000003", "A000000004", "A000000333"))


class OfflinePin(Enum):
    """What the card says of an offline PIN in this payment."""

    NOT_PERFORMED = auto()
    FAILED = auto()
    SUCCESSFUL = auto()


class Results(NamedTuple):
    """The results of one card."""

    offline_pin: OfflinePin
    words: tuple[str, ...]


class _Layout(NamedTuple):
    find: Callable[[bytes], bytes]
    performed: int
    """Bits of octet 1: an offline PIN was presented."""
    right: Callable[[int], bool]
    words: tuple[Mapping[int, str], ...]


def _visa(data: bytes) -> bytes:
    """Length, key index, cryptogram version, length of the results (03), results."""
    return data[4:7] if len(data) >= 7 and data[3] == 0x03 else b""


def _mastercard(data: bytes) -> bytes:
    """Key index, cryptogram version, 6 octets of results, authentication code, counters."""
    return data[2:8] if len(data) >= 18 else b""


_VISA_WORDS: tuple[Mapping[int, str], ...] = (
    MappingProxyType(
        {
            0x08: "issuer authentication failed",
            0x04: "offline PIN verification performed",
            0x02: "offline PIN verification failed",
            0x01: "unable to go online",
        }
    ),
    MappingProxyType(
        {
            0x80: "last online transaction not completed",
            0x40: "PIN try limit exceeded",
            0x20: "velocity limits exceeded",
            0x10: "new card",
            0x08: "issuer authentication failed on the last online transaction",
            0x04: "issuer authentication missing after the last online transaction",
            0x02: "application blocked because of the PIN try limit",
            0x01: "SDA failed on the last transaction, which was declined offline",
        }
    ),
    MappingProxyType(
        {
            0x08: "issuer script failed on the last transaction",
            0x04: "DDA failed on the last transaction, which was declined offline",
            0x02: "DDA performed",
            0x01: "no PIN was presented to a card that expects one",
        }
    ),
)
_MASTERCARD_WORDS: tuple[Mapping[int, str], ...] = (
    MappingProxyType(
        {
            0x08: "date check failed",
            0x04: "offline PIN verification performed",
            0x02: "offline enciphered PIN verification performed",
            0x01: "offline PIN verification successful",
        }
    ),
    MappingProxyType(
        {
            0x80: "DDA returned",
            0x40: "CDA returned with the first cryptogram",
            0x20: "CDA returned with the second cryptogram",
            0x10: "issuer authentication performed",
        }
    ),
    MappingProxyType({}),
    MappingProxyType(
        {
            0x40: "unable to go online",
            0x20: "offline PIN verification not performed",
            0x10: "offline PIN verification failed",
            0x08: "PIN try limit exceeded",
            0x04: "international transaction",
            0x02: "domestic transaction",
            0x01: "the terminal erroneously considers the offline PIN right",
        }
    ),
    MappingProxyType(
        {
            0x80: "lower consecutive limit exceeded",
            0x40: "upper consecutive limit exceeded",
            0x20: "lower cumulative limit exceeded",
            0x10: "upper cumulative limit exceeded",
            0x08: "go online on the next transaction was set",
            0x04: "issuer authentication failed",
            0x02: "script received",
            0x01: "script failed",
        }
    ),
    MappingProxyType({}),
)
_KINDS = ("AAC", "TC", "ARQC", "reserved")

_VISA_LAYOUT = _Layout(_visa, 0x04, lambda octet: not octet & 0x02, _VISA_WORDS)
_LAYOUTS: Mapping[bytes, _Layout] = MappingProxyType(
    {
        VISA: _VISA_LAYOUT,
        UNIONPAY: _VISA_LAYOUT,
        MASTERCARD: _Layout(_mastercard, 0x04, lambda octet: bool(octet & 0x01), _MASTERCARD_WORDS),
    }
)
"""By registered identifier. Both begin with the kinds of the second and the first cryptogram, two bits each."""


def read(aid: bytes, issuer_data: bytes) -> Results | None:
    """The results in 9F10 of a card whose application is ``aid``; None where the layout is not known. Either side."""
    layout = _LAYOUTS.get(aid[:RID_OCTETS])
    octets = layout.find(issuer_data) if layout is not None else b""
    if layout is None or not octets:
        return None
    said = [f"first cryptogram {_KINDS[octets[0] >> 4 & 0b11]}"]
    if octets[0] >> 6 != 0b10:
        said.append(f"second cryptogram {_KINDS[octets[0] >> 6]}")
    for octet, names in zip(octets, layout.words, strict=False):
        said += [words for bit, words in names.items() if octet & bit]
    if not octets[0] & layout.performed:
        return Results(OfflinePin.NOT_PERFORMED, tuple(said))
    right = layout.right(octets[0])
    return Results(OfflinePin.SUCCESSFUL if right else OfflinePin.FAILED, tuple(said))
