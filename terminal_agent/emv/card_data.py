# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What one card said in one transaction, each object once. It never overrides what the terminal itself knows.

A card (or who sits between) may return objects that are the terminal's to give, such as an amount or a random number:
they are dropped here, so that no later step can take them for the terminal's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from protocols.emv import tlv
from protocols.emv.tags import KNOWN, Source, Tag, words
from protocols.errors import DecodeError
from protocols.octets import bcd_decode
from protocols.pan import Pan, Track2

MOST_ENTRIES = 63  # EMV 4.4 Book 3, Annex A1: an AFL of at most 252 octets
LONGEST_ANSWER = 256  # octets of data in a short answer (Book 1, 9.4.2); EMV knows no longer ones
MOST_RECORDS = 32  # a payment application needs fewer than 10; each is one exchange while the card is in the field


@dataclass(frozen=True, slots=True)
class RecordFile:
    """One entry of an AFL: records ``first`` to ``last`` of the file ``sfi``, the first ``signed`` of them signed."""

    sfi: int
    first: int
    last: int
    signed: int


def decode_afl(octets: bytes) -> tuple[RecordFile, ...]:
    """The Application File Locator (EMV 4.4 Book 3, 10.2); :class:`DecodeError` for what that section forbids."""
    where = "AFL"
    if len(octets) % 4 or len(octets) > 4 * MOST_ENTRIES:
        raise DecodeError(where, f"{len(octets)} octets, a multiple of 4 up to {4 * MOST_ENTRIES} expected")
    files = []
    for place in range(0, len(octets), 4):
        lead, first, last, signed = octets[place : place + 4]
        sfi = lead >> 3
        if lead & 0x07 or not 1 <= sfi <= 30 or not 1 <= first <= last or signed > last - first + 1:
            raise DecodeError(f"{where}, octet {place}", "not a file, its records and how many of them are signed")
        files.append(RecordFile(sfi, first, last, signed))
    count = sum(entry.last - entry.first + 1 for entry in files)
    if count > MOST_RECORDS:
        raise DecodeError(where, f"{count} records, at most {MOST_RECORDS} are read")
    return tuple(files)


@dataclass(slots=True)
class CardData:
    """The card's data objects by tag."""

    _values: dict[int, bytes] = field(default_factory=dict, repr=False)
    signed_records: list[tuple[int, bytes]] = field(default_factory=list, repr=False)
    """File and octets of the records that the AFL calls signed, in its order (Book 3, 10.3)."""
    signed_tags: set[int] = field(default_factory=set)
    """What these records hold."""

    def sign(self, sfi: int, record: bytes, tags: Iterable[int]) -> None:
        """Keep a record that takes part in offline data authentication, with the tags that it holds."""
        self.signed_records.append((sfi, record))
        self.signed_tags.update(tags)

    def add(self, objects: Iterable[tuple[int, bytes]], where: str) -> None:
        """Take over primitive objects; an object that was there before ends the transaction.

        EMV 4.4 Book 3, 10.2; Contactless Book C-3 2.10, 5.4.2.2.
        """
        for tag, value in objects:
            known = KNOWN.get(tag)
            if known is not None and known.source is not Source.CARD:
                continue
            if tag in self._values:
                raise DecodeError(where, f"{words(tag)} was given twice")
            self._values[tag] = value

    def get(self, tag: int) -> bytes | None:
        """The value, or None where the card gave none or an empty one."""
        return self._values.get(tag) or None

    def sized(self, tag: Tag) -> bytes | None:
        """The value, which must be as long as the dictionary says; :class:`DecodeError` else."""
        value = self.get(tag)
        if value is not None and not tag.least <= len(value) <= tag.most:
            raise DecodeError(words(tag), f"{len(value)} octets, {tag.least} to {tag.most} expected")
        return value

    def all(self) -> Mapping[int, bytes]:
        """Every object by tag."""
        return MappingProxyType(self._values)

    def missing(self, tags: Iterable[Tag]) -> tuple[Tag, ...]:
        """Which of ``tags`` the card did not give."""
        return tuple(tag for tag in tags if self.get(tag) is None)

    @property
    def track2(self) -> Track2:
        """Track 2 Equivalent Data, decoded; :class:`DecodeError` where there are none."""
        found = self.track2_if_any
        if found is None:
            raise DecodeError(words(Tag.TRACK_2_EQUIVALENT), "missing")
        return found

    @property
    def track2_if_any(self) -> Track2 | None:
        """Track 2 Equivalent Data, decoded, if a record holds them."""
        value = self.sized(Tag.TRACK_2_EQUIVALENT)
        return None if value is None else Track2.from_text(value.hex())

    @property
    def pan(self) -> Pan | None:
        """The Application PAN, if a record holds one."""
        value = self.sized(Tag.PAN)
        return None if value is None else Pan(value.hex().upper().rstrip("F"))

    @property
    def expiry(self) -> str:
        """The Application Expiration Date as YYMMDD, or nothing."""
        value = self.sized(Tag.EXPIRATION_DATE)
        return "" if value is None else bcd_decode(value, words(Tag.EXPIRATION_DATE))

    @property
    def sequence_number(self) -> int | None:
        """The PAN sequence number, if the card has one."""
        value = self.sized(Tag.PAN_SEQUENCE)
        return None if value is None else int(bcd_decode(value, words(Tag.PAN_SEQUENCE)))


def response_objects(data: bytes, template: Tag, where: str) -> tlv.Objects:
    """The objects inside the one template that a response must consist of (EMV 4.4 Book 3, 6.5.8.4 and 6.5.11.4)."""
    if len(data) > LONGEST_ANSWER:
        raise DecodeError(where, f"{len(data)} octets, at most {LONGEST_ANSWER} expected")
    outer = tlv.decode(data, where=where)
    inside = outer.inside(template)
    if inside is None or len(outer) != 1:
        raise DecodeError(where, f"one template {template:X} expected")
    return inside
