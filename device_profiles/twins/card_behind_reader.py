# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contactless card as a PC/SC reader shows it: an answer to reset from its ATS or ATQB. It changes no answer."""

from functools import reduce
from operator import xor

from device_profiles.twins.card_faults import Card

_INTERFACE_BYTES = 0x70  # ISO/IEC 14443-4:2018, 5.2.3: T0 bits 7 to 5 announce TA(1), TB(1), TC(1)


class ContactlessInReader:
    """``card`` in the field of a PC/SC reader, with the interface of a contact card."""

    def __init__(self, card: Card, history: bytes) -> None:
        """``history`` by the card's profile: the answer to reset is wanted before any power-on."""
        self._card = card
        self._atr = answer_to_reset(history)

    @property
    def atr(self) -> bytes:
        """What the reader shows instead of an answer to reset."""
        return self._atr

    def power_on(self) -> bytes:
        """The field is on."""
        self._card.power_on()
        return self._atr

    def power_off(self) -> None:
        """The field is off."""
        self._card.power_off()

    def apdu(self, command: bytes) -> bytes:
        """The card's answer."""
        return self._card.apdu(command)


def answer_to_reset(history: bytes) -> bytes:
    """3B 8n 80 01, the historical bytes, check octet (PC/SC part 3, 2.01.09, 3.1.3.2.3.1)."""
    body = bytes((0x80 | len(history), 0x80, 0x01)) + history
    return b"\x3b" + body + bytes((reduce(xor, body),))


def history_a(ats: bytes) -> bytes:
    """Of a card of type A: the historical bytes of its ATS."""
    format_octet = ats[1] if len(ats) > 1 else 0
    return ats[2 + (format_octet & _INTERFACE_BYTES).bit_count() :][:15]


def history_b(application_data: bytes, protocol_info: bytes) -> bytes:
    """Of a card of type B: what its ATQB says, and the high half of its answer to ATTRIB, here 0."""
    return application_data + protocol_info + b"\x00"
