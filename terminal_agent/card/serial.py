# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Contactless readers on a serial line; here the PN532 (high speed UART). Frames and messages are in protocols/serial.

The chip acknowledges each command, then answers it. What is lost on the way is repeated, with one exception: an APDU is
never sent twice, since a card may have counted or signed it. If its answer cannot be had, the card is lost.

* A reply that came damaged is asked for again with NACK, but only after the chip's ACK was seen: without it NACK could
  fetch the answer to the command before.
* Looking for a card is bounded by retries in the chip, so the chip answers now and then that there is none and is asked
  again. Our ACK ends a search early, also when the waiting task is cancelled.
"""

import asyncio
from collections.abc import Callable

from device_profiles.model import ReaderProfile, ReaderProtocol
from protocols.errors import DecodeError
from protocols.serial.framer import Damaged
from protocols.serial.pn532 import WAKE, Event, Frame, FrameFramer, Signal
from protocols.serial.pn532_codec import decode_reply, redacted_event
from protocols.serial.pn532_messages import (
    CARD_LOST,
    LARGEST_EXCHANGE,
    Command,
    DataExchanged,
    FirmwareVersion,
    GetFirmwareVersion,
    InDataExchange,
    InListPassiveTarget,
    InRelease,
    Modulation,
    Reply,
    RfConfiguration,
    RfItem,
    SamConfiguration,
    Target,
    TargetA,
    Targets,
    command_frame,
    status_words,
)
from terminal_agent.card.port import (
    CHECK_THE_READER,
    IS_IT_THIS,
    CardError,
    CardLost,
    CardPresence,
    CardReader,
    ReaderAbsent,
    Trace,
)
from terminal_agent.card.vivotech2 import Vivotech2Reader
from terminal_agent.line.hearing import Hearing
from terminal_agent.line.port import Line

MOST_PIECES = 1024  # a card that gives a response octet by octet only wants to keep the till busy
LARGEST_RESPONSE = 65_538  # ISO/IEC 7816-4:2020, 5.1: 65,536 octets of data and the status
_KINDS = ((Modulation.TYPE_A_106, b""), (Modulation.TYPE_B_106, b"\x00"))
"""Looked for in turns (EMV Contactless Book D 2.6, 9.2); AFI 00 asks for any family (ISO/IEC 14443-3:2018, 7.7.3)."""


async def open_reader(profile: ReaderProfile, line: Line, trace: Trace | None = None) -> CardReader:
    """The driver that the profile asks for, its reader awake and identified; :class:`ReaderAbsent` if it is silent."""
    driver = _DRIVERS[profile.protocol](profile, line, trace)
    try:
        await driver.start()
    except BaseException:
        await driver.close()
        raise
    return driver


class Pn532Reader:
    """A PN532 behind a line, one command at a time. Made by :func:`open_reader`."""

    def __init__(self, profile: ReaderProfile, line: Line, trace: Trace | None) -> None:
        self.firmware = ""
        self._settings = profile.pn532
        self._line = line
        self._trace = trace
        self._hearing: Hearing[Event] = Hearing(line, FrameFramer(), profile.pn532.octet_s, ReaderAbsent)
        self._lock = asyncio.Lock()
        self._target: int | None = None

    async def start(self) -> None:
        """Wake the chip, end what it was doing, and set it up."""
        async with self._lock:
            self._hearing.put(WAKE + Signal.ACK.value)
            await self._call(SamConfiguration(), preamble=WAKE)
            version = await self._call(GetFirmwareVersion())
            if not isinstance(version, FirmwareVersion):
                raise CardError("the reader answered the question for its firmware with something else")
            self.firmware = str(version)
            retries = bytes((0xFF, 0x01, self._settings.activation_retries))
            await self._call(RfConfiguration(RfItem.RETRIES, retries))

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            self._target = None
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._found()
            except TimeoutError:
                self._hearing.put(Signal.ACK.value)
                return None
            except asyncio.CancelledError:
                self._hearing.put(Signal.ACK.value)
                raise

    async def transmit(self, command: bytes) -> bytes:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            if self._target is None:
                raise CardLost("no card is in the field")
            try:
                return await self._exchange(self._target, command)
            except asyncio.CancelledError:
                self._target = None
                self._hearing.put(Signal.ACK.value)
                raise
            except CardError:
                self._target = None
                raise

    async def release(self) -> None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            self._target = None
            await self._call(InRelease())
            await self._call(RfConfiguration(RfItem.FIELD, b"\x00"))

    async def close(self) -> None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        await self._line.close()

    async def _found(self) -> CardPresence:
        while True:
            for modulation, families in _KINDS:
                search = InListPassiveTarget(1, modulation, families)
                reply = await self._call(search, patience_s=self._settings.poll_s)
                if not isinstance(reply, Targets) or not reply.found:
                    continue
                target = reply.found[0]
                if target.speaks_iso_dep:
                    self._target = target.number
                    return CardPresence("contactless", _identity(target))
                await self._call(InRelease())

    async def _exchange(self, target: int, command: bytes) -> bytes:
        sent = 0
        while len(command) - sent > LARGEST_EXCHANGE:
            await self._piece(InDataExchange(target, command[sent : sent + LARGEST_EXCHANGE], more=True), sent > 0)
            sent += LARGEST_EXCHANGE
        reply = await self._piece(InDataExchange(target, command[sent:]), sent > 0)
        response = bytearray(reply.data)
        pieces = 1
        while reply.more:
            reply = await self._piece(InDataExchange(target, b""), True)
            response += reply.data
            pieces += 1
            if len(response) > LARGEST_RESPONSE or pieces > MOST_PIECES or not reply.data:
                raise CardLost("the card's response has no end")
        if len(response) < 2:
            raise CardLost("the card's response has no status")
        return bytes(response)

    async def _piece(self, command: InDataExchange, continued: bool) -> DataExchanged:
        reply = await self._call(command, patience_s=self._settings.exchange_s, sends=1, continued=continued)
        if not isinstance(reply, DataExchanged):
            raise CardLost("the reader answered an APDU with something else")
        if reply.status in CARD_LOST:
            raise CardLost(f"the card was lost: {status_words(reply.status)}", "hold the card still at the reader")
        if reply.status:
            raise CardError(f"the reader could not pass the command on: {status_words(reply.status)}")
        return reply

    async def _call(
        self,
        command: Command,
        *,
        preamble: bytes = b"",
        patience_s: float | None = None,
        sends: int | None = None,
        continued: bool = False,
    ) -> Reply:
        """One command and its reply. ``sends`` 1 marks what must not be repeated: then silence means a lost card."""
        frame = command_frame(command)
        settings = self._settings
        most = settings.sends if sends is None else sends
        patience = settings.reply_s if patience_s is None else patience_s
        for _ in range(most):
            self._hearing.clear()
            self._told(">", frame, continued)
            self._hearing.put(preamble + frame.encode())
            acknowledged = await self._acknowledged(frame)
            if not acknowledged and most > 1:
                continue
            reply = await self._reply(frame, patience, acknowledged, continued)
            if reply is not None:
                return reply
        if most == 1:
            raise CardLost("the reader did not say what the card answered", CHECK_THE_READER)
        raise ReaderAbsent(f"{self._line.name}: the reader does not answer", CHECK_THE_READER)

    async def _acknowledged(self, frame: Frame) -> bool:
        """Whether the chip understood: its ACK, or the reply itself where the ACK was lost."""
        deadline = self._hearing.now() + self._settings.ack_s
        while (event := await self._hearing.event(deadline)) is not None:
            if event is Signal.ACK:
                return True
            if isinstance(event, Frame) and _answers(event, frame):
                self._hearing.unhear(event)
                return True
        return False

    async def _reply(self, frame: Frame, patience: float, acknowledged: bool, continued: bool) -> Reply | None:
        """The reply to ``frame``, asked for again while it comes damaged; None if it cannot be had."""
        asked = 0
        deadline = self._hearing.now() + patience
        while (event := await self._hearing.event(deadline)) is not None:
            if event is Signal.SYNTAX_ERROR:
                raise CardError("the reader does not know the command", IS_IT_THIS)
            if isinstance(event, Frame) and _answers(event, frame):
                self._told("<", event, continued)
                return _decoded(event)
            if isinstance(event, Damaged) and acknowledged:
                asked += 1
                if asked >= self._settings.sends:
                    return None
                self._hearing.put(Signal.NACK.value)
        return None

    def _told(self, direction: str, event: Frame, continued: bool) -> None:
        if self._trace is not None:
            self._trace("reader", direction, redacted_event(event, continued=continued))


_DRIVERS: dict[ReaderProtocol, Callable[[ReaderProfile, Line, Trace | None], Pn532Reader | Vivotech2Reader]] = {
    ReaderProtocol.PN532: Pn532Reader,
    ReaderProtocol.VIVOTECH2: Vivotech2Reader,
}


def _answers(reply: Frame, command: Frame) -> bool:
    return reply.tfi == command.tfi + 1 and reply.data[:1] == bytes((command.data[0] + 1,))


def _decoded(event: Frame) -> Reply:
    try:
        return decode_reply(event)
    except DecodeError as fault:
        raise CardError(f"the reader's reply cannot be read: {fault}", IS_IT_THIS) from None


def _identity(target: Target) -> str:
    if isinstance(target, TargetA):
        ats = target.ats.hex().upper() or "none"
        return f"ISO 14443-4 type A, UID of {len(target.uid)} octets, ATS {ats}"
    return f"ISO 14443-4 type B, protocol info {target.atqb[9:].hex().upper()}"
