# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A layer over any reader: fetches what waits (61xx) and asks again with the right length (6Cxx). It judges no answer.

Under T=0 a card cannot answer a command that carries data with data: it says how much waits, and GET RESPONSE fetches
it; or it says which length is the right one (EMV 4.4 Book 1, 9.3.1; ISO/IEC 7816-4:2020, 5.3.4 and 11.9). A warning
that comes without data to a command that expects some is kept as the status of what GET RESPONSE then brings. Nothing
in it depends on the protocol: a card under T=1, or without contacts, says 9000 at once and passes through untouched.

A card that never comes to an end of its answer counts as one whose answer is unknown (attack A12).
"""

from collections.abc import Generator
from typing import TypeVar

from protocols.emv.apdu import EXTENDED_ANSWER, SHORT_ANSWER, Command, Response, get_response
from protocols.errors import DecodeError
from terminal_agent.card.port import CardMalformed, CardPresence, CardReader, converse

T = TypeVar("T")

MORE_WAITS, RIGHT_LENGTH = 0x61, 0x6C  # SW1
WARNINGS = (0x62, 0x63)  # SW1
_TO_BE_CONTINUED = frozenset((MORE_WAITS, RIGHT_LENGTH, *WARNINGS))
MOST_FETCHES = 24  # of up to 256 octets each; an EMV answer never has more than 256
MOST_ANSWER = EXTENDED_ANSWER  # octets of data


class EndlessAnswer(Exception):
    """The card goes on and on."""


def exchange(command: bytes) -> Generator[bytes, bytes, bytes]:
    """One command and its whole answer: yields what to send, is sent what came; raises :class:`EndlessAnswer`.

    What is no command, and what is no response, passes through as it is.
    """
    octets = yield command
    if len(octets) < 2 or octets[-2] not in _TO_BE_CONTINUED:
        return octets  # nothing waits: most answers end here
    try:
        asked = Command.decode(command)
    except DecodeError:
        return octets
    data, warning = b"", 0
    for _ in range(MOST_FETCHES):
        try:
            response = Response.decode(octets)
        except DecodeError:
            return octets
        first, second = response.status >> 8, response.status & 0xFF
        if first == RIGHT_LENGTH and asked.expected is not None and not response.data:
            asked = Command(asked.cla, asked.ins, asked.p1, asked.p2, asked.data, second or SHORT_ANSWER)
            octets = yield asked.encode()
            continue
        data += response.data
        if len(data) > MOST_ANSWER:
            raise EndlessAnswer
        unfetched = first in WARNINGS and not data and not warning and asked.data and asked.expected is not None
        if first != MORE_WAITS and not unfetched:
            kept = warning if warning and response.ok else response.status
            return Response(data, kept if data or not warning else warning).encode()
        if unfetched:
            warning = response.status
        asked = get_response(second or SHORT_ANSWER) if first == MORE_WAITS else get_response(SHORT_ANSWER)
        octets = yield asked.encode()
    raise EndlessAnswer


def whole(turns: Generator[bytes, bytes, T]) -> Generator[bytes, bytes, T]:
    """``turns`` as they are to be sent: every answer is whole before it is handed over."""
    try:
        command = next(turns)
        while True:
            command = turns.send((yield from exchange(command)))
    except StopIteration as end:
        result: T = end.value
        return result


class Chaining:
    """``reader``, whose answers are whole."""

    def __init__(self, reader: CardReader) -> None:
        self._reader = reader

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        """As the reader does."""
        return await self._reader.wait_for_card(timeout_s)

    @property
    def inner(self) -> CardReader:
        """The reader below."""
        return self._reader

    async def transmit(self, command: bytes) -> bytes:
        """One command and its whole answer; :class:`CardMalformed` where the answer has no end."""
        return await self._carried(exchange(command))

    async def converse(self, turns: Generator[bytes, bytes, T]) -> T:
        """Commands and their whole answers, at one go where the reader can."""
        return await self._carried(whole(turns))

    async def _carried(self, turns: Generator[bytes, bytes, T]) -> T:
        try:
            return await converse(self._reader, turns)
        except EndlessAnswer:
            raise CardMalformed("the card's answer has no end", "the card is broken or hostile: use another") from None

    async def release(self) -> None:
        """As the reader does."""
        await self._reader.release()

    async def close(self) -> None:
        """As the reader does."""
        await self._reader.close()
