# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What an application says before anything is decided: its options and its records. It judges nothing."""

from collections.abc import Generator

from protocols.emv import apdu, status, tlv
from protocols.emv.apdu import Response
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.emv.card_data import LONGEST_ANSWER, CardData, decode_afl, response_objects

AIP_OCTETS = 2
GPO = "answer to GET PROCESSING OPTIONS"
RECORD_FILES = range(1, 11)
"""EMV 4.4 Book 3, 5.3.2.2: the files whose records are data objects; those above are a payment system's or issuer's."""


def take_options(card: CardData, data: bytes) -> None:
    """Take over both formats of the answer to GET PROCESSING OPTIONS (EMV 4.4 Book 3, 6.5.8.4)."""
    if data[:1] == b"\x77":
        card.add(response_objects(data, Tag.RESPONSE_FORMAT_2, GPO).leaves(), GPO)
        return
    outer = tlv.decode(data, where=GPO)
    value = outer.first(Tag.RESPONSE_FORMAT_1) if len(outer) == 1 else None
    if value is None or len(value) < AIP_OCTETS or len(data) > LONGEST_ANSWER:
        raise DecodeError(GPO, "template 77, or object 80 with AIP and AFL, expected")
    card.add(((int(Tag.AIP), value[:AIP_OCTETS]), (int(Tag.AFL), value[AIP_OCTETS:])), GPO)


def read_records(card: CardData, locator: bytes | None = None) -> Generator[bytes, bytes, str]:
    """Read every record that the AFL names (EMV 4.4 Book 3, 10.2); which one the card refuses, in words, else empty.

    ``locator``: the entries to read, where they are not all of the card's AFL.
    """
    for entry in decode_afl(locator if locator is not None else card.get(Tag.AFL) or b""):
        for record in range(entry.first, entry.last + 1):
            where = f"record {record} of file {entry.sfi}"
            response = Response.decode((yield apdu.read_record(entry.sfi, record).encode()))
            if not response.ok:
                return f"{where} cannot be read: {status.words(response.status)}"
            objects: tuple[tuple[int, bytes], ...] = ()
            if entry.sfi in RECORD_FILES:
                objects = tuple(response_objects(response.data, Tag.RECORD_TEMPLATE, where).leaves())
                card.add(objects, where)
            if record - entry.first < entry.signed:
                card.sign(entry.sfi, response.data, (tag for tag, _ in objects))
    return ""
