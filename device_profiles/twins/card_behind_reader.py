# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contactless card as a PC/SC reader shows it: an answer to reset made up from its ATS. It changes no answer."""

from functools import reduce
from operator import xor

from device_profiles.twins.card_faults import Card

_INTERFACE_BYTES = 0x70  # ISO/IEC 14443-4:2018, 5.2.3: T0 bits 7 to 5 announce TA(1), TB(1), TC(1)


class ContactlessInReader:
    """``card`` in the field of a PC/SC reader, with the interface of a contact card."""

    def __init__(self, card: Card, ats: bytes) -> None:
        """``ats`` as the card's profile has it: the answer to reset is wanted before any power-on."""
        self._card = card
        self._atr = answer_to_reset(ats)

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


def answer_to_reset(ats: bytes) -> bytes:
    """3B 8n 80 01, the ATS's historical bytes, check octet (PC/SC part 3, 2.01.09, 3.1.3.2.3.1)."""
    format_octet = ats[1] if len(ats) > 1 else 0
    history = ats[2 + (format_octet & _INTERFACE_BYTES).bit_count() :][:15]
    body = bytes((0x80 | len(history), 0x80, 0x01)) + history
    return b"\x3b" + body + bytes((reduce(xor, body),))
