# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contact card as it looks under T=0: answers are fetched with GET RESPONSE. It changes no answer and no decision.

Under T=0 a command either sends data or receives data. So a command with both is answered 61xx, the data wait for GET
RESPONSE; and whoever expects another number of octets than there are is told the right one, 6Cxx (EMV 4.4 Book 1,
9.3.1; ISO/IEC 7816-3:2006, 12.2).
"""

from typing import Protocol

from protocols.emv.apdu import Command, Ins, Response
from protocols.emv.status import Status
from protocols.errors import DecodeError

FETCH_MOST = 256  # octets of one GET RESPONSE, whose Le has one octet


class ContactCard(Protocol):
    """What a reader sees of a card with contacts."""

    @property
    def atr(self) -> bytes: ...
    def power_on(self) -> bytes: ...
    def power_off(self) -> None: ...
    def apdu(self, command: bytes) -> bytes: ...


class T0View:
    """``card``, spoken to under T=0. ``atr`` is the answer to reset that says so."""

    def __init__(self, card: ContactCard, atr: bytes) -> None:
        self._card = card
        self._atr = atr
        self._waiting = Response(b"", Status.OK)

    @property
    def atr(self) -> bytes:
        """The answer to reset, T=0."""
        return self._atr

    def power_on(self) -> bytes:
        """Power, or a reset."""
        self._waiting = Response(b"", Status.OK)
        self._card.power_on()
        return self._atr

    def power_off(self) -> None:
        """No power."""
        self._card.power_off()

    def apdu(self, command: bytes) -> bytes:
        """Answer one command as a T=0 card."""
        try:
            asked = Command.decode(command)
        except DecodeError:
            return self._card.apdu(command)
        if asked.cla == 0x00 and asked.ins == Ins.GET_RESPONSE:
            return self._fetched(asked)
        whole = Response.decode(self._card.apdu(command))
        self._waiting = Response(b"", Status.OK)
        if not whole.data:
            return whole.encode()
        if not asked.data:
            return self._exactly(asked, whole)
        self._waiting = whole
        return self._announced()

    def _announced(self) -> bytes:
        """How much waits; a warning is told first, by itself (EMV 4.4 Book 1, 9.3.1.1.4)."""
        if self._waiting.status != Status.OK:
            return Response(b"", self._waiting.status).encode()
        return Response(b"", 0x6100 | min(len(self._waiting.data), FETCH_MOST) & 0xFF).encode()

    def _exactly(self, asked: Command, whole: Response) -> bytes:
        if asked.expected != len(whole.data):
            return Response(b"", 0x6C00 | len(whole.data) & 0xFF).encode()
        return whole.encode()

    def _fetched(self, asked: Command) -> bytes:
        size = len(self._waiting.data)
        if asked.p1 or asked.p2 or not size:
            return Response(b"", Status.CONDITIONS_NOT_SATISFIED).encode()
        count = asked.expected or 0
        if not 1 <= count <= min(size, FETCH_MOST):
            return Response(b"", 0x6C00 | min(size, FETCH_MOST) & 0xFF).encode()
        piece, left = self._waiting.data[:count], self._waiting.data[count:]
        self._waiting = Response(left, Status.OK)
        if left:
            return Response(piece, 0x6100 | min(len(left), FETCH_MOST) & 0xFF).encode()
        return Response(piece, Status.OK).encode()
