# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the issuer is told of the chip: the objects of data element 55 and their order, as data. Knows no message."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Protocol

from protocols.emv import tlv
from protocols.emv.bits import CvmCode
from protocols.emv.tags import Tag
from terminal_agent.emv.outcome import Cvm


class Give(Enum):
    """Who gives an object."""

    CARD = "card"
    CARD_IF_THERE = "card, if there"
    TERMINAL = "terminal"


OBJECTS: tuple[tuple[Tag, Give], ...] = (
    (Tag.APPLICATION_CRYPTOGRAM, Give.CARD),
    (Tag.CID, Give.TERMINAL),
    (Tag.ISSUER_APPLICATION_DATA, Give.CARD),
    (Tag.UNPREDICTABLE_NUMBER, Give.TERMINAL),
    (Tag.ATC, Give.CARD),
    (Tag.TVR, Give.TERMINAL),
    (Tag.TRANSACTION_DATE, Give.TERMINAL),
    (Tag.TRANSACTION_TYPE, Give.TERMINAL),
    (Tag.AMOUNT_AUTHORISED_NUMERIC, Give.TERMINAL),
    (Tag.TRANSACTION_CURRENCY, Give.TERMINAL),
    (Tag.AIP, Give.CARD),
    (Tag.TERMINAL_COUNTRY, Give.TERMINAL),
    (Tag.AMOUNT_OTHER_NUMERIC, Give.TERMINAL),
    (Tag.TERMINAL_CAPABILITIES, Give.TERMINAL),
    (Tag.CVM_RESULTS, Give.TERMINAL),
    (Tag.TERMINAL_TYPE, Give.TERMINAL),
    (Tag.IFD_SERIAL_NUMBER, Give.TERMINAL),
    (Tag.DF_NAME, Give.TERMINAL),
    (Tag.APPLICATION_VERSION_TERMINAL, Give.TERMINAL),
    (Tag.TRANSACTION_SEQUENCE, Give.TERMINAL),
    (Tag.TTQ, Give.TERMINAL),
    (Tag.CTQ, Give.CARD_IF_THERE),
    (Tag.FORM_FACTOR, Give.CARD_IF_THERE),
)
"""In the order of the message. ``CID`` is the kernel's reading of it, since a card may leave it out."""

CVM_RESULTS: Mapping[Cvm, bytes] = MappingProxyType(
    {
        Cvm.NONE: bytes((CvmCode.NO_CVM, 0x00, 0x02)),
        Cvm.ONLINE_PIN: bytes((CvmCode.ONLINE_PIN, 0x00, 0x00)),
        Cvm.SIGNATURE: bytes((CvmCode.SIGNATURE, 0x00, 0x00)),
        Cvm.CDCVM: bytes((CvmCode.NO_CVM, 0x00, 0x02)),
    }
)
"""9F34 as the terminal saw it (EMV 4.4 Book 4, Annex A4): kernel 3 has none, so these say what was done and its result.

A device that verified its holder is, to the terminal, no method of its own: the issuer reads it in 9F10.
"""


CONTACTLESS_OBJECTS: Mapping[int, tuple[tuple[Tag, Give], ...]] = MappingProxyType(
    {2: tuple(item for item in OBJECTS if item[0] not in (Tag.TTQ, Tag.CTQ)), 3: OBJECTS}
)
"""What each contactless kernel gives."""

CONTACT_OBJECTS = tuple(item for item in OBJECTS if item[0] not in (Tag.TTQ, Tag.CTQ, Tag.FORM_FACTOR))
"""The same for the contact interface."""


class Card(Protocol):
    """Where the card's objects are looked up."""

    def get(self, tag: int, /) -> bytes | None:
        """An object's value, or None."""
        ...


def assemble(terminal: Mapping[int, bytes], card: Card, wanted: tuple[tuple[Tag, Give], ...] = OBJECTS) -> bytes:
    """The octets of data element 55 (EMV 4.4 Book 4, 12.1). The caller has checked that the card gave what it must."""
    objects: list[tuple[int, tlv.Value]] = []
    for tag, giver in wanted:
        value = terminal[tag] if giver is Give.TERMINAL else card.get(tag)
        if value is not None:
            objects.append((int(tag), value))
    return tlv.encode(objects)
