# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Free data as fields of host commands: behind lengths in several notations, and behind literals. Looks into none."""

from dataclasses import dataclass
from typing import Any

from protocols.errors import EncodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.kinds import FieldError, Kind, Source, shortened

_SEQUENCE = 0x30
_LONG_FORM = 0x80
_HEX = frozenset(b"0123456789ABCDEFabcdef")


@dataclass(frozen=True, slots=True)
class CountedOctets(Kind[bytes]):
    """Octets behind their count in ``digits`` decimal digits, at most ``largest`` of them."""

    digits: int
    largest: int
    short: ErrorCode = ErrorCode.DATA_LENGTH

    def read(self, source: Source, where: str) -> bytes:
        text = source.take(self.digits, f"length of {where}")
        if not text.isdigit():
            raise FieldError(f"length of {where}", f"{self.digits} decimal digits expected")
        count = int(text)
        if count > self.largest:
            raise FieldError(where, f"at most {self.largest} octets expected", self.short)
        if len(source.data) - source.at < count:
            raise FieldError(where, "fewer octets are left than its length says", self.short)
        return source.take(count, where)

    def write(self, value: bytes, where: str) -> bytes:
        if len(value) > self.largest:
            raise EncodeError(f"{where}: at most {self.largest} octets expected, {len(value)} given")
        return b"%0*d%b" % (self.digits, len(value), value)

    def words(self) -> str:
        return f"length {self.digits}N, data"

    def shown(self, value: bytes) -> str:
        return f"{len(value)} octets"


@dataclass(frozen=True, slots=True)
class CountedHex(Kind[bytes]):
    """Octets as hexadecimal digits behind their length of ``digits`` hexadecimal digits.

    ``per_octet`` says what the length counts for each octet: 1 the octets, 2 the digits.
    """

    digits: int
    per_octet: int
    short: ErrorCode = ErrorCode.DATA_LENGTH

    def read(self, source: Source, where: str) -> bytes:
        text = source.take(self.digits, f"length of {where}")
        if not _HEX.issuperset(text):
            raise FieldError(f"length of {where}", f"{self.digits} hexadecimal digits expected")
        count, odd = divmod(int(text, 16) * 2, self.per_octet)
        if odd or count % 2:
            raise FieldError(where, "an even number of digits expected", self.short)
        if len(source.data) - source.at < count:
            raise FieldError(where, "fewer digits are left than its length says", self.short)
        piece = source.take(count, where)
        if not _HEX.issuperset(piece):
            raise FieldError(where, "hexadecimal digits expected")
        return bytes.fromhex(piece.decode("ascii"))

    def write(self, value: bytes, where: str) -> bytes:
        count = self.per_octet * len(value)
        if count >= 16**self.digits:
            raise EncodeError(f"{where}: {len(value)} octets, a length of {self.digits} hexadecimal digits given")
        return b"%0*X%b" % (self.digits, count, value.hex().upper().encode("ascii"))

    def words(self) -> str:
        counted = "octets" if self.per_octet == 1 else "digits"
        return f"length {self.digits}H of {counted}, hexadecimal data"

    def shown(self, value: bytes) -> str:
        return f"{len(value)} octets"


@dataclass(frozen=True, slots=True)
class NextValue(Kind[bytes | None]):
    """In a response: the value that continues a chain, in front of counted data, where the request's mode has one.

    The response does not say whether it is there; the length behind it does, unless ciphertext happens to look like
    one, which one in 65,000 does. What has two readings is read with the value.
    """

    digits: tuple[int, ...]

    def read(self, source: Source, where: str) -> bytes | None:
        for count in self.digits:
            text = source.data[source.at : source.at + count]
            if _HEX.issuperset(text) and _counts_the_rest(source, source.at + count):
                source.at += count
                return bytes.fromhex(text.decode("ascii"))
        return None

    def write(self, value: bytes | None, where: str) -> bytes:
        if value is None:
            return b""
        if 2 * len(value) not in self.digits:
            raise EncodeError(f"{where}: {self.words()} expected, {len(value)} octets given")
        return value.hex().upper().encode("ascii")

    def words(self) -> str:
        return "|".join(f"{count}H" for count in self.digits)

    def shown(self, value: bytes | None) -> str:
        return shortened(value) if value is not None else ""


def _counts_the_rest(source: Source, at: int) -> bool:
    length = source.data[at : at + 4]
    return len(length) == 4 and _HEX.issuperset(length) and int(length, 16) == len(source.data) - at - 4


@dataclass(frozen=True, slots=True)
class Pieces(Kind[tuple[bytes, ...]]):
    """Messages behind their number (2N), each behind its length (4N)."""

    def read(self, source: Source, where: str) -> tuple[bytes, ...]:
        number = source.take(2, f"number of {where}")
        if not number.isdigit() or not int(number):
            raise FieldError(f"number of {where}", "1 to 99 expected", ErrorCode.BRANCH_HEIGHT)
        return tuple(_piece(source, where) for _ in range(int(number)))

    def write(self, value: tuple[bytes, ...], where: str) -> bytes:
        if not 1 <= len(value) <= 99 or any(len(piece) > 9999 for piece in value):
            raise EncodeError(f"{where}: 1 to 99 of at most 9999 octets expected")
        return b"%02d" % len(value) + b"".join(b"%04d%b" % (len(piece), piece) for piece in value)

    def words(self) -> str:
        return "number 2N, that often (length 4N, message)"

    def shown(self, value: tuple[bytes, ...]) -> str:
        return f"{len(value)} messages"


def _piece(source: Source, where: str) -> bytes:
    length = source.take(4, f"length of {where}")
    if not length.isdigit():
        raise FieldError(f"length of {where}", "4 decimal digits expected")
    return source.take(int(length), where)


@dataclass(frozen=True, slots=True)
class DerSequence(Kind[bytes]):
    """A DER sequence, whose own header says its length; what is in it is not looked at."""

    largest: int

    def read(self, source: Source, where: str) -> bytes:
        start = source.at
        tag, first = source.take(2, where)
        if tag != _SEQUENCE or first == _LONG_FORM:
            raise FieldError(where, "a DER sequence expected")
        count = first
        if first > _LONG_FORM:
            octets = first - _LONG_FORM
            if octets > 2:
                raise FieldError(where, f"at most {self.largest} octets expected")
            count = int.from_bytes(source.take(octets, where), "big")
        if count > self.largest:
            raise FieldError(where, f"a length of at most {self.largest} octets expected")
        source.take(count, where)
        return source.data[start : source.at]

    def write(self, value: bytes, where: str) -> bytes:
        if DerSequence(self.largest).read(Source(value), where) != value:
            raise EncodeError(f"{where}: one DER sequence expected")
        return value

    def words(self) -> str:
        return "DER sequence"

    def shown(self, value: bytes) -> str:
        return f"{len(value)} octets"


@dataclass(frozen=True, slots=True)
class After(Kind[Any]):
    """A field behind a literal that must stand there."""

    literal: bytes
    inner: Kind[Any]

    def read(self, source: Source, where: str) -> Any:
        if source.data[source.at : source.at + len(self.literal)] != self.literal:
            raise FieldError(where, f"the delimiter {self.literal.decode('ascii')} expected in front")
        source.at += len(self.literal)
        return self.inner.read(source, where)

    def write(self, value: Any, where: str) -> bytes:
        return self.literal + self.inner.write(value, where)

    def words(self) -> str:
        return f"`{self.literal.decode('ascii')}` {self.inner.words()}"

    def shown(self, value: Any) -> str:
        return self.inner.shown(value)


@dataclass(frozen=True, slots=True)
class EndedBy(Kind[Any]):
    """A field in front of a literal that must stand there."""

    inner: Kind[Any]
    literal: bytes

    def read(self, source: Source, where: str) -> Any:
        value = self.inner.read(source, where)
        if source.data[source.at : source.at + len(self.literal)] != self.literal:
            raise FieldError(where, f"the delimiter {self.literal.decode('ascii')} expected behind")
        source.at += len(self.literal)
        return value

    def write(self, value: Any, where: str) -> bytes:
        return self.inner.write(value, where) + self.literal

    def words(self) -> str:
        return f"{self.inner.words()}, `{self.literal.decode('ascii')}`"

    def shown(self, value: Any) -> str:
        return self.inner.shown(value)
