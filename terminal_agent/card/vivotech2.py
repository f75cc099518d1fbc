# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Contactless readers that speak ViVOtech2, in pass-through mode: they find the card, our kernel does the payment.

A reply names the command that it answers but not its sub-command, and all of pass-through mode is one command. So a
reply that was not waited for to its end puts what follows in doubt. A ping clears it: the reader answers in order, and
what stands on the line before the ping's own reply is old. An APDU is never sent twice: a card may have counted or
signed it. A reader that somebody left in automatic polling pushes results of payments of its own: they are dropped, and
the polling is ended. Frames and messages are in protocols/serial.
"""

import asyncio

from device_profiles.model import ReaderProfile
from protocols.errors import DecodeError
from protocols.serial.framer import Damaged
from protocols.serial.vivotech2 import Event, Frame, FrameFramer, request_octets
from protocols.serial.vivotech2_display import LcdMessage, ShowMessage
from protocols.serial.vivotech2_messages import (
    ALL_LEDS,
    SPEAKS_ISO_DEP,
    Beep,
    CardType,
    Exchange,
    GetVersion,
    PassThrough,
    Ping,
    PollForToken,
    Polling,
    Request,
    SetLed,
    SetPolling,
    Status,
    Token,
    decode_token,
    decode_version,
    redacted_reply,
    redacted_request,
    request_frame,
    status_words,
)
from terminal_agent.card.port import (
    CHECK_THE_READER,
    IS_IT_THIS,
    CardError,
    CardLost,
    CardPresence,
    ReaderAbsent,
    Trace,
)
from terminal_agent.line.hearing import Hearing
from terminal_agent.line.port import Line

SHORTEST_POLL_S = 0.02
_GONE = frozenset((Status.TIMEOUT, Status.FAILED))


class Vivotech2Reader:
    """A reader behind a line, one request at a time. Made by :func:`terminal_agent.card.serial.open_reader`."""

    def __init__(self, profile: ReaderProfile, line: Line, trace: Trace | None) -> None:
        self.firmware = ""
        self._settings = profile.vivotech2
        self._line = line
        self._trace = trace
        self._hearing: Hearing[Event] = Hearing(line, FrameFramer(), profile.vivotech2.octet_s, ReaderAbsent)
        self._lock = asyncio.Lock()
        self._doubtful = True
        self._through = False
        self._activated = False

    async def start(self) -> None:
        """Find the reader, end what it was doing, and set it up."""
        async with self._lock:
            await self._ask(PassThrough(False))
            try:
                self.firmware = decode_version(await self._ask(GetVersion()))
            except DecodeError as fault:
                raise CardError(f"the reader's reply cannot be read: {fault}", IS_IT_THIS) from None
            await self._ask(SetPolling(Polling.ON_DEMAND))

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            self._activated = False
            deadline = self._hearing.now() + timeout_s
            while (left := deadline - self._hearing.now()) > SHORTEST_POLL_S:
                if not self._through:
                    await self._show(LcdMessage.PRESENT_CARD)
                    await self._ask(PassThrough(True))
                    self._through = True
                token = await self._polled(min(left, self._settings.poll_s))
                if token.kind in SPEAKS_ISO_DEP:
                    self._activated = True
                    await self._beep()
                    return CardPresence("contactless", _identity(token))
                if token.kind is not CardType.NONE:
                    # A card of another sort lies there: without the field it can be looked for anew.
                    await self._leave(LcdMessage.TRY_AGAIN)
                    await asyncio.sleep(min(self._settings.again_s, max(deadline - self._hearing.now(), 0.0)))
            return None

    async def transmit(self, command: bytes) -> bytes:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            if not self._activated:
                raise CardLost("no card is in the field")
            whole = False
            try:
                response = await self._exchange(command)
                whole = True
            finally:
                self._activated = whole
            return response

    async def release(self) -> None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            self._activated = False
            await self._leave(LcdMessage.WELCOME)

    async def close(self) -> None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        await self._line.close()

    async def _leave(self, shown: LcdMessage) -> None:
        if self._through and self._settings.leds:
            await self._ask(SetLed(ALL_LEDS, False))
        self._through = False
        await self._ask(PassThrough(False))
        await self._show(shown)

    async def _show(self, message: LcdMessage) -> None:
        """On its display, if it has one; outside of pass-through mode, where the display is the reader's."""
        if self._settings.lcd:
            await self._ask(ShowMessage(message))

    async def _polled(self, seconds: float) -> Token:
        """What one search found; a reply that came damaged found nothing, and the ping before the next tells why."""
        reply = await self._call(PollForToken(seconds), seconds + self._settings.reply_s)
        if reply is None or reply.detail == Status.TIMEOUT:
            return Token(CardType.NONE)
        if reply.detail:
            self._through = False
            raise CardError(f"the reader does not look for cards: {status_words(reply.detail)}", IS_IT_THIS)
        try:
            return decode_token(reply.data)
        except DecodeError as fault:
            raise CardError(f"the reader's reply cannot be read: {fault}", IS_IT_THIS) from None

    async def _beep(self) -> None:
        if self._settings.beeps:
            await self._ask(Beep(self._settings.beeps))
        if self._settings.leds:
            await self._ask(SetLed(ALL_LEDS, True))

    async def _exchange(self, command: bytes) -> bytes:
        reply = await self._call(Exchange(command), self._settings.exchange_s)
        if reply is None:
            raise CardLost("the reader did not say what the card answered", CHECK_THE_READER)
        if reply.detail in _GONE:
            raise CardLost(f"the card was lost: {status_words(reply.detail)}", "hold the card still at the reader")
        if reply.detail:
            raise CardError(f"the reader could not pass the command on: {status_words(reply.detail)}")
        if len(reply.data) < 2:
            raise CardLost("the card's response has no status")
        return reply.data

    async def _ask(self, request: Request) -> bytes:
        """The data of a reply that must be a success."""
        reply = await self._call(request, self._settings.reply_s)
        if reply is None:
            # Once more, behind a ping: what was asked here may be done twice.
            reply = await self._call(request, self._settings.reply_s)
        if reply is None:
            raise ReaderAbsent(f"{self._line.name}: the reader does not answer", CHECK_THE_READER)
        if reply.detail:
            raise CardError(f"the reader refused to be set up: {status_words(reply.detail)}", IS_IT_THIS)
        return reply.data

    async def _call(self, request: Request, patience_s: float) -> Frame | None:
        """One request and its reply; None where none came whole."""
        if self._doubtful:
            await self._clear()
        self._doubtful = True
        reply = await self._answered(request, patience_s)
        self._doubtful = reply is None
        return reply

    async def _clear(self) -> None:
        """Ping until the reply is there: what came before it is old."""
        for _ in range(self._settings.sends):
            if await self._answered(Ping(), self._settings.poll_s + self._settings.reply_s) is not None:
                self._hearing.forget()
                self._doubtful = False
                return
        raise ReaderAbsent(f"{self._line.name}: the reader does not answer", CHECK_THE_READER)

    async def _answered(self, request: Request, patience_s: float) -> Frame | None:
        frame = request_frame(request)
        self._told(">", redacted_request(frame))
        self._hearing.put(request_octets(frame, self._settings.crc_high_first))
        deadline = self._hearing.now() + patience_s
        while (event := await self._hearing.event(deadline)) is not None:
            if isinstance(event, Damaged):
                self._told("<", redacted_reply(event))
            elif event.command == frame.command:
                self._told("<", redacted_reply(event, to=request.name))
                return event
        return None

    def _told(self, direction: str, words: str) -> None:
        if self._trace is not None:
            self._trace("reader", direction, words)


def _identity(token: Token) -> str:
    kind = "B" if token.kind is CardType.B_ISO_DEP else "A"
    return f"ISO 14443-4 type {kind}, UID of {len(token.uid)} octets"
