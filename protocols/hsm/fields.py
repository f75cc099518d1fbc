# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of fields in host commands: numbers, codes, octets, data. Knows no command.

Keys have a module of their own, :mod:`protocols.hsm.key_field`; what all kinds have in common is in
:mod:`protocols.hsm.kinds`. Both are given out here too.
"""

import re
from binascii import unhexlify
from dataclasses import dataclass

from protocols.errors import EncodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.key_field import KEYS_REMEMBERED, Key, KeyField
from protocols.hsm.kinds import HIDDEN, FieldError, Kind, Shortcut, Source, shortened
from protocols.pan import PAN_DIGITS, Pan

__all__ = [
    "HIDDEN",
    "KEYS_REMEMBERED",
    "Alphanumeric",
    "Characters",
    "Choice",
    "Counted",
    "Digits",
    "FieldError",
    "Hex",
    "HexOneOf",
    "HexText",
    "Key",
    "KeyField",
    "Kind",
    "Octets",
    "PanUntil",
    "Rest",
    "Shortcut",
    "Source",
    "shortened",
]

_NO_HEX = bytes(octet for octet in range(256) if octet not in b"0123456789ABCDEFabcdef")


def _upper_hex(octets: bytes) -> str:
    return octets.hex().upper()


@dataclass(frozen=True, slots=True)
class Digits(Kind[str]):
    """``count`` decimal digits, as text."""

    count: int
    hidden: bool = False
    refusal: ErrorCode = ErrorCode.INVALID_INPUT

    def read(self, source: Source, where: str) -> str:
        piece = source.take(self.count, where)
        if not piece.isdigit():
            raise FieldError(where, f"{self.count} decimal digits expected", self.refusal)
        return str(piece, "ascii")

    def write(self, value: str, where: str) -> bytes:
        if len(value) != self.count or not (value.isascii() and value.isdigit()):
            raise EncodeError(f"{where}: {self.count} decimal digits expected")
        return value.encode("ascii")

    def words(self) -> str:
        return f"{self.count}N"

    def shown(self, value: str) -> str:
        return HIDDEN if self.hidden else value

    def shortcut(self) -> Shortcut:
        return Shortcut(f"[0-9]{{{self.count}}}")


@dataclass(frozen=True, slots=True)
class HexText(Kind[str]):
    """``count`` hexadecimal digits whose count is odd or whose meaning is a code: kept as text, in capitals."""

    count: int
    refusal: ErrorCode = ErrorCode.INVALID_INPUT

    def read(self, source: Source, where: str) -> str:
        piece = source.take(self.count, where)
        if len(piece.translate(None, _NO_HEX)) != self.count:
            raise FieldError(where, f"{self.count} hexadecimal digits expected", self.refusal)
        return piece.decode("ascii").upper()

    def write(self, value: str, where: str) -> bytes:
        octets = value.encode("ascii", "replace")
        if len(octets) != self.count or len(octets.translate(None, _NO_HEX)) != self.count:
            raise EncodeError(f"{where}: {self.count} hexadecimal digits expected")
        return octets.upper()

    def words(self) -> str:
        return f"{self.count}H"

    def shortcut(self) -> Shortcut:
        return Shortcut(f"[0-9A-Fa-f]{{{self.count}}}", str.upper, str.upper)


@dataclass(frozen=True, slots=True)
class Characters(Kind[str]):
    """``count`` printable characters."""

    count: int

    def read(self, source: Source, where: str) -> str:
        piece = source.take(self.count, where)
        if not (piece.isascii() and piece.decode("ascii").isprintable()):
            raise FieldError(where, f"{self.count} printable characters expected")
        return piece.decode("ascii")

    def write(self, value: str, where: str) -> bytes:
        if len(value) != self.count or not (value.isascii() and value.isprintable()):
            raise EncodeError(f"{where}: {self.count} printable characters expected")
        return value.encode("ascii")

    def words(self) -> str:
        return f"{self.count}A"

    def shortcut(self) -> Shortcut:
        return Shortcut(f"[ -~]{{{self.count}}}")


@dataclass(frozen=True, slots=True)
class Alphanumeric(Kind[str]):
    """``count`` letters or digits."""

    count: int
    refusal: ErrorCode = ErrorCode.INVALID_INPUT

    def read(self, source: Source, where: str) -> str:
        piece = source.take(self.count, where)
        if not piece.isalnum():
            raise FieldError(where, f"{self.count} letters or digits expected", self.refusal)
        return piece.decode("ascii")

    def write(self, value: str, where: str) -> bytes:
        if len(value) != self.count or not (value.isascii() and value.isalnum()):
            raise EncodeError(f"{where}: {self.count} letters or digits expected")
        return value.encode("ascii")

    def words(self) -> str:
        return f"{self.count}A"

    def shortcut(self) -> Shortcut:
        return Shortcut(f"[0-9A-Za-z]{{{self.count}}}")


@dataclass(frozen=True, slots=True)
class Choice(Kind[str]):
    """One of a few codes of equal length; another one is refused with the command's own error code."""

    options: tuple[str, ...]
    refusal: ErrorCode = ErrorCode.INVALID_INPUT

    def read(self, source: Source, where: str) -> str:
        piece = source.take(len(self.options[0]), where)
        text = piece.decode("latin-1")
        if text not in self.options:
            raise FieldError(where, f"one of {', '.join(self.options)} expected", self.refusal)
        return text

    def write(self, value: str, where: str) -> bytes:
        if value not in self.options:
            raise EncodeError(f"{where}: one of {', '.join(self.options)} expected")
        return value.encode("ascii")

    def words(self) -> str:
        return "|".join(self.options)

    def shortcut(self) -> Shortcut:
        return Shortcut("|".join(re.escape(option) for option in self.options))


@dataclass(frozen=True, slots=True)
class Hex(Kind[bytes]):
    """Octets as ``count`` hexadecimal digits. ``plain`` marks what a trace may show whole (KSN, check value)."""

    count: int
    plain: bool = False

    def read(self, source: Source, where: str) -> bytes:
        try:
            return unhexlify(source.take(self.count, where))
        except ValueError:
            raise FieldError(where, f"{self.count} hexadecimal digits expected") from None

    def write(self, value: bytes, where: str) -> bytes:
        if 2 * len(value) != self.count:
            raise EncodeError(f"{where}: {self.count // 2} octets expected, {len(value)} given")
        return value.hex().upper().encode("ascii")

    def words(self) -> str:
        return f"{self.count}H"

    def shown(self, value: bytes) -> str:
        return value.hex().upper() if self.plain else shortened(value)

    def shortcut(self) -> Shortcut:
        return Shortcut(f"[0-9A-Fa-f]{{{self.count}}}", unhexlify, _upper_hex)


@dataclass(frozen=True, slots=True)
class HexOneOf(Kind[bytes]):
    """Octets as hexadecimal digits of one of several lengths; the longest that is there is taken."""

    counts: tuple[int, ...]
    plain: bool = False

    def read(self, source: Source, where: str) -> bytes:
        for count in sorted(self.counts, reverse=True):
            piece = source.data[source.at : source.at + count]
            if len(piece) == count == len(piece.translate(None, _NO_HEX)):
                source.at += count
                return bytes.fromhex(piece.decode("ascii"))
        raise FieldError(where, f"{self.words()} expected")

    def write(self, value: bytes, where: str) -> bytes:
        if 2 * len(value) not in self.counts:
            raise EncodeError(f"{where}: {self.words()} expected, {len(value)} octets given")
        return value.hex().upper().encode("ascii")

    def words(self) -> str:
        return "|".join(f"{count}H" for count in self.counts)

    def shown(self, value: bytes) -> str:
        return value.hex().upper() if self.plain else shortened(value)


@dataclass(frozen=True, slots=True)
class Octets(Kind[bytes]):
    """``count`` octets as they are, behind the literal ``after`` where the layout has one."""

    count: int
    after: bytes = b""
    plain: bool = False
    hidden: bool = False

    def read(self, source: Source, where: str) -> bytes:
        if self.after and source.take(len(self.after), where) != self.after:
            raise FieldError(where, f"the delimiter {self.after.decode('ascii')} expected in front")
        return source.take(self.count, where)

    def write(self, value: bytes, where: str) -> bytes:
        if len(value) != self.count:
            raise EncodeError(f"{where}: {self.count} octets expected, {len(value)} given")
        return self.after + value

    def words(self) -> str:
        lead = f"`{self.after.decode('ascii')}` " if self.after else ""
        return f"{lead}{self.count}B"

    def shown(self, value: bytes) -> str:
        if self.hidden:
            return HIDDEN
        return value.hex().upper() if self.plain else shortened(value)

    def shortcut(self) -> Shortcut | None:
        if self.after:
            return None
        return Shortcut(
            f".{{{self.count}}}", lambda text: text.encode("latin-1"), lambda value: value.decode("latin-1")
        )


@dataclass(frozen=True, slots=True)
class Counted(Kind[bytes]):
    """Data behind its own length of ``digits`` characters, which counts the octets that follow on the wire."""

    digits: int
    short: ErrorCode = ErrorCode.DATA_LENGTH
    empty: ErrorCode | None = None

    def read(self, source: Source, where: str) -> bytes:
        count = int(HexText(self.digits).read(source, f"length of {where}"), 16)
        if not count and self.empty is not None:
            raise FieldError(where, "at least one octet expected", self.empty)
        if len(source.data) - source.at < count:
            raise FieldError(where, "fewer octets are left than its length says", self.short)
        return source.take(count, where)

    def write(self, value: bytes, where: str) -> bytes:
        if len(value) >= 16**self.digits:
            raise EncodeError(f"{where}: {len(value)} octets, a length of {self.digits} hexadecimal digits given")
        return b"%0*X%b" % (self.digits, len(value), value)

    def words(self) -> str:
        return f"length {self.digits}H, data"

    def shown(self, value: bytes) -> str:
        return f"{len(value)} octets"


@dataclass(frozen=True, slots=True)
class Rest(Kind[bytes]):
    """Everything up to the end: only for the last field of a response, where nothing else can follow."""

    largest: int

    def read(self, source: Source, where: str) -> bytes:
        left = len(source.data) - source.at
        if left > self.largest:
            raise FieldError(where, f"at most {self.largest} octets expected, {left} are left")
        return source.take(left, where)

    def write(self, value: bytes, where: str) -> bytes:
        if len(value) > self.largest:
            raise EncodeError(f"{where}: at most {self.largest} octets expected, {len(value)} given")
        return value

    def words(self) -> str:
        return "data"

    def shown(self, value: bytes) -> str:
        return f"{len(value)} octets"


@dataclass(frozen=True, slots=True)
class PanUntil(Kind[Pan]):
    """A primary account number of any length up to the literal ``end``."""

    end: bytes = b";"

    def read(self, source: Source, where: str) -> Pan:
        stop = source.data.find(self.end, source.at, source.at + PAN_DIGITS.stop)
        digits = source.data[source.at : stop] if stop >= 0 else b""
        if len(digits) not in PAN_DIGITS or not digits.isdigit():
            raise FieldError(where, f"8 to 19 digits and the delimiter {self.end.decode('ascii')} expected")
        source.at = stop + len(self.end)
        return Pan(digits.decode("ascii"))

    def write(self, value: Pan, where: str) -> bytes:
        return value.digits.encode("ascii") + self.end

    def words(self) -> str:
        return f"nN `{self.end.decode('ascii')}`"

    def shown(self, value: Pan) -> str:
        return value.masked
