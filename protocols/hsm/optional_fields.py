# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of fields that may be missing without a mark in front: what stands there tells. Knows no command."""

import re
from dataclasses import dataclass

from protocols.errors import EncodeError
from protocols.hsm.kinds import FieldError, Kind, Shortcut, Source

ATALLA_VARIANTS = range(32)  # eight times the number is what one octet is changed by
_DIGITS = b"0123456789"
_TAGS = frozenset(bytes((octet,)) for octet in b"UTXYZSRK")
"""In front of keys: no digit of any key."""
_DIGIT = frozenset(bytes((octet,)) for octet in _DIGITS)


@dataclass(frozen=True, slots=True)
class AtallaVariant(Kind[str | None]):
    """The variant number of a foreign HSM: one or two digits, or nothing."""

    def read(self, source: Source, where: str) -> str | None:
        end = source.at
        while end < min(source.at + 2, len(source.data)) and source.data[end] in _DIGITS:
            end += 1
        text = source.data[source.at : end].decode("ascii")
        if text and int(text) not in ATALLA_VARIANTS:
            raise FieldError(where, f"a variant of 0 to {ATALLA_VARIANTS.stop - 1} expected")
        source.at = end
        return text or None

    def write(self, value: str | None, where: str) -> bytes:
        if value is None:
            return b""
        if len(value) not in (1, 2) or not (value.isascii() and value.isdigit()) or int(value) not in ATALLA_VARIANTS:
            raise EncodeError(f"{where}: 0 to {ATALLA_VARIANTS.stop - 1} in 1 or 2 decimal digits expected")
        return value.encode("ascii")

    def words(self) -> str:
        return "0–2N"


@dataclass(frozen=True, slots=True)
class Flag(Kind[str | None]):
    """One of a few characters, or nothing: none of them can begin what follows."""

    options: str

    def read(self, source: Source, where: str) -> str | None:
        found = source.data[source.at : source.at + 1].decode("latin-1")
        if not found or found not in self.options:
            return None
        source.at += 1
        return found

    def write(self, value: str | None, where: str) -> bytes:
        if value is None:
            return b""
        if len(value) != 1 or value not in self.options:
            raise EncodeError(f"{where}: one of {', '.join(self.options)} expected")
        return value.encode("ascii")

    def words(self) -> str:
        return "[" + "|".join(f"`{option}`" for option in self.options) + "]"

    def shortcut(self) -> Shortcut:
        return Shortcut(f"[{re.escape(self.options)}]", text=lambda value: value or "", optional=True)


@dataclass(frozen=True, slots=True)
class TransportFlag(Kind[str | None]):
    """`;` and 0 for a ZMK or 1 for a TMK, or nothing; one host's codec leaves the delimiter out before a key's tag."""

    def read(self, source: Source, where: str) -> str | None:
        data, at = source.data, source.at
        if data[at : at + 1] == b";":
            source.at += 1
        elif data[at : at + 1] not in (b"0", b"1") or data[at + 1 : at + 2] not in _TAGS:
            return None
        flag = source.take(1, where)
        if flag not in (b"0", b"1"):
            raise FieldError(where, "0 or 1 expected")
        return flag.decode("ascii")

    def write(self, value: str | None, where: str) -> bytes:
        if value is None:
            return b""
        if value not in ("0", "1"):
            raise EncodeError(f"{where}: 0 or 1 expected")
        return b";" + value.encode("ascii")

    def words(self) -> str:
        return "[`;` 0|1]"


@dataclass(frozen=True, slots=True)
class OptionalDigits(Kind[str | None]):
    """``count`` decimal digits, or nothing where no digit stands there."""

    count: int

    def read(self, source: Source, where: str) -> str | None:
        if source.data[source.at : source.at + 1] not in _DIGIT:
            return None
        piece = source.take(self.count, where)
        if not piece.isdigit():
            raise FieldError(where, f"{self.count} decimal digits expected")
        return piece.decode("ascii")

    def write(self, value: str | None, where: str) -> bytes:
        if value is None:
            return b""
        if len(value) != self.count or not (value.isascii() and value.isdigit()):
            raise EncodeError(f"{where}: {self.count} decimal digits expected")
        return value.encode("ascii")

    def words(self) -> str:
        return f"[{self.count}N]"
