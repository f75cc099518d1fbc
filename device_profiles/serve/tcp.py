# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""TCP and TLS for the acquirer twin: its line to the HSM and its terminals' lines to it. Decides nothing.

The pure twin yields HSM requests; here they travel, many at once over one connection, matched by message header. A
terminal's request is seen through even when its line goes away: a host that has begun to decide does not stop.
"""

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from device_profiles.twins.acquirer import Event, Handled, Host
from device_profiles.twins.acquirer_hsm import HsmGone
from protocols.acquirer.dialects import Dialect
from protocols.acquirer.frame import Frame, Framer, frame
from protocols.acquirer.message import redacted_octets
from protocols.errors import DecodeError
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import FrameBuffer
from protocols.hsm.frame import frame as hsm_frame
from protocols.hsm.layout import Fields
from protocols.hsm.message import Answer, decode_response, encode_request

HEADER_OCTETS = 4
HSM_CONNECT_S = 2.0
HSM_ANSWER_S = 5.0
UNDER_WAY = 64
"""Requests of one terminal being decided at once; beyond it the line is read no further until one is done."""
HALF_FRAME_S = 30.0
"""How long the rest of a frame may take: a line that stalls inside one is closed."""


class HsmLink:
    """One connection to the HSM, made anew when it is next needed. Answers are matched by header, in any order."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._line: _HsmLine | None = None
        self._lock = asyncio.Lock()
        self._number = 0

    async def ask(self, request: Fields) -> Answer[Any]:
        """Send one command and return its answer; raises :class:`HsmGone`."""
        line = await self._connected()
        self._number = (self._number + 1) % 16**HEADER_OCTETS
        header = f"{self._number:0{HEADER_OCTETS}X}".encode("ascii")
        waiting = line.send(header, request)
        try:
            async with asyncio.timeout(HSM_ANSWER_S):
                message = await waiting
            command = COMMANDS[type(request).__name__]
            answer: Answer[Any] = decode_response(message, command.response, HEADER_OCTETS)
        except (TimeoutError, DecodeError):
            line.hang_up()
            raise HsmGone("no readable answer") from None
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.hang_up()

    async def _connected(self) -> "_HsmLine":
        async with self._lock:
            if self._line is None or self._line.gone:
                try:
                    async with asyncio.timeout(HSM_CONNECT_S):
                        loop = asyncio.get_running_loop()
                        _, self._line = await loop.create_connection(_HsmLine, self._host, self._port)
                except (OSError, TimeoutError):
                    raise HsmGone("no connection") from None
            return self._line


class _HsmLine(asyncio.Protocol):
    """The client's end of one HSM connection."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer()
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._transport: asyncio.Transport | None = None
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, header: bytes, request: Fields) -> asyncio.Future[bytes]:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if self._transport is None or self.gone:
            future.set_exception(HsmGone("the line is closed"))
            return future
        self._waiting[header] = future
        self._transport.write(hsm_frame(encode_request(request, header)))
        return future

    def data_received(self, data: bytes) -> None:
        try:
            self._buffer.feed(data)
            while (message := self._buffer.take()) is not None:
                future = self._waiting.pop(message[:HEADER_OCTETS], None)
                if future is not None and not future.done():
                    future.set_result(message)
        except DecodeError:
            self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(HsmGone("the line was lost"))
        self._waiting.clear()

    def hang_up(self) -> None:
        self.gone = True
        if self._transport is not None:
            self._transport.abort()


Tell = Callable[[Event], None]


class Bank:
    """The twin with its lines: drives each message's dialogue and sends what it leads to."""

    def __init__(
        self,
        host: Host,
        dialect: Dialect,
        link: HsmLink,
        clock: Callable[[], datetime],
        tell: Tell,
        trace: Callable[[str, str], None] | None = None,
        save: Callable[[], None] | None = None,
    ) -> None:
        self._host = host
        self.dialect = dialect
        self._link = link
        self._clock = clock
        self._tell = tell
        self._trace = trace
        self._save = save
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[TerminalLine] = set()

    def line(self) -> "TerminalLine":
        """The protocol for one more terminal."""
        return TerminalLine(self)

    def took(self, line: "TerminalLine") -> None:
        """A terminal connected."""
        self._lines.add(line)

    def lost(self, line: "TerminalLine") -> None:
        """A terminal's line is closed."""
        self._lines.discard(line)

    def say(self, event: Event) -> None:
        """Tell an event of the lines."""
        self._tell(event)

    def begin(self, line: "TerminalLine", one: Frame) -> None:
        """Start on a message."""
        task = asyncio.get_running_loop().create_task(self._serve(line, one))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Hang up on everyone, after what is being decided has been decided."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=HSM_ANSWER_S)
        for line in tuple(self._lines):
            line.hang_up()
        self._link.close()

    async def _serve(self, line: "TerminalLine", one: Frame) -> None:
        try:
            self._note(">", one.message)
            handled = await self._driven(one.message)
            for event in handled.events:
                self._tell(event)
            if not self._saved():
                return
            loop = asyncio.get_running_loop()
            for sending in handled.sendings:
                if sending.delay_ms:
                    loop.call_later(sending.delay_ms / 1000, self._send, line, one, sending.octets)
                else:
                    self._send(line, one, sending.octets)
            if handled.hang_up:
                line.hang_up()
        finally:
            line.done()

    def _saved(self) -> bool:
        """Before an answer leaves: what was promised must not be forgotten."""
        try:
            if self._save is not None:
                self._save()
        except OSError as fault:
            self._tell({"event": "state.not-written", "reason": fault.strerror or "no answer was sent"})
            return False
        return True

    async def _driven(self, octets: bytes) -> Handled:
        dialogue = self._host.handle(octets, self._clock())
        try:
            request = next(dialogue)
            while True:
                try:
                    answer = await self._link.ask(request)
                except HsmGone as gone:
                    request = dialogue.throw(gone)
                else:
                    request = dialogue.send(answer)
        except StopIteration as end:
            handled: Handled = end.value
            return handled

    def _send(self, line: "TerminalLine", asked: Frame, octets: bytes) -> None:
        self._note("<", octets)
        line.write(frame(octets, self.dialect, asked.return_tpdu))

    def _note(self, direction: str, octets: bytes) -> None:
        if self._trace is not None:
            self._trace(direction, redacted_octets(octets, self.dialect))


class TerminalLine(asyncio.Protocol):
    """The host's end of one terminal's connection."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._framer = Framer(bank.dialect)
        self._transport: asyncio.Transport | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._under_way = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._bank.took(self)

    def data_received(self, data: bytes) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        try:
            while frames := self._framer.feed(data):
                data = b""
                for one in frames:
                    self._under_way += 1
                    self._bank.begin(self, one)
        except DecodeError as refused:
            self._bank.say({"event": "line.refused", "reason": str(refused)})
            self.hang_up()
            return
        if self._framer.waiting:
            self._stall = asyncio.get_running_loop().call_later(HALF_FRAME_S, self.hang_up)
        if self._under_way >= UNDER_WAY and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stall is not None:
            self._stall.cancel()
        self._transport = None
        self._bank.lost(self)

    def done(self) -> None:
        """One message has been served."""
        self._under_way -= 1
        if self._transport is not None and self._under_way < UNDER_WAY:
            self._transport.resume_reading()

    def write(self, octets: bytes) -> None:
        """Send, if anybody is still there."""
        if self._transport is not None:
            self._transport.write(octets)

    def hang_up(self) -> None:
        """Close the line."""
        if self._transport is not None:
            self._transport.close()


def server_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS of the host's end: 1.2 or newer, and a terminal must show a certificate of ``ca``."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(ca)
    made.load_cert_chain(certificate, key)
    return made
