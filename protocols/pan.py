# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The primary account number and what carries it. They print masked; whoever needs the digits must say so."""

from dataclasses import dataclass
from typing import NoReturn

from protocols.errors import DecodeError

PAN_DIGITS = range(8, 20)  # ISO/IEC 7812-1:2017, 4: up to 19 digits; PIN pads take 8 as the least


class Pan:
    """A primary account number. ``str`` and ``repr`` show first six and last four digits at most (PCI DSS 3.4.1)."""

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        if len(digits) not in PAN_DIGITS or not (digits.isascii() and digits.isdigit()):
            raise DecodeError("PAN", f"{len(digits)} characters found, 8 to 19 decimal digits expected")
        self._digits = digits

    @property
    def digits(self) -> str:
        """The clear digits: only for a wire that must carry them or a computation that needs them."""
        return self._digits

    @property
    def account_field(self) -> str:
        """The rightmost 12 digits without the check digit (ISO 9564-1:2017, 9.3.2.2), zero-filled on the left."""
        return self._digits[:-1][-12:].rjust(12, "0")

    @property
    def masked(self) -> str:
        """First six and last four digits, stars between; a PAN under 13 digits shows its last four only."""
        head = self._digits[:6] if len(self._digits) >= 13 else ""
        return head + "*" * (len(self._digits) - len(head) - 4) + self._digits[-4:]

    def has_luhn_digit(self) -> bool:
        """Whether the last digit is the check digit of ISO/IEC 7812-1:2017, Annex B."""
        total = 0
        for place, character in enumerate(reversed(self._digits)):
            digit = int(character)
            if place % 2:
                digit = digit * 2 - 9 if digit > 4 else digit * 2
            total += digit
        return total % 10 == 0

    def __len__(self) -> int:
        return len(self._digits)

    def __eq__(self, other: object) -> bool:
        return self._digits == other._digits if isinstance(other, Pan) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._digits)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"Pan({self.masked})"

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("Pan refuses to be serialised")

    __reduce_ex__ = __reduce__ = __getstate__ = _refuse


@dataclass(frozen=True, slots=True)
class Track2:
    """Track 2 equivalent data (EMV 4.3 Book 3, Annex A, tag 57; ISO/IEC 7813). Prints without the card's data."""

    pan: Pan
    expiry: str
    """YYMM."""
    service_code: str
    discretionary: str

    @classmethod
    def from_text(cls, text: str) -> "Track2":
        """Read ``PAN D|= YYMM service-code discretionary [F]`` as text."""
        number, separator, rest = text.replace("=", "D", 1).upper().partition("D")
        rest = rest.rstrip("F")
        if not separator or len(rest) < 7 or not (rest.isascii() and rest.isdigit()) or len(number) + len(rest) > 36:
            raise DecodeError("track 2", "PAN, separator, expiry YYMM and service code expected, 37 characters at most")
        return cls(Pan(number), rest[:4], rest[4:7], rest[7:])

    def text(self, separator: str = "D") -> str:
        """The clear track: only for a wire that must carry it."""
        return f"{self.pan.digits}{separator}{self.expiry}{self.service_code}{self.discretionary}"

    def __repr__(self) -> str:
        return f"Track2({self.pan.masked})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Track2 refuses to be serialised")
