# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which account numbers belong to which brand's applications: a table. It knows no issuer and validates no card.

A relay can offer a card of one brand under the application identifier of another and so choose the weaker kernel's
rules (Basin, Sasse, Toro-Pozo, USENIX Security 2021). Only brands whose number ranges are public and closed are listed:
a registered application provider that is not listed has no rule.
"""

from collections.abc import Mapping
from types import MappingProxyType

from protocols.pan import Pan

RID_OCTETS = 5  # ISO/IEC 7816-5: the registered application provider identifier


class Ranges(tuple[tuple[str, str], ...]):
    """Inclusive ranges of leading digits, each end as many digits as are compared."""

    __slots__ = ()

    def holds(self, pan: Pan) -> bool:
        """Whether the number's leading digits are in one of the ranges."""
        return any(first <= pan.digits[: len(first)] <= last for first, last in self)


BRANDS: Mapping[bytes, tuple[str, Ranges]] = MappingProxyType(
    {
        bytes.fromhex("A000000003"): ("Visa", Ranges((("4", "4"),))),
        bytes.fromhex("A000000004"): (
            "Mastercard",
            Ranges((("51", "55"), ("2221", "2720"), ("50", "50"), ("56", "69"))),
        ),
        bytes.fromhex("A000000025"): ("American Express", Ranges((("34", "34"), ("37", "37")))),
        bytes.fromhex("A000000065"): ("JCB", Ranges((("3528", "3589"),))),
    }
)


def mismatch(aid: bytes, pan: Pan) -> str:
    """The brand that ``aid`` claims and ``pan`` contradicts; empty where they agree or no rule is known."""
    brand, ranges = BRANDS.get(aid[:RID_OCTETS], ("", Ranges()))
    return "" if not brand or ranges.holds(pan) else brand
