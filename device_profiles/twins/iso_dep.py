# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The card's side of ISO/IEC 14443-4: blocks in, blocks out, APDUs to the card behind. No CRC, no field, no time.

A reader's chip usually speaks this by itself. A library that passes octets through the chip speaks it on its own, and
then the card's twin needs it too. The twin never asks for more waiting time. Source: ISO/IEC 14443-4:2018, 5 (RATS),
7 (blocks and the rules of 7.5.4.3 for cards); ISO/IEC 14443-3:2018, 7.10 (ATTRIB).
"""

from device_profiles.twins.activation import Activated, Activation
from device_profiles.twins.card_faults import Card

FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)  # by FSDI and FSCI (ISO/IEC 14443-4:2018, table 1)
LARGEST_COMMAND = 65_544  # ISO/IEC 7816-4:2020, 5.1: the longest command APDU
_RATS, _ATTRIB, _REQB, _DESELECT = 0xE0, 0x1D, 0x05, 0xC2
_CID, _CHAINED, _NUMBER, _NAK = 0x08, 0x10, 0x01, 0x10
_I_BLOCK, _R_BLOCK = 0x02, 0xA2
_KIND_OF_I, _KIND_OF_R, _KIND_OF_S = 0xE2, 0xE6, 0xF7
_ATTRIB_OCTETS = 9
_CRC_OCTETS = 2


class IsoDepCard:
    """One activated card, from the request or RATS on. ``None`` as an answer is silence."""

    def __init__(self, card: Card, activation: Activated) -> None:
        self._card = card
        self._activation = activation
        self._speaking = False
        self._frame = FRAME_SIZES[-1]
        self._number = 1
        self._command = bytearray()
        self._response = b""
        self._last: bytes | None = None

    def hear(self, octets: bytes) -> bytes | None:
        """What the card says to ``octets``. Raises ``CardTorn`` when it has left the field."""
        if not self._speaking:
            return self._awaken(octets)
        pcb = octets[0]
        if pcb & _KIND_OF_S == _DESELECT:
            self._speaking = False
            return octets
        head = 2 if pcb & _CID else 1
        if len(octets) < head:
            return None
        if pcb & _KIND_OF_I == _I_BLOCK:
            return self._information(pcb, octets[1:head], octets[head:])
        if pcb & _KIND_OF_R == _R_BLOCK:
            return self._receipt(pcb, octets[1:head])
        return None

    def _awaken(self, octets: bytes) -> bytes | None:
        first = octets[0]
        if isinstance(self._activation, Activation):
            if first != _RATS or len(octets) != 2:
                return None
            self._begin(octets[1] >> 4)
            return self._activation.ats
        if first == _REQB and len(octets) == 3:
            return self._activation.atqb
        if first == _ATTRIB and len(octets) >= _ATTRIB_OCTETS and octets[1:5] == self._activation.pupi:
            self._begin(octets[6] & 0x0F)
            return bytes((octets[8] & 0x0F,))
        return None

    def _begin(self, size: int) -> None:
        self._speaking = True
        self._frame = FRAME_SIZES[min(size, len(FRAME_SIZES) - 1)]
        self._number = 1
        self._command = bytearray()
        self._response = b""
        self._last = None

    def _information(self, pcb: int, cid: bytes, piece: bytes) -> bytes | None:
        """Rule D: the block number toggles before anything else; then the answer, or a receipt where more follows."""
        self._number ^= _NUMBER
        self._command += piece
        if len(self._command) > LARGEST_COMMAND:
            return None
        if pcb & _CHAINED:
            return self._say(bytes((_R_BLOCK | (pcb & _CID) | self._number,)) + cid)
        whole, self._command = bytes(self._command), bytearray()
        self._response = self._card.apdu(whole)
        return self._next_piece(pcb, cid)

    def _receipt(self, pcb: int, cid: bytes) -> bytes | None:
        """Rules 11 to 13 and E: the same number asks for the last block again; another one for the next piece."""
        if pcb & _NUMBER == self._number:
            return self._last
        if pcb & _NAK:
            return bytes((_R_BLOCK | (pcb & _CID) | self._number,)) + cid
        self._number ^= _NUMBER
        return self._next_piece(pcb, cid) if self._response else None

    def _next_piece(self, pcb: int, cid: bytes) -> bytes:
        room = self._frame - 1 - len(cid) - _CRC_OCTETS
        piece, self._response = self._response[:room], self._response[room:]
        chained = _CHAINED if self._response else 0
        return self._say(bytes((_I_BLOCK | (pcb & _CID) | chained | self._number,)) + cid + piece)

    def _say(self, block: bytes) -> bytes:
        self._last = block
        return block
