# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""BER-TLV data objects as EMV uses them: octets to a tree and back. Knows no tag's meaning and judges no value.

EMV 4.4 Book 3, Annex B, narrows ISO/IEC 8825: tags of one, two or three octets (three in kernel 2), lengths in the
short form or behind 81 or 82, none indefinite, and octets 00 between objects that mean nothing. :func:`decode` walks
the input once, without recursion, and keeps order and duplicates: what a card repeats is for the kernel to judge.

What is not kept: the 00 fillers and lengths written longer than needed. So ``encode(decode(x))`` is ``x`` for every
input in the shortest form, and ``decode(encode(decode(x))) == decode(x)`` for every input.

Tags are plain integers (``0x9F26``), whose octets are the tag's octets; :mod:`protocols.emv.tags` gives them names.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias

from protocols.errors import DecodeError, EncodeError

LARGEST = 65_536  # octets of one input: the data field of an extended response (ISO/IEC 7816-4:2020, 5.2)
DEEPEST = 8  # templates inside one another: PPSE needs 4 (6F A5 BF0C 61); more is a bomb, not a card
MOST = 256  # objects in one input: a full record of 254 octets holds at most 127 empty ones

CONSTRUCTED = 0x20  # Annex B1, bit 6 of a tag's first octet
LONG_TAG = 0x1F  # ibid., bits 5 to 1 all set: another octet follows

Value: TypeAlias = "bytes | Objects"
Item: TypeAlias = "tuple[int, Value]"


class Objects(tuple[Item, ...]):
    """Data objects side by side, in the order received: pairs of tag and octets, or tag and nested objects.

    It prints how many there are and not what they hold, since a card's answer carries account data.
    """

    __slots__ = ()

    def first(self, tag: int) -> bytes | None:
        """The octets of the first primitive object ``tag`` on this level, or None."""
        for number, value in self:
            if number == tag and isinstance(value, bytes):
                return value
        return None

    def every(self, tag: int) -> tuple[Value, ...]:
        """All values of ``tag`` on this level, in order."""
        return tuple(value for number, value in self if number == tag)

    def inside(self, *path: int) -> "Objects | None":
        """The objects within the first template ``path[0]``, therein ``path[1]`` and so on, or None."""
        here: Objects = self
        for tag in path:
            for number, value in here:
                if number == tag and isinstance(value, Objects):
                    here = value
                    break
            else:
                return None
        return here

    def leaves(self) -> Iterator[tuple[int, bytes]]:
        """Every primitive object of the tree, depth first, in the order received."""
        waiting = [iter(self)]
        while waiting:
            for number, value in waiting[-1]:
                if isinstance(value, bytes):
                    yield number, value
                else:
                    waiting.append(iter(value))
                    break
            else:
                waiting.pop()

    def __repr__(self) -> str:
        return f"Objects({len(self)} redacted)"


def decode(data: bytes, *, where: str = "TLV", most: int = MOST, deepest: int = DEEPEST) -> Objects:
    """Data objects in ``data`` (EMV 4.4 Book 3, Annex B), at most ``most`` of them, nested at most ``deepest`` deep.

    Either side may call it. Raises :class:`DecodeError` naming ``where`` and the octet; never any other exception.
    """
    end = len(data)
    if end > LARGEST:
        raise DecodeError(where, f"{end} octets, at most {LARGEST} are read")
    place = 0
    left = most
    items: list[Item] = []
    outer: list[tuple[list[Item], int, int]] = []
    try:
        while True:
            if place >= end:
                if not outer:
                    return Objects(items)
                nested = Objects(items)
                items, end, tag = outer.pop()
                items.append((tag, nested))
                continue
            lead = tag = data[place]
            place += 1
            if lead & 0x1F == 0x1F:
                more = data[place]
                place += 1
                tag = tag << 8 | more
                if more > 0x7F:
                    more = data[place]
                    place += 1
                    tag = tag << 8 | more
                    if more > 0x7F:
                        raise DecodeError(f"{where}, octet {place - 3}", "a tag of more than 3 octets")
            elif not lead:
                continue
            length = data[place]
            place += 1
            if length > 0x7F:
                if length == 0x81:
                    length = data[place]
                    place += 1
                elif length == 0x82:
                    length = data[place] << 8 | data[place + 1]
                    place += 2
                else:
                    raise DecodeError(f"{where}, octet {place - 1}", "a length that is indefinite or above 65535")
            stop = place + length
            if stop > end:
                raise DecodeError(f"{where}, octet {place}", f"an object of {length} octets, {end - place} are left")
            left -= 1
            if left < 0:
                raise DecodeError(f"{where}, octet {place}", f"more than {most} objects")
            if lead & 0x20:
                outer.append((items, end, tag))
                if len(outer) > deepest:
                    raise DecodeError(f"{where}, octet {place}", f"templates nested more than {deepest} deep")
                items, end = [], stop
            else:
                items.append((tag, data[place:stop]))
                place = stop
    except IndexError:
        raise DecodeError(f"{where}, octet {len(data)}", "the data end within a tag or a length") from None


def template(tag: int, *items: Item) -> Item:
    """A template with what it holds, to be encoded."""
    return tag, Objects(items)


def encode(objects: Iterable[Item]) -> bytes:
    """The octets of ``objects``, lengths in the shortest form (EMV 4.4 Book 3, Annex B2).

    Either side may call it. Raises :class:`EncodeError` for a malformed tag, for a template's tag with octets or a
    primitive's with objects, for a value above 65535 octets and for templates nested too deep.
    """
    return _encode(objects, 0)


def _encode(objects: Iterable[Item], depth: int) -> bytes:
    pieces: list[bytes] = []
    append = pieces.append
    for tag, value in objects:
        header = _tag(tag)
        if type(value) is not bytes:
            value = _template(header, value, depth)
        elif header[0] & CONSTRUCTED:
            raise EncodeError(f"{tag:X} is a template's tag and takes objects, octets were given")
        size = len(value)
        append(header)
        append(_SHORT_LENGTHS[size] if size < 0x80 else _long_length(size))
        append(value)
    return b"".join(pieces)


def _template(header: bytes, value: Value, depth: int) -> bytes:
    if not isinstance(value, Objects):
        raise EncodeError(f"{header.hex().upper()} takes bytes or Objects, {type(value).__name__} was given")
    if not header[0] & CONSTRUCTED:
        raise EncodeError(f"{header.hex().upper()} is a primitive object's tag and takes octets, objects were given")
    if depth >= DEEPEST:
        raise EncodeError(f"templates nested more than {DEEPEST} deep")
    return _encode(value, depth + 1)


_SHORT_LENGTHS = tuple(bytes((size,)) for size in range(0x80))


def _long_length(size: int) -> bytes:
    if size > 0xFFFF:
        raise EncodeError(f"a value of {size} octets, at most 65535 fit")
    return bytes((0x81, size)) if size <= 0xFF else bytes((0x82, size >> 8, size & 0xFF))


@lru_cache(maxsize=1024)
def _tag(number: int) -> bytes:
    """A tag's octets; refuses what :func:`decode` would read as another tag."""
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big") if number > 0 else b""
    long = len(octets) > 1
    if (
        not 1 <= len(octets) <= 3
        or (octets[0] & LONG_TAG == LONG_TAG) is not long
        or any(octet < 0x80 for octet in octets[1:-1])
        or (long and octets[-1] > 0x7F)
    ):
        raise EncodeError(f"{number:X} is not a tag of 1 to 3 octets")
    return octets


def tag_octets(number: int) -> bytes:
    """The octets of a tag, as in a tag list or DOL (Annex B1); :class:`EncodeError` where they are no tag."""
    return _tag(number)


def is_constructed(number: int) -> bool:
    """Whether a tag announces nested objects (Annex B1, bit 6 of the first octet)."""
    return bool(_tag(number)[0] & CONSTRUCTED)
