# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Reads what a payment card tells anybody: its applications, records and counters. Pays nothing and asks no PIN.

A generator of commands that is sent answers. It looks for the directory of contact cards, then of contactless ones,
then for applications by the identifiers that it is given; selects each, asks for its processing options with zeros for
whatever else the card wants to know, and reads the records that the card names. Reading them counts as the beginning of
a payment: the card's transaction counter goes up by one for each application.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from protocols.emv import apdu, dol, status, tlv
from protocols.emv.apdu import Command, Response
from protocols.emv.tags import Tag
from protocols.errors import DecodeError

MOST_APPLICATIONS = 16
MOST_RECORDS = 64  # of one application
MOST_DIRECTORY = 10  # records of the directory (EMV 4.4 Book 1, 12.2.3)
AID_OCTETS = range(5, 17)  # ISO/IEC 7816-4:2020, 12.2.3
COUNTERS = (0x9F36, 0x9F13, 0x9F17, 0x9F4F)  # ATC, last online ATC, PIN tries left, log format
COMMON_AIDS = tuple(
    bytes.fromhex(aid)
    for aid in ("A0000000031010", "A0000000032010", "A0000000041010", "A0000000043060", "A000000333010101",
                "A000000333010102", "A00000002501", "A0000000651010", "A0000001523010", "A0000002771010")
)  # fmt: skip
"""Visa, Visa Electron, Mastercard, Maestro, UnionPay debit and credit, American Express, JCB, Discover, Interac."""

NOTHING = tlv.Objects()
_SAID = {int(Tag.TTQ): bytes.fromhex("36004000")}
"""What a contactless card is told of the terminal: chip, online and PINs. To one that can nothing it says nothing."""
Turns = Generator[bytes, bytes, "Card"]


@dataclass(frozen=True, slots=True)
class Section:
    """One answer: what was asked, and the data objects or why there are none."""

    title: str
    objects: tlv.Objects = NOTHING
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """One application; ``aid`` as the card gives it."""

    aid: bytes
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """All that was read."""

    directory: tuple[Section, ...]
    applications: tuple[Application, ...]


def read_card(aids: Sequence[bytes] = COMMON_AIDS) -> Turns:
    """The whole reading. ``aids`` are tried where the card has no directory."""
    directory: list[Section] = []
    found: list[bytes] = []
    for name, title in ((apdu.PSE, "directory 1PAY.SYS.DDF01"), (apdu.PPSE, "directory 2PAY.SYS.DDF01")):
        section = yield from _asked(title, apdu.select(name))
        if section.refused:
            continue
        directory.append(section)
        more, listed = yield from _listed(section)
        directory += more
        found += [aid for aid in listed if aid not in found]
        if found:
            break
    applications = []
    for aid in (found or list(aids))[:MOST_APPLICATIONS]:
        section = yield from _asked("SELECT", apdu.select(aid))
        if not section.refused or found:
            sections = yield from _application(section)
            applications.append(Application(aid, sections))
    return Card(tuple(directory), tuple(applications))


def _listed(selected: Section) -> Generator[bytes, bytes, tuple[list[Section], list[bytes]]]:
    """The directory's records, or the entries that a contactless directory holds in its own answer."""
    sections: list[Section] = []
    aids = [value for tag, value in selected.objects.leaves() if tag == Tag.AID_CARD]
    files = [value for tag, value in selected.objects.leaves() if tag == Tag.DIRECTORY_SFI]
    if files and len(files[0]) == 1 and 1 <= files[0][0] <= 10:
        for number in range(1, MOST_DIRECTORY + 1):
            section = yield from _asked(f"directory record {number}", apdu.read_record(files[0][0], number))
            if section.refused:
                break
            sections.append(section)
            aids += [value for tag, value in section.objects.leaves() if tag == Tag.AID_CARD]
    return sections, [aid for aid in dict.fromkeys(aids) if len(aid) in AID_OCTETS]


def _application(selected: Section) -> Generator[bytes, bytes, tuple[Section, ...]]:
    sections = [selected]
    if selected.refused:
        return tuple(sections)
    pdol = next((value for tag, value in selected.objects.leaves() if tag == Tag.PDOL), b"")
    try:
        wanted = dol.fill(dol.decode(pdol), _SAID) if pdol else b""
    except DecodeError as fault:
        return (*sections, Section("PDOL", refused=str(fault)))
    options = yield from _asked("GET PROCESSING OPTIONS", apdu.get_processing_options(wanted))
    sections.append(options)
    for sfi, number in _located(options):
        sections.append((yield from _asked(f"record {number} of file {sfi}", apdu.read_record(sfi, number))))
    for tag in COUNTERS:
        section = yield from _asked(f"GET DATA {tag:X}", apdu.get_data(tag))
        if not section.refused:
            sections.append(section)
    return tuple(sections)


def _located(options: Section) -> list[tuple[int, int]]:
    """File and record numbers of the application file locator (EMV 4.4 Book 3, 10.2)."""
    locator = b""
    for tag, value in options.objects.leaves():
        if tag == Tag.AFL:
            locator = value
        elif tag == Tag.RESPONSE_FORMAT_1:
            locator = value[2:]
    records = []
    for place in range(0, len(locator) - 3, 4):
        first, begin, end = locator[place] >> 3, locator[place + 1], locator[place + 2]
        if 1 <= first <= 30 and begin:
            records += [(first, number) for number in range(begin, end + 1)]
    return records[:MOST_RECORDS]


def _asked(title: str, command: Command) -> Generator[bytes, bytes, Section]:
    octets = yield command.encode()
    try:
        response = Response.decode(octets)
        objects = tlv.decode(response.data)
    except DecodeError as fault:
        return Section(title, refused=str(fault))
    if response.status != status.Status.OK and not response.data:
        return Section(title, refused=f"{response.status:04X} {status.words(response.status)}")
    return Section(title, objects)
