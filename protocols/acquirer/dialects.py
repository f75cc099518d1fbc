# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Dialects of ISO 8583 as data: how one acquirer writes digits, lengths and bitmaps, and where it puts the KSN.

A dialect is five knobs over one element table; the specification that ``pyiso8583`` wants is worked out from them.
The standard leaves these choices to the parties (ISO 8583:1987, 4.2 and 4.4), so nearly every host has its own.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from protocols.acquirer.elements import ELEMENTS, Element, Form, Kind
from protocols.errors import EncodeError

KSN_FIELDS = (48, 60, 62, 63)
"""Where a key serial number may travel: the private text elements (ISO 8583:1987 has no element of its own for it)."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one host writes ISO 8583. ``specification`` is derived, for ``pyiso8583``."""

    name: str
    digits: Literal["ascii", "bcd"] = "ascii"
    """How n and z elements, and the lengths of all variable ones, are written."""
    mti: Literal["ascii", "bcd"] = "ascii"
    bitmap: Literal["hex", "binary"] = "hex"
    fill: str = "F"
    """The nibble behind an odd number of BCD digits of variable length."""
    tpdu: bool = False
    """Whether five octets of transport header stand between the frame's length and the message."""
    ksn_field: int = 62
    """The element that carries the DUKPT key serial number, as 20 hexadecimal digits."""
    key_field: int = 62
    """The element of a network management answer that carries the session key."""
    specification: dict[str, dict[str, Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, number in (("KSN", self.ksn_field), ("session key", self.key_field)):
            if number not in KSN_FIELDS:
                raise EncodeError(f"dialect {self.name}: the {name} cannot travel in DE{number}")
        object.__setattr__(self, "specification", _specification(self))

    def with_ksn_field(self, number: int) -> "Dialect":
        """The same dialect with its KSN in another element."""
        return self if number == self.ksn_field else replace(self, ksn_field=number)

    @property
    def binding_field(self) -> int:
        """The element that carries the proof of the terminal's binding: 63, or 62 where the KSN is in that."""
        return 63 if self.ksn_field != 63 else 62

    @property
    def account_field(self) -> int:
        """The element that carries enciphered account data: 48, or 60 where the KSN is in that."""
        return 48 if self.ksn_field != 48 else 60


def _specification(dialect: Dialect) -> dict[str, dict[str, Any]]:
    bitmap = {"data_enc": "b", "max_len": 8} if dialect.bitmap == "binary" else {"data_enc": "ascii", "max_len": 16}
    specification: dict[str, dict[str, Any]] = {
        "h": {"data_enc": "b", "len_enc": "ascii", "len_type": 0, "max_len": 0},
        "t": {
            "data_enc": "b" if dialect.mti == "bcd" else "ascii",
            "len_enc": "ascii",
            "len_type": 0,
            "max_len": 2 if dialect.mti == "bcd" else 4,
        },
        "p": {"len_enc": "ascii", "len_type": 0, **bitmap},
        "1": {"len_enc": "ascii", "len_type": 0, **bitmap},
    }
    for number, element in ELEMENTS.items():
        specification[str(number)] = _element(dialect, element)
    return specification


def _element(dialect: Dialect, element: Element) -> dict[str, Any]:
    bcd = dialect.digits == "bcd"
    packed = bcd and element.kind in (Kind.N, Kind.Z)
    entry: dict[str, Any] = {
        "data_enc": "b" if packed or element.kind is Kind.B else "ascii",
        "len_enc": "bcd" if bcd else "ascii",
        # BCD lengths take one octet for two digits and two for three.
        "len_type": (element.form.value + 1) // 2 if bcd else element.form.value,
        "max_len": element.length,
        "desc": element.words,
    }
    if packed:
        pad = {"left_pad": "0"} if element.form is Form.FIXED else {"right_pad": dialect.fill}
        entry |= {"len_count": "nibbles", **pad}
    return entry


ASCII_1987 = Dialect("ascii-1987")
"""Everything readable: text digits, a bitmap of hexadecimal digits; DE52, 55, 64 and 128 are octets all the same."""

BCD_TPDU = Dialect("bcd-tpdu", digits="bcd", mti="bcd", bitmap="binary", tpdu=True)
"""Packed digits and a binary bitmap behind a TPDU: the common shape of terminals that grew up on dial-up lines."""

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (ASCII_1987, BCD_TPDU)}
"""What a profile may name."""
