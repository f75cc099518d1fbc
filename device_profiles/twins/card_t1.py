# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contact card as it looks under T=1, block by block: for readers that move blocks and leave the protocol to others.

The card's half of ISO/IEC 7816-3:2006, 11: it answers, chains in both directions, repeats its last block when asked,
takes a new size of blocks, and starts anew at a resynchronisation. It changes no answer and no decision.
"""

from device_profiles.twins.card_t0 import ContactCard
from protocols.emv import t1
from protocols.emv.t1 import Block, Kind, Supervisory
from protocols.errors import DecodeError

MOST_COMMAND = 65_544  # an extended command
FIRST_SIZE = 32  # ISO/IEC 7816-3:2006, 11.4.2: IFSD before any S(IFS request)


class T1Card:
    """``card`` behind blocks."""

    def __init__(self, card: ContactCard, own_size: int = t1.LARGEST) -> None:
        """``own_size``: IFSC, the largest information field that the card takes."""
        self._card = card
        self._own_size = own_size
        self.reset()

    def reset(self) -> None:
        """Power came, or a resynchronisation."""
        self._sends = 0
        self._expects = 0
        self._their_size = FIRST_SIZE
        self._command = b""
        self._answer = b""
        self._last = t1.ready(0)

    def take(self, octets: bytes) -> bytes:
        """One block in, one block out. Raises what the card raises when it is torn out."""
        try:
            block = t1.decode(octets)
        except DecodeError:
            return t1.ready(self._expects, t1.LRC_ERROR).encode()
        answer = self._answered(block)
        self._last = answer
        return answer.encode()

    def _answered(self, block: Block) -> Block:
        if block.kind is Kind.SUPERVISORY:
            return self._supervised(block)
        if block.kind is Kind.RECEIVE_READY:
            if self._answer and block.number == self._sends:
                return self._next_piece()
            return self._last
        if block.number != self._expects:
            return t1.ready(self._expects, t1.OTHER_ERROR)
        if len(block.information) > self._own_size or len(self._command) > MOST_COMMAND:
            return t1.ready(self._expects, t1.OTHER_ERROR)
        self._expects ^= 1
        self._command += block.information
        if block.more:
            return t1.ready(self._expects)
        command, self._command = self._command, b""
        self._answer = self._card.apdu(command)
        return self._next_piece()

    def _next_piece(self) -> Block:
        piece, self._answer = self._answer[: self._their_size], self._answer[self._their_size :]
        number, self._sends = self._sends, self._sends ^ 1
        return t1.information(number, piece, more=bool(self._answer))

    def _supervised(self, block: Block) -> Block:
        request = block.pcb & ~t1.RESPONSE
        if request == Supervisory.RESYNCH:
            self.reset()
        elif request == Supervisory.IFS and len(block.information) == 1:
            self._their_size = block.information[0]
        elif request == Supervisory.ABORT:
            self._command = self._answer = b""
        return Block(0, block.pcb | t1.RESPONSE, block.information)
