# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of fields about PINs and how they are checked: PINs under the LMK, tables, validation data, offsets.

Knows no command. Clear PINs are :class:`protocols.secret.Pin`; everything here is hidden in traces.
"""

from dataclasses import dataclass

from protocols.errors import EncodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.kinds import HIDDEN, FieldError, Kind, Source
from protocols.secret import PIN_DIGITS, Pin

AES_PIN_TAG = ord("J")
AES_TABLE_TAG = ord("L")
STORED_TAG = ord("K")
VALIDATION_TAG = ord("P")
AES_DIGITS = 32
TABLE_DIGITS = 16
VALIDATION_CHARACTERS = 12
OFFSET_DIGITS = 12
ACCOUNT_MARK = "N"
FILL = "F"
_NO_HEX = bytes(octet for octet in range(256) if octet not in b"0123456789ABCDEFabcdef")


def _hexadecimal(piece: bytes, where: str) -> str:
    if len(piece.translate(None, _NO_HEX)) != len(piece):
        raise FieldError(where, f"{len(piece)} hexadecimal digits expected")
    return piece.decode("ascii").upper()


@dataclass(frozen=True, slots=True)
class LmkPin(Kind[str]):
    """A PIN under the LMK: as many digits as the unit is set to, or J and 32H under an AES LMK."""

    def read(self, source: Source, where: str) -> str:
        if source.data[source.at : source.at + 1] == bytes((AES_PIN_TAG,)):
            source.at += 1
            return chr(AES_PIN_TAG) + _hexadecimal(source.take(AES_DIGITS, where), where)
        piece = source.take(source.lmk_pin_digits, where)
        if not piece.isdigit():
            raise FieldError(where, f"{source.lmk_pin_digits} decimal digits expected")
        return piece.decode("ascii")

    def write(self, value: str, where: str) -> bytes:
        digits = value[1:] if value[:1] == chr(AES_PIN_TAG) else value
        if not (digits.isascii() and digits.isalnum()):
            raise EncodeError(f"{where}: digits expected")
        return value.encode("ascii")

    def words(self) -> str:
        return "LN (or `J` 32H)"

    def shown(self, value: str) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True)
class PaddedPin:
    """A clear PIN and the width of its field."""

    pin: Pin
    width: int


@dataclass(frozen=True, slots=True)
class ClearPin(Kind[PaddedPin]):
    """A clear PIN in the field of a PIN under the LMK, F behind its last digit."""

    def read(self, source: Source, where: str) -> PaddedPin:
        piece = source.take(source.lmk_pin_digits, where)
        digits = piece.rstrip(FILL.encode("ascii"))
        if len(digits) not in PIN_DIGITS:
            raise FieldError(where, "4 to 12 digits, then F, expected", ErrorCode.INVALID_PIN_LENGTH)
        if not digits.isdigit():
            raise FieldError(where, "4 to 12 digits, then F, expected")
        return PaddedPin(Pin.from_text(digits), len(piece))

    def write(self, value: PaddedPin, where: str) -> bytes:
        return "".join(map(str, value.pin)).ljust(value.width, FILL).encode("ascii")

    def words(self) -> str:
        return "LH"

    def shown(self, value: PaddedPin) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True)
class Table(Kind[str]):
    """A decimalisation table: 16N bare or 16H enciphered, L and 32H under an AES LMK, K and 3H in user storage."""

    def read(self, source: Source, where: str) -> str:
        tag = source.data[source.at] if source.at < len(source.data) else 0
        if tag == AES_TABLE_TAG:
            source.at += 1
            return chr(tag) + _hexadecimal(source.take(AES_DIGITS, where), where)
        if tag == STORED_TAG:
            source.at += 1
            return chr(tag) + _hexadecimal(source.take(3, where), where)
        return _hexadecimal(source.take(TABLE_DIGITS, where), where)

    def write(self, value: str, where: str) -> bytes:
        if len(value) != {"L": 1 + AES_DIGITS, "K": 4}.get(value[:1], TABLE_DIGITS):
            raise EncodeError(f"{where}: {TABLE_DIGITS} digits expected")
        return value.encode("ascii")

    def words(self) -> str:
        return "16H (or `L` 32H, `K` 3H)"

    def shown(self, value: str) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True)
class ValidationData(Kind[str]):
    """What an IBM PIN is made of: 12 characters, one of them N for the last 5 account digits; or P and 16H."""

    def read(self, source: Source, where: str) -> str:
        if source.data[source.at : source.at + 1] == bytes((VALIDATION_TAG,)):
            source.at += 1
            return chr(VALIDATION_TAG) + _hexadecimal(source.take(TABLE_DIGITS, where), where)
        piece = source.take(VALIDATION_CHARACTERS, where)
        text = piece.decode("latin-1").upper()
        if text.count(ACCOUNT_MARK) != 1:
            raise FieldError(where, "12 characters with one N expected")
        _hexadecimal(piece.upper().replace(ACCOUNT_MARK.encode(), b"0"), where)
        return text

    def write(self, value: str, where: str) -> bytes:
        if len(value) != (1 + TABLE_DIGITS if value[:1] == chr(VALIDATION_TAG) else VALIDATION_CHARACTERS):
            raise EncodeError(f"{where}: 12 characters, or P and 16, expected")
        return value.encode("ascii")

    def words(self) -> str:
        return "12A (or `P` 16H)"

    def shown(self, value: str) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True)
class Offset(Kind[str]):
    """An IBM offset: 4 to 12 digits, F behind them up to 12; the value is the digits."""

    def read(self, source: Source, where: str) -> str:
        text = source.take(OFFSET_DIGITS, where).decode("latin-1").upper().rstrip(FILL)
        if len(text) not in PIN_DIGITS or not (text.isascii() and text.isdigit()):
            raise FieldError(where, "4 to 12 digits, then F up to 12, expected")
        return text

    def write(self, value: str, where: str) -> bytes:
        if len(value) not in PIN_DIGITS or not (value.isascii() and value.isdigit()):
            raise EncodeError(f"{where}: 4 to 12 digits expected")
        return value.ljust(OFFSET_DIGITS, FILL).encode("ascii")

    def words(self) -> str:
        return "12H"

    def shown(self, value: str) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True)
class PinList(Kind[tuple[str, ...]]):
    """PINs of one length that are not to be given out: how many 2N, their length 2N, then all their digits."""

    def read(self, source: Source, where: str) -> tuple[str, ...]:
        head = source.take(4, where)
        if not head.isdigit():
            raise FieldError(where, "count and length of 2 decimal digits each expected", ErrorCode.COMMAND_SPECIFIC_03)
        count, length = int(head[:2]), int(head[2:])
        if length not in PIN_DIGITS:
            raise FieldError(where, "PINs of 4 to 12 digits expected", ErrorCode.INVALID_PIN_LENGTH)
        digits = source.take(count * length, where)
        if count and not digits.isdigit():
            raise FieldError(where, "decimal digits expected")
        text = digits.decode("ascii")
        return tuple(text[start : start + length] for start in range(0, len(text), length))

    def write(self, value: tuple[str, ...], where: str) -> bytes:
        lengths = {len(pin) for pin in value}
        if len(lengths) != 1 or len(value) > 99:
            raise EncodeError(f"{where}: 1 to 99 PINs of one length expected")
        return f"{len(value):02}{lengths.pop():02}{''.join(value)}".encode("ascii")

    def words(self) -> str:
        return "count 2N, length 2N, PINs"

    def shown(self, value: tuple[str, ...]) -> str:
        return HIDDEN
