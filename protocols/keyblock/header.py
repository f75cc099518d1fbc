# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The header of a key block: what the wrapped key is and may do, as text and as values. Enciphers nothing.

Sixteen characters and then the optional blocks (ANSI X9.143:2021, 6.2, table 1):

====== ======================================
0      version: how the block is protected
1-4    length of the whole block, decimal
5-6    usage of the key
7      algorithm that it is a key of
8      mode of use
9-10   version of the key; c and a character: a component
11     exportability
12-13  number of optional blocks, decimal
14     context: storage, exchange, or either
15     reserved, 0
====== ======================================
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from protocols.errors import DecodeError, EncodeError
from protocols.keyblock import optional
from protocols.keyblock.codes import (
    FORMS,
    Form,
    algorithm_words,
    context_words,
    exportability_words,
    mode_words,
    usage_words,
)
from protocols.keyblock.optional import OptionalBlock, Reading

FIXED = 16
LONGEST = 9_999  # characters: four decimal digits
_FIELDS = re.compile(r"[0-9A-Za-z]{2}[0-9A-Za-z][0-9A-Za-z][0-9A-Za-z]{2}[0-9A-Za-z]")
_TAIL = re.compile(r"[0-9A-Za-z]{2}")


@dataclass(frozen=True, slots=True)
class Header:
    """A header. Codes are the standard's characters; :mod:`protocols.keyblock.codes` has their words."""

    version: str
    usage: str
    algorithm: str
    mode: str
    key_version: str = "00"
    exportability: str = "N"
    optional: tuple[OptionalBlock, ...] = ()
    context: str = "0"
    reserved: str = "0"

    @property
    def form(self) -> Form:
        """What the version prescribes; :class:`EncodeError` for a version that is not A to E."""
        form = FORMS.get(self.version)
        if form is None:
            raise EncodeError(f"key block version {self.version!r}, one of {', '.join(sorted(FORMS))} expected")
        return form

    @property
    def is_component(self) -> bool:
        """Whether the wrapped octets are one component of a key (6.3.4, table 5)."""
        return self.key_version[:1] == "c"

    def first(self, identifier: str) -> OptionalBlock | None:
        """The first optional block of that identifier, or None."""
        return next((block for block in self.optional if block.identifier == identifier), None)

    def with_blocks(self, blocks: Iterable[OptionalBlock]) -> "Header":
        """The same header with other optional blocks."""
        return replace(self, optional=tuple(blocks))

    def words(self) -> tuple[tuple[str, str, str], ...]:
        """Field, code and meaning, for a person."""
        return (
            ("version", self.version, FORMS[self.version].words if self.version in FORMS else "not known here"),
            ("usage", self.usage, usage_words(self.usage)),
            ("algorithm", self.algorithm, algorithm_words(self.algorithm)),
            ("mode of use", self.mode, mode_words(self.mode)),
            ("key version", self.key_version, _key_version_words(self.key_version)),
            ("exportability", self.exportability, exportability_words(self.exportability)),
            ("context", self.context, context_words(self.context)),
        )


def encode(header: Header, binary_octets: int, randomness: bytes = b"") -> str:
    """The header of a block whose enciphered key and authenticator have ``binary_octets`` in all.

    ``randomness`` fills a padding block, if the optional blocks need one (see :func:`optional.encode`).
    """
    form = header.form
    fields = f"{header.usage}{header.algorithm}{header.mode}{header.key_version}{header.exportability}"
    tail = f"{header.context}{header.reserved}"
    fits = len(header.usage) == len(header.key_version) == 2 and len(header.algorithm) == len(header.mode) == 1
    if not fits or not _FIELDS.fullmatch(fields) or len(header.context) != 1 or not _TAIL.fullmatch(tail):
        raise EncodeError("a header's fields are letters and digits in their fixed lengths")
    blocks, count = optional.encode(header.optional, form.block_octets, randomness) if header.optional else ("", 0)
    size = FIXED + len(blocks) + 2 * binary_octets
    if size > LONGEST:
        raise EncodeError(f"a key block of {size} characters, {LONGEST} at most")
    return f"{header.version}{size:04}{fields}{count:02}{tail}{blocks}"


class Fixed(NamedTuple):
    """The fixed part of a header: the values so far, the block's length and the number of optional blocks."""

    header: Header
    length: int
    optional_blocks: int


def decode(text: str, reading: Reading) -> tuple[Header, int]:
    """The header at the beginning of a whole key block, and its length in characters.

    The length field must be that of ``text``. Faults that older editions allow go to ``reading``.
    """
    header, length, count = fixed(text[:FIXED])
    if length != len(text):
        raise DecodeError("key block, characters 1 to 4", f"another length than the {len(text)} characters there are")
    if not count:
        return header, FIXED
    if not text.isascii():
        raise DecodeError("key block", "not ASCII")
    blocks, size = optional.decode(text[FIXED:], count, header.form.block_octets, reading)
    return header.with_blocks(blocks), FIXED + size


def fixed(text: str) -> Fixed:
    """The first 16 characters."""
    if len(text) != FIXED or not text.isascii():
        raise DecodeError("key block", f"{FIXED} characters of ASCII and more expected")
    version, length, fields, count, tail = text[0], text[1:5], text[5:12], text[12:14], text[14:]
    if version not in FORMS:
        why = "a version of the owner's own" if version.isdigit() else "an unknown version"
        raise DecodeError("key block, character 0", f"{why}, one of {', '.join(sorted(FORMS))} expected")
    if not length.isdigit():
        raise DecodeError("key block, characters 1 to 4", "the length is not four digits")
    if not _FIELDS.fullmatch(fields):
        raise DecodeError("key block, characters 5 to 11", "letters and digits expected")
    if not count.isdigit():
        raise DecodeError("key block, characters 12 and 13", "the number of optional blocks is not two digits")
    if not tail.isalnum():
        raise DecodeError("key block, characters 14 and 15", "letters or digits expected")
    header = Header(version, fields[:2], fields[2], fields[3], fields[4:6], fields[6], (), tail[0], tail[1])
    return Fixed(header, int(length), int(count))


def _key_version_words(code: str) -> str:
    if code == "00":
        return "versions of this key are not counted"
    return f"component {code[1]} of a key" if code[0] == "c" else "this version of the key"
