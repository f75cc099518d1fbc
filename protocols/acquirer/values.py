# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Values that share one element: DE53, DE90 and the session key of a sign-on. Text in, values out; no cipher here."""

from dataclasses import dataclass
from enum import IntEnum

from protocols.acquirer.mti import Mti
from protocols.errors import DecodeError, EncodeError
from protocols.octets import unhex


class PinFormat(IntEnum):
    """Digit 1 of DE53: what the PIN was bound to (common practice of UnionPay and descendants)."""

    NO_PIN = 0
    WITHOUT_PAN = 1
    WITH_PAN = 2


class PinAlgorithm(IntEnum):
    """Digit 2 of DE53: what enciphered the PIN block."""

    DES = 0
    TDES_DOUBLE_LENGTH = 6


@dataclass(frozen=True, slots=True)
class SecurityControl:
    """DE53 (n16): PIN block format, its cipher, and whether the track data are enciphered; 13 digits stay zero."""

    pin_format: PinFormat
    algorithm: PinAlgorithm
    track_enciphered: bool = False

    def digits(self) -> str:
        """As 16 digits."""
        return f"{self.pin_format}{self.algorithm}{int(self.track_enciphered)}".ljust(16, "0")

    @classmethod
    def from_digits(cls, digits: str) -> "SecurityControl":
        """Read 16 digits; a format or cipher we do not know is refused, not ignored."""
        _digits(digits, 16, "DE53")
        first, second, third = (int(digit) for digit in digits[:3])
        if first not in PinFormat._value2member_map_ or second not in PinAlgorithm._value2member_map_:
            raise DecodeError("DE53", "a PIN format or algorithm that is not known here")
        if third > 1 or digits[3:] != "0" * 13:
            raise DecodeError("DE53", "digit 3 must be 0 or 1, digits 4 to 16 zero")
        return cls(PinFormat(first), PinAlgorithm(second), bool(third))


@dataclass(frozen=True, slots=True)
class OriginalData:
    """DE90 (n42): which message is meant, by type, STAN and DE7; the two institution numbers stay zero here."""

    mti: Mti
    stan: int
    transmitted: str

    def digits(self) -> str:
        """As 42 digits: type 4, STAN 6, DE7 10, acquiring institution 11, forwarding institution 11."""
        if not 0 < self.stan <= 999_999 or len(self.transmitted) != 10:
            raise EncodeError("STAN 1 to 999999 and ten digits of DE7 expected")
        return f"{self.mti.digits}{self.stan:06d}{self.transmitted}".ljust(42, "0")

    @classmethod
    def from_digits(cls, digits: str) -> "OriginalData":
        """Read 42 digits."""
        _digits(digits, 42, "DE90")
        if int(digits[4:10]) == 0:
            raise DecodeError("DE90", "original STAN 000001 to 999999 expected")
        return cls(Mti.from_digits(digits[:4]), int(digits[4:10]), digits[10:20])


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A MAC session key in a sign-on answer: enciphered under the terminal's master key, with its check value."""

    cryptogram: bytes
    """16 octets: a double-length TDES key under the master key, ECB (X9.17 scheme X of the HSM)."""
    check_value: bytes
    """3 octets: the leftmost of eight zero octets enciphered under the key."""

    def text(self) -> str:
        """As 32 + 6 hexadecimal digits."""
        if len(self.cryptogram) != 16 or len(self.check_value) != 3:
            raise EncodeError("session key: 16 octets and a check value of 3 expected")
        return f"{self.cryptogram.hex()}{self.check_value.hex()}".upper()

    @classmethod
    def from_text(cls, text: str) -> "SessionKey":
        """Read 38 hexadecimal digits."""
        octets = unhex(text, "session key")
        if len(octets) != 19 or len(text) != 38:
            raise DecodeError("session key", f"{len(text)} characters, 38 hexadecimal digits expected")
        return cls(octets[:16], octets[16:])

    def __repr__(self) -> str:
        return f"SessionKey(check value {self.check_value.hex().upper()})"


def _digits(text: str, count: int, where: str) -> None:
    if len(text) != count or not (text.isascii() and text.isdigit()):
        raise DecodeError(where, f"{count} decimal digits expected")
