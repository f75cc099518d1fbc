# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Data object lists (DOL): which objects a card wants, how long, and their octets run together. Chooses no value."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from protocols.emv.tags import KNOWN, Format
from protocols.emv.tlv import is_constructed, tag_octets
from protocols.errors import DecodeError, EncodeError

LONGEST = 252  # octets of a DOL, EMV 4.4 Book 3, Annex A1
FILLED = 252  # octets of its values: a short command takes 255, template 83 three of them


class Wanted(NamedTuple):
    """One entry of a DOL: a tag and the number of octets wanted."""

    tag: int
    length: int


def decode(data: bytes, *, where: str = "DOL") -> tuple[Wanted, ...]:
    """The entries of a DOL in order (EMV 4.4 Book 3, 5.4). Raises :class:`DecodeError` for anything cut or too long."""
    if len(data) > LONGEST:
        raise DecodeError(where, f"{len(data)} octets, at most {LONGEST} are read")
    entries: list[Wanted] = []
    place = 0
    total = 0
    try:
        while place < len(data):
            start = place
            tag = data[place]
            place += 1
            if tag & 0x1F == 0x1F:
                while True:
                    tag = tag << 8 | data[place]
                    place += 1
                    if data[place - 1] < 0x80:
                        break
                    if place - start >= 3:
                        raise DecodeError(f"{where}, octet {start}", "a tag of more than 3 octets")
            length = data[place]
            place += 1
            total += length
            if length > 0x7F or total > FILLED:
                raise DecodeError(f"{where}, octet {place - 1}", f"it asks for more than {FILLED} octets")
            if not tag:
                raise DecodeError(f"{where}, octet {start}", "00 where a tag is expected")
            entries.append(Wanted(tag, length))
    except IndexError:
        raise DecodeError(f"{where}, octet {len(data)}", "the list ends within an entry") from None
    return tuple(entries)


def encode(entries: Iterable[Wanted]) -> bytes:
    """The octets of a DOL. Card side (personalisation)."""
    pieces = []
    for tag, length in entries:
        if not 0 <= length <= 0x7F:
            raise EncodeError(f"{tag:X} asked for with {length} octets, 0 to 127 can be")
        pieces.append(tag_octets(tag) + bytes((length,)))
    return b"".join(pieces)


def fill(entries: Iterable[Wanted], values: Mapping[int, bytes]) -> bytes:
    """The values that a DOL asks for, run together (EMV 4.4 Book 3, 5.4). Terminal side.

    An object that is unknown, absent or a template becomes zeros. A value too long loses octets on the left when its
    format is n, else on the right; one too short is filled with zeros on the left (n), with FF on the right (cn), else
    with zeros on the right. Formats come from :mod:`protocols.emv.tags`.
    """
    return b"".join(_fitted(tag, length, values.get(tag)) for tag, length in entries)


def _fitted(tag: int, length: int, value: bytes | None) -> bytes:
    if value is None or is_constructed(tag):
        return bytes(length)
    if len(value) == length:
        return value
    known = KNOWN.get(tag)
    form = known.format if known is not None else Format.B
    if len(value) > length:
        return value[len(value) - length :] if form is Format.N else value[:length]
    if form is Format.N:
        return value.rjust(length, b"\0")
    return value.ljust(length, b"\xff" if form is Format.CN else b"\0")


def split(entries: Iterable[Wanted], data: bytes, *, where: str = "DOL data") -> dict[int, bytes]:
    """The values run together in ``data``, by tag (the last of a tag asked for twice). Card side."""
    values: dict[int, bytes] = {}
    place = 0
    for tag, length in entries:
        values[tag] = data[place : place + length]
        place += length
    if place != len(data):
        raise DecodeError(where, f"{len(data)} octets, the list asks for {place}")
    return values
