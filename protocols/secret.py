# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Types for what must never be printed: PINs, keys, clear PIN blocks. Holds and wipes them; computes nothing.

A secret lives in one bytearray that ``wipe`` (or leaving ``with``) overwrites. It prints redacted, compares in
constant time and refuses to be pickled, copied or encoded as JSON. Python can promise no more: an interpreter may
have copied octets before they came here, so parse with :meth:`Secret.from_hex` and hand over bytearrays, which are
taken over and wiped, rather than ``bytes``, which cannot be.
"""

import hmac
from collections.abc import Iterator
from types import TracebackType
from typing import NoReturn, Self

from protocols.errors import DecodeError, EncodeError

PIN_DIGITS = range(4, 13)  # ISO 9564-1:2017, 9.3.2: a PIN has 4 to 12 digits


class Secret:
    """Octets that must not leave by print, log, copy or comparison time."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytearray | bytes | memoryview) -> None:
        """Take over ``octets``: a bytearray is wiped behind the copy, anything else is merely copied."""
        self._octets = bytearray(octets)
        if isinstance(octets, bytearray):
            octets[:] = bytes(len(octets))

    @classmethod
    def from_hex(cls, text: str | bytes) -> Self:
        """Read hexadecimal digits; the error never quotes them."""
        try:
            octets = bytearray.fromhex(text if isinstance(text, str) else text.decode("ascii"))
        except ValueError:
            # `from None`: the inner message quotes the offending characters.
            raise DecodeError(cls.__name__, "not an even number of hexadecimal digits") from None
        return cls(octets)

    def reveal(self) -> memoryview:
        """A read-only view of the octets, valid until ``wipe``. Never format, log or keep what it shows."""
        return memoryview(self._octets).toreadonly()

    def wipe(self) -> None:
        """Overwrite the octets with zeros. The object stays usable as an all-zero secret of the same length."""
        self._octets[:] = bytes(len(self._octets))

    def __len__(self) -> int:
        return len(self._octets)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._octets, other._octets)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint of the secret

    def __repr__(self) -> str:
        return f"{type(self).__name__}(redacted)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} refuses to be copied or serialised")

    __copy__ = __deepcopy__ = __reduce_ex__ = __reduce__ = __getstate__ = _refuse


class Pin(Secret):
    """A PIN of 4 to 12 digits; iterating yields the digits as integers."""

    __slots__ = ()

    def __init__(self, octets: bytearray | bytes | memoryview) -> None:
        """Take over digits given as the integers 0 to 9, one per octet."""
        super().__init__(octets)
        if len(self._octets) not in PIN_DIGITS or max(self._octets) > 9:
            self.wipe()
            raise EncodeError("a PIN has 4 to 12 digits, each 0 to 9")

    @classmethod
    def from_text(cls, text: str | bytes | bytearray) -> Self:
        """Read ASCII digits (what a keypad or a key file gives)."""
        octets = bytearray(text.encode("ascii", "replace") if isinstance(text, str) else text)
        if isinstance(text, bytearray):
            text[:] = bytes(len(text))
        for index, character in enumerate(octets):
            octets[index] = character - 0x30 if 0x30 <= character <= 0x39 else 0xFF
        return cls(octets)

    def __iter__(self) -> Iterator[int]:
        return iter(self._octets)


class ClearKey(Secret):
    """A symmetric key in clear, as octets."""

    __slots__ = ()


class ClearPinBlock(Secret):
    """A PIN block before encipherment: 8 octets (formats 0 to 3) or a field of 16 (format 4)."""

    __slots__ = ()
