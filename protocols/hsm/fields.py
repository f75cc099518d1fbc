# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of fields in host commands: how each is read, written, named and shown. Knows no command.

Notation as in the field tables of the trade: nN decimal digits, nH hexadecimal digits, nA characters, nB octets. A
kind's value is what the field means: octets for hexadecimal fields, text for codes and numbers, :class:`KeyField` for
keys. ``shown`` is the only form that a trace may print: ciphertext shortened, account data and free data hidden.
"""

from abc import ABC, abstractmethod
from binascii import unhexlify
from dataclasses import dataclass
from typing import Generic, TypeVar

from protocols.errors import DecodeError, EncodeError
from protocols.hsm.codes import SCHEME_OCTETS, ErrorCode, KeyScheme
from protocols.pan import PAN_DIGITS, Pan

V = TypeVar("V")
HIDDEN = "(hidden)"
_NO_HEX = bytes(octet for octet in range(256) if octet not in b"0123456789ABCDEFabcdef")
_TAGS = {ord(scheme.value): (scheme, 2 * scheme.octets) for scheme in KeyScheme}
_UNTAGGED = _TAGS[ord(KeyScheme.SINGLE)]
_UNTAGGED_PAIR = _TAGS[ord(KeyScheme.DOUBLE_X917)]
_NOT_HANDLED_TAGS = frozenset(b"SRK")


class FieldError(DecodeError):
    """A field is not what its kind demands; ``code`` is the error code that an HSM answers."""

    def __init__(self, where: str, why: str, code: ErrorCode = ErrorCode.INVALID_INPUT) -> None:
        super().__init__(where, why)
        self.code = code


class Source:
    """The octets of the fields and the place of the next one."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int, where: str) -> bytes:
        """The next ``count`` octets."""
        end = self.at + count
        piece = self.data[self.at : end]
        if len(piece) != count:
            raise FieldError(where, f"{count} octets expected, {len(piece)} are left")
        self.at = end
        return piece


def shortened(octets: bytes) -> str:
    """Ciphertext for a trace: the first two octets and how many there are."""
    return f"{octets[:2].hex().upper()}…/{len(octets)}"


class Kind(ABC, Generic[V]):
    """One kind of field."""

    __slots__ = ()

    @abstractmethod
    def read(self, source: Source, where: str) -> V:
        """The value at the source's place; raises :class:`FieldError`."""

    @abstractmethod
    def write(self, value: V, where: str) -> bytes:
        """The octets of a value; raises :class:`EncodeError`."""

    @abstractmethod
    def words(self) -> str:
        """The kind in the trade's notation."""

    def shown(self, value: V) -> str:
        """The value for a trace."""
        return str(value)


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


@dataclass(frozen=True, slots=True, repr=False)
class KeyField:
    """A key under another key as it travels: its scheme and its cryptogram. Not a secret; prints shortened anyway."""

    scheme: KeyScheme
    cryptogram: bytes

    def __post_init__(self) -> None:
        if len(self.cryptogram) != SCHEME_OCTETS[self.scheme]:
            raise EncodeError(f"key of scheme {self.scheme}: {self.scheme.octets} octets expected")

    @classmethod
    def from_text(cls, text: str) -> "KeyField":
        """Read the field as text, with or without its tag: ``U`` and 32 digits, 16 digits, and so on."""
        source = Source(text.encode("ascii", "replace"))
        field = Key().read(source, "key")
        if source.at != len(source.data):
            raise FieldError("key", "characters behind the last digit")
        return field

    @property
    def text(self) -> str:
        """The field as text; a single-length key has no tag."""
        tag = "" if self.scheme is KeyScheme.SINGLE else self.scheme.value
        return tag + self.cryptogram.hex().upper()

    def __repr__(self) -> str:
        return f"{self.scheme}{shortened(self.cryptogram)}"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Key(Kind[KeyField]):
    """A key: tag and digits, or 16 digits without tag; ``pair`` also allows 32 digits without tag, an old form."""

    pair: bool = False

    def read(self, source: Source, where: str) -> KeyField:
        data, at = source.data, source.at
        tag = data[at] if at < len(data) else 0
        tagged = _TAGS.get(tag)
        if tagged is not None:
            at += 1
        elif tag in _NOT_HANDLED_TAGS:
            raise FieldError(where, "key blocks and user storage are not handled here", ErrorCode.INVALID_KEY_SCHEME)
        else:
            tagged = _UNTAGGED_PAIR if self.pair else _UNTAGGED
        scheme, count = tagged
        source.at = at
        try:
            return KeyField(scheme, unhexlify(source.take(count, where)))
        except ValueError:
            raise FieldError(where, f"{count} hexadecimal digits expected") from None

    def write(self, value: KeyField, where: str) -> bytes:
        return value.text.encode("ascii")

    def words(self) -> str:
        return "key (or 32H pair)" if self.pair else "key"
