# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""ABECS PIN pads behind a line. Turn-taking is the table in protocols/serial/abecs_turns.py, not here.

A session begins with CAN, which ends whatever the pad was doing for somebody before us. PIN and MAC keys never leave
the pad, so what is left to protect on the line is the account number, and the amount that a person sees. An enciphered
session alone protects neither from a man in the middle; a pad that signs it does, see protocols/serial/
abecs_identity.py. Unless its profile says that the cable is guarded, the account number goes to such a pad only.

The pad's MAC is TDES in CBC (EBX), so the acquirer must expect ISO/IEC 9797-1, algorithm 1 (its profile: mac =
"tdes-cbc").
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import TypeVar

from device_profiles.model import AbecsProfile, AbecsSession, PanPolicy
from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.serial.abecs import Control, Event, Packet, PacketFramer
from protocols.serial.abecs_identity import CHALLENGE_OCTETS, Statement, ask_proof, decode_proof
from protocols.serial.abecs_messages import (
    BLOCK_OCTETS,
    LONGEST_ENCIPHER,
    NOTIFICATION,
    OPEN,
    PIN_KSNS,
    UNKNOWN_COMMAND,
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
from protocols.serial.abecs_person import decode_notification
from protocols.serial.abecs_secure import decode_opened
from protocols.serial.abecs_turns import Exchange, Limits, State
from terminal_agent.line.hearing import Hearing
from terminal_agent.line.port import Line
from terminal_agent.pad.abecs_session import LineAltered, Session, altered
from terminal_agent.pad.exchange import Exchanges
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
ANY_IDENTITY = "*"
_ENDING = (State.CANCELLING, State.EXPIRING)
IS_IT_THIS = "does the profile fit this pad?"


class AbecsPad:
    """One pad. Made by :func:`terminal_agent.pad.drivers.open_pad`."""

    def __init__(
        self,
        profile: AbecsProfile,
        line: Line,
        trace: Trace | None,
        identity: str = "",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """``identity``: the pad's public key in hexadecimal digits; empty: unknown; :data:`ANY_IDENTITY`: any."""
        self.serial = ""
        self.identity = ""
        """The public key of the pad, where it has proven it."""
        self.notice: Callable[[str], None] | None = None
        """Told what the pad asks the person for meanwhile."""
        self._wanted = identity
        self._random = random
        self._session = Session()
        self._settings = profile.abecs
        self._line = line
        self._trace = trace
        self._hearing: Hearing[Event] = Hearing(line, PacketFramer(), profile.abecs.octet_s, PadAbsent, self._heard)
        self._lock = asyncio.Lock()
        self._exchanges = Exchanges(line.name, self._hearing, self._put, bytes((Control.CAN,)))

    async def start(self) -> None:
        """End what the pad was doing, open a session and ask who it is."""
        async with self._lock:
            await self._open()
            found = await self._asked(get_info(Parameter.SERIAL_NUMBER), "GIX")
        serial = found.get(Parameter.SERIAL_NUMBER, b"").decode("ascii", "replace").strip()
        if not serial or not (serial.isascii() and serial.isprintable()):
            raise PadError("the pad did not say its serial number", IS_IT_THIS)
        self.serial = serial
        if self._wanted:
            async with self._lock:
                await self._prove_session()

    async def next_ksn(self) -> bytes | None:
        """See :class:`terminal_agent.pad.port.IdentifiedPad`."""
        identifier = PIN_KSNS + self._settings.pin_key_index
        async with self._lock:
            return (await self._asked(get_info(identifier), "GIX")).get(identifier)

    @property
    def trusted(self) -> bool:
        """Whether the line is enciphered, and the pad at its end has proven who it is."""
        return bool(self.identity) and self._session.enciphered

    async def _open(self) -> None:
        self._session.forget()
        if self._settings.session is AbecsSession.PLAIN:
            await self._done(OPEN)
            return
        response = await self._done(self._session.opening())
        if not response.blocks:
            raise PadRefused("the pad offers no enciphered session", "abecs.session in its profile, see docs/pads.md")
        self._session.establish(_decoded(lambda: decode_opened(response)))

    async def _prove_session(self) -> None:
        """Have the pad sign the session; :class:`LineAltered` where that is not the pad that is wanted."""
        challenge = self._random(CHALLENGE_OCTETS)
        proof = await self._proof(Statement.SESSION, challenge)
        if proof is None and self._wanted == ANY_IDENTITY:
            return
        public, signature = proof or (b"", b"")
        if self._wanted not in (ANY_IDENTITY, public.hex().upper()):
            raise altered("who is at its other end did not prove to be the pad of the terminal's profile")
        if not self._session.signed_by(public, signature, challenge, self.serial):
            raise altered("the pad's proof is of another session")
        self.identity = public.hex().upper()

    async def _prove_entry(self, shown: str, entered: PinEntered) -> None:
        """Have the pad sign what it showed; :class:`LineAltered` where that is not what it was given to show."""
        challenge = self._random(CHALLENGE_OCTETS)
        public, signature = await self._proof(Statement.ENTRY, challenge) or (b"", b"")
        known = public.hex().upper() == self.identity
        if not known or not Session.entry_signed_by(public, signature, challenge, self.serial, shown, entered):
            raise altered("what the pad showed, or its answer, is not what was asked for")

    async def _proof(self, statement: Statement, challenge: bytes) -> tuple[bytes, bytes] | None:
        """Public key and signature; None from a pad that has no such command."""
        response = self._read(await self._run(ask_proof(statement, challenge), State.CALLING))
        if response.name == UNKNOWN_COMMAND or response.status == Status.BAD_CALL:
            return None
        if response.status != Status.OK:
            raise PadRefused(f"the pad does not say who it is: {status_words(response.status)}")
        return _decoded(lambda: decode_proof(response))

    async def perform(self, command: Command, person_s: float) -> Response | PinCancelled | PinTimedOut:
        """A command that a person is asked by, to its end; ``person_s``: how long that may take."""
        async with self._lock:
            done = await self._run(self._command(lambda: command), State.INVITING, person_s)
            if done.state is State.EXPIRED:
                return PinTimedOut()
            if done.state is State.CANCELLED:
                return PinCancelled()
            response = self._read(done)
        if response.name != UNKNOWN_COMMAND and response.status == Status.CANCEL:
            return PinCancelled()
        if response.name != UNKNOWN_COMMAND and response.status == Status.TIMEOUT:
            return PinTimedOut()
        return response

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        settings = self._settings
        if settings.pan is PanPolicy.TRUSTED and not self.trusted:
            raise PadRefused(
                "the pad's line is untrusted: the account number stays here",
                "pad.identity in the terminal's profile, or abecs.pan in the pad's: see docs/pads.md",
            )
        message = amount_words[:LINE_CHARACTERS].ljust(LINE_CHARACTERS) + settings.pin_message
        request = PinRequest(PinMethod.DUKPT_TDES, settings.pin_key_index, pan, message)
        response = await self.perform(self._command(request.command), timeout_s)
        if not isinstance(response, Response):
            return response
        if response.name == UNKNOWN_COMMAND or response.status != Status.OK:
            raise PadRefused(f"the pad refused the PIN entry: {status_words(response.status)}")
        block = _decoded(lambda: decode_pin_block(response))
        entered = PinEntered(block.ksn, block.block, 0)
        if self.identity:
            async with self._lock:
                await self._prove_entry(message.rstrip(), entered)
        return entered

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
        self._exchanges.cancel()
        async with self._lock:
            return

    async def close(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`. Ends the session where the pad still listens."""
        if not self._line.ended and not self._lock.locked() and not self._exchanges.unsettled:
            with contextlib.suppress(PadAbsent):
                self._put(self._session.outgoing(close().packet()).encode())
        self._session.forget()
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
        if response.name == UNKNOWN_COMMAND or response.status != Status.OK:
            raise PadRefused(f"the pad refused {command.name}: {status_words(response.status)}")
        return response

    def _read(self, done: Exchange) -> Response:
        data = done.response or b""
        return _decoded(lambda: decode_response(Packet(data)))

    async def _run(self, command: Command, start: State, person_s: float = 0.0) -> Exchange:
        """One command to its end, after an earlier one that was broken off has been ended at the pad."""
        if self._exchanges.unsettled:
            await self._drive(State.CANCELLING, b"", "")
        packet = command.packet() if command.name == OPEN.name else self._session.outgoing(command.packet())
        return await self._drive(start, packet.encode(), command.name, person_s)

    async def _drive(self, start: State, packet: bytes, name: str, person_s: float = 0.0) -> Exchange:
        settings = self._settings
        limits = Limits(settings.ack_s, settings.reply_s, settings.sends)
        exchange = Exchange(start, packet, name, limits, self._hearing.now(), person_s)

        def read(event: Event) -> Event:
            if not isinstance(event, Packet) or exchange.state in _ENDING:
                return event
            clear = self._session.incoming(event)
            self._noticed(clear)
            return clear

        await self._exchanges.drive(exchange, read)
        return exchange

    def _noticed(self, packet: Packet) -> None:
        """A notification is for whoever stands at the till."""
        if self.notice is None or packet.data[:3] != NOTIFICATION.encode("ascii"):
            return
        with contextlib.suppress(DecodeError):
            self.notice(decode_notification(decode_response(packet)))

    def _heard(self, event: Event) -> None:
        if self._trace is not None:
            self._trace("pad", "<", redacted_response(self._readable(event)))

    def _readable(self, event: Event) -> Event:
        """The same in clear, for the trace."""
        with contextlib.suppress(LineAltered):
            return self._session.incoming(event) if isinstance(event, Packet) else event
        return event

    def _put(self, octets: bytes) -> None:
        if not octets:
            return
        if self._trace is not None:
            for event in PacketFramer().feed(octets):
                self._trace("pad", ">", redacted_command(self._readable(event)))
        self._hearing.put(octets)


def _decoded(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except DecodeError as fault:
        raise PadError(f"the pad's response cannot be read: {fault}", IS_IT_THIS) from None
