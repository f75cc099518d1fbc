# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Key serial numbers of DUKPT and the rule for the next counter. Not secret: they travel in clear with every message.

A counter value is a node of a tree: its parent is the value without its lowest one-bit, so a key is reached in as many
steps as the counter has one-bits. That number is bounded (10 for TDES, 16 for AES) by skipping the values with more.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from protocols.errors import DecodeError
from protocols.octets import unhex


@dataclass(frozen=True, slots=True)
class Ksn:
    """What both kinds share: whole octets, a counter at the right end, a bound on its one-bits."""

    octets: bytes

    size: ClassVar[int]
    counter_bits: ClassVar[int]
    most_one_bits: ClassVar[int]

    def __post_init__(self) -> None:
        if len(self.octets) != self.size:
            raise DecodeError("KSN", f"{len(self.octets)} octets, {self.size} expected")

    @classmethod
    def from_hex(cls, text: str | bytes) -> Self:
        """Read hexadecimal text of exactly the KSN's size."""
        if len(text) != 2 * cls.size:
            raise DecodeError("KSN", f"{len(text)} characters, {2 * cls.size} expected")
        return cls(unhex(text, "KSN"))

    @property
    def number(self) -> int:
        """The whole KSN as a number: key set, device and counter."""
        return int.from_bytes(self.octets, "big")

    @property
    def counter(self) -> int:
        """The transaction counter; 0 names the initial key, which no transaction may use."""
        return self.number & ((1 << self.counter_bits) - 1)

    def with_counter(self, counter: int) -> Self:
        """The same key set and device with another counter value."""
        mask = (1 << self.counter_bits) - 1
        if not 0 <= counter <= mask:
            raise DecodeError("KSN", f"a counter has {self.counter_bits} bits")
        return type(self)((self.number & ~mask | counter).to_bytes(self.size, "big"))

    def transaction_number(self) -> int:
        """:attr:`number`, if the counter may stand for a transaction; else :class:`DecodeError`. Receiving side."""
        number = int.from_bytes(self.octets, "big")
        counter = number & ((1 << self.counter_bits) - 1)
        if not 0 < counter.bit_count() <= self.most_one_bits:
            raise DecodeError("KSN", f"counter with {counter.bit_count()} one-bits, 1 to {self.most_one_bits} expected")
        return number

    def __str__(self) -> str:
        return self.octets.hex().upper()

    def __bytes__(self) -> bytes:
        return self.octets


class TdesKsn(Ksn):
    """Key serial number of TDES DUKPT, 10 octets: 59 bits of key set and device, 21 of counter (X9.24-1:2009, A)."""

    __slots__ = ()
    size = 10
    counter_bits = 21
    most_one_bits = 10

    @classmethod
    def from_hex(cls, text: str | bytes) -> Self:
        """Read 16 to 20 hexadecimal characters; a short KSN is filled with F on the left (X9.24-1:2009, Annex A)."""
        if not 16 <= len(text) <= 20:
            raise DecodeError("KSN", f"{len(text)} characters, 16 to 20 expected")
        padded = text.rjust(20, "F") if isinstance(text, str) else text.rjust(20, b"F")
        return cls(unhex(padded, "KSN"))


class AesKsn(Ksn):
    """Key serial number of AES DUKPT, 12 octets: BDK id 4, derivation id 4, counter 4 (X9.24-3:2017, 6)."""

    __slots__ = ()
    size = 12
    counter_bits = 32
    most_one_bits = 16

    @property
    def initial_key_id(self) -> bytes:
        """The 8 octets of BDK id and derivation id that name an initial key."""
        return self.octets[:8]


def next_counter(counter: int, kind: type[Ksn]) -> int | None:
    """The counter after ``counter``, skipping values with too many one-bits; None at the end of the device's life.

    X9.24-1:2009, A.3 (New Key) and X9.24-3:2017, 6: add one, or, where the one-bits are used up, add
    the lowest one-bit. Originating side. From 0 (initial key just loaded) it gives 1.
    """
    step = 1 if counter.bit_count() < kind.most_one_bits else counter & -counter
    following = counter + step
    return None if following >> kind.counter_bits else following


def nodes(number: int, counter_mask: int) -> list[int]:
    """The KSN values on the way from the initial key to ``number``, each with one more one-bit. Both sides."""
    path = []
    while number & counter_mask:
        path.append(number)
        number &= number - 1
    path.reverse()
    return path
