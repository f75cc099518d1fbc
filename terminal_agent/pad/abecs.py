# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""ABECS PIN pads behind a line. Turn-taking is the table in protocols/serial/abecs_turns.py, not here.

A session begins with CAN, which ends whatever the pad was doing for somebody before us. The plain OPN is used: nothing
that travels is secret, since PIN and MAC keys never leave the pad, and the enciphered OPN proves no pad's identity. The
pad's MAC is TDES in CBC (EBX), so the acquirer must expect ISO/IEC 9797-1, algorithm 1 (its profile: mac = "tdes-cbc").
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from device_profiles.model import AbecsProfile
from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.serial.abecs import Control, Event, Packet, PacketFramer
from protocols.serial.abecs_messages import (
    BLOCK_OCTETS,
    LONGEST_ENCIPHER,
    OPEN,
    Command,
    Parameter,
    PinMethod,
    PinRequest,
    Response,
    Status,
    close,
    decode_parameters,
    decode_pin_block,
    decode_response,
    display,
    encipher,
    get_info,
    redacted_command,
    redacted_response,
    status_words,
)
from protocols.serial.abecs_turns import Exchange, Limits, State
from terminal_agent.line.hearing import Hearing
from terminal_agent.line.port import Line
from terminal_agent.pad.port import (
    PadAbsent,
    PadError,
    PadRefused,
    PinCancelled,
    PinEntered,
    PinOutcome,
    PinTimedOut,
    Trace,
)

T = TypeVar("T")
LINE_CHARACTERS = 16
CHECK_THE_PAD = "check the pad's cable, power and line settings"
IS_IT_THIS = "does the profile fit this pad?"


class AbecsPad:
    """One pad. Made by :func:`terminal_agent.pad.drivers.open_pad`."""

    def __init__(self, profile: AbecsProfile, line: Line, trace: Trace | None) -> None:
        self.serial = ""
        self._settings = profile.abecs
        self._line = line
        self._trace = trace
        self._hearing: Hearing[Event] = Hearing(line, PacketFramer(), profile.abecs.octet_s, PadAbsent, self._heard)
        self._lock = asyncio.Lock()
        self._exchange: Exchange | None = None
        self._unsettled = True

    async def start(self) -> None:
        """End what the pad was doing, open a session and ask who it is."""
        async with self._lock:
            await self._done(OPEN)
            found = await self._asked(get_info(Parameter.SERIAL_NUMBER), "GIX")
        serial = found.get(Parameter.SERIAL_NUMBER, b"").decode("ascii", "replace").strip()
        if not serial or not (serial.isascii() and serial.isprintable()):
            raise PadError("the pad did not say its serial number", IS_IT_THIS)
        self.serial = serial

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        settings = self._settings
        message = amount_words[:LINE_CHARACTERS].ljust(LINE_CHARACTERS) + settings.pin_message
        request = PinRequest(PinMethod.DUKPT_TDES, settings.pin_key_index, pan, message)
        async with self._lock:
            done = await self._run(self._command(request.command), State.INVITING, timeout_s)
            if done.state is State.EXPIRED:
                return PinTimedOut()
            if done.state is State.CANCELLED:
                return PinCancelled()
            response = self._read(done)
        match response.status:
            case Status.OK:
                entered = _decoded(lambda: decode_pin_block(response))
                return PinEntered(entered.ksn, entered.block, 0)
            case Status.CANCEL:
                return PinCancelled()
            case Status.TIMEOUT:
                return PinTimedOut()
        raise PadRefused(f"the pad refused the PIN entry: {status_words(response.status)}")

    async def mac(self, session_key: bytes, data: bytes) -> bytes:
        """The last block of TDES in CBC over ``data``, zero-filled (ISO/IEC 9797-1, algorithm 1, padding method 1)."""
        padded = data + bytes(-len(data) % BLOCK_OCTETS) or bytes(BLOCK_OCTETS)
        last = bytes(BLOCK_OCTETS)
        async with self._lock:
            for place in range(0, len(padded), LONGEST_ENCIPHER):
                last = await self._enciphered_last(session_key, last, padded[place : place + LONGEST_ENCIPHER])
        return last

    async def _enciphered_last(self, session_key: bytes, iv: bytes, piece: bytes) -> bytes:
        """The last block of one piece."""
        command = self._command(lambda: encipher(self._settings.data_key_index, session_key, iv, piece))
        out = (await self._asked(command, "EBX")).get(Parameter.DATA_OUT, b"")
        if len(out) != len(piece):
            raise PadError(f"the pad gave {len(out)} octets back for {len(piece)}", IS_IT_THIS)
        return out[-BLOCK_OCTETS:]

    async def show(self, text: str) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        async with self._lock:
            await self._done(self._command(lambda: display(text)))

    async def cancel(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        if self._exchange is not None:
            self._put(self._exchange.cancel(self._hearing.now()))
            self._hearing.reschedule(self._exchange.deadline)
        async with self._lock:
            return

    async def close(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`. Ends the session where the pad still listens."""
        if not self._line.ended and not self._lock.locked() and not self._unsettled:
            with contextlib.suppress(PadAbsent):
                self._put(close().packet().encode())
        await self._line.close()

    def _command(self, made: Callable[[], Command]) -> Command:
        try:
            command = made()
            command.packet().encode()
        except EncodeError as fault:
            raise PadError(f"the pad cannot be asked that: {fault}") from None
        return command

    async def _asked(self, command: Command, name: str) -> dict[int, bytes]:
        """The parameters of a good response."""
        response = await self._done(command)
        return _decoded(lambda: decode_parameters(response.blocks, f"ABECS {name}"))

    async def _done(self, command: Command) -> Response:
        """A response that must be good; nobody is asked."""
        done = await self._run(command, State.CALLING)
        if done.state is State.CANCELLED:
            raise PadRefused(f"{command.name} was broken off")
        response = self._read(done)
        if response.name == "ERR" or response.status != Status.OK:
            raise PadRefused(f"the pad refused {command.name}: {status_words(response.status)}")
        return response

    def _read(self, done: Exchange) -> Response:
        data = done.response or b""
        return _decoded(lambda: decode_response(Packet(data)))

    async def _run(self, command: Command, start: State, person_s: float = 0.0) -> Exchange:
        """One command to its end, after an earlier one that was broken off has been ended at the pad."""
        if self._unsettled:
            await self._drive(State.CANCELLING, b"", "")
            self._unsettled = False
        return await self._drive(start, command.packet().encode(), command.name, person_s)

    async def _drive(self, start: State, packet: bytes, name: str, person_s: float = 0.0) -> Exchange:
        settings = self._settings
        now = self._hearing.now
        self._hearing.clear()
        limits = Limits(settings.ack_s, settings.reply_s, settings.sends)
        exchange = Exchange(start, packet, name, limits, now(), person_s)
        self._exchange = exchange
        try:
            self._put(exchange.outgoing)
            while not exchange.over:
                event = await self._hearing.event(exchange.deadline)
                self._put(exchange.hear(event, now()) if event is not None else exchange.silence(now()))
        except asyncio.CancelledError:
            # Nobody will wait for the answer: tell the pad now, hear it when the next command begins.
            self._unsettled = True
            with contextlib.suppress(PadAbsent):
                self._put(bytes((Control.CAN,)))
            raise
        finally:
            self._exchange = None
        self._unsettled = exchange.state in (State.SILENT, State.GARBLED)
        if exchange.state is State.SILENT:
            raise PadAbsent(f"{self._line.name}: the pad does not answer", CHECK_THE_PAD)
        if exchange.state is State.GARBLED:
            raise PadAbsent(f"{self._line.name}: the pad cannot be understood, or does not understand", CHECK_THE_PAD)
        return exchange

    def _heard(self, event: Event) -> None:
        self._told("<", redacted_response(event))

    def _put(self, octets: bytes) -> None:
        if not octets:
            return
        if self._trace is not None:
            for event in PacketFramer().feed(octets):
                self._told(">", redacted_command(event))
        self._hearing.put(octets)

    def _told(self, direction: str, words: str) -> None:
        if self._trace is not None:
            self._trace("pad", direction, words)


def _decoded(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except DecodeError as fault:
        raise PadError(f"the pad's response cannot be read: {fault}", IS_IT_THIS) from None
