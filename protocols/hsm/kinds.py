# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a kind of field is: how it is read, written, named and shown. Knows no kind and no command.

Notation as in the field tables of the trade: nN decimal digits, nH hexadecimal digits, nA characters, nB octets. A
kind's value is what the field means: octets for hexadecimal fields, text for codes and numbers. ``shown`` is the only
form that a trace may print: ciphertext shortened, account data and free data hidden.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode

V = TypeVar("V")
HIDDEN = "(hidden)"


class FieldError(DecodeError):
    """A field is not what its kind demands; ``code`` is the error code that an HSM answers."""

    def __init__(self, where: str, why: str, code: ErrorCode = ErrorCode.INVALID_INPUT) -> None:
        super().__init__(where, why)
        self.code = code


class Source:
    """The octets of the fields and the place of the next one; ``text`` is the same, one character for each octet."""

    __slots__ = ("at", "data", "text")

    lmk_pin_digits: ClassVar[int] = 13
    """Length of a PIN under the LMK, which is a setting of the unit: see :func:`source_class`."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.text = data.decode("latin-1")
        self.at = at

    def take(self, count: int, where: str) -> bytes:
        """The next ``count`` octets."""
        end = self.at + count
        piece = self.data[self.at : end]
        if len(piece) != count:
            raise FieldError(where, f"{count} octets expected, {len(piece)} are left")
        self.at = end
        return piece


@cache
def source_class(lmk_pin_digits: int) -> type[Source]:
    """Sources of a unit whose PINs under the LMK have so many digits (5 to 13)."""
    return type("Source", (Source,), {"__slots__": (), "lmk_pin_digits": lmk_pin_digits})


def shortened(octets: bytes) -> str:
    """Ciphertext for a trace: the first two octets and how many there are."""
    return f"{octets[:2].hex().upper()}…/{len(octets)}"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A kind as a regular expression, for reading it together with its neighbours.

    ``pattern`` has no group and matches only what ``read`` takes there, to the same end. ``parse`` makes the value of
    what matched and ``text`` the other way round; None where the text is the value. ``optional``: where nothing
    matches, the value is None.
    """

    pattern: str
    parse: Callable[[str], Any] | None = None
    text: Callable[[Any], str] | None = None
    optional: bool = False


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

    def shortcut(self) -> Shortcut | None:
        """The same kind as a regular expression, if that can say it."""
        return None
