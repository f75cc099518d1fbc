# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN pads of the IPP packet family behind a line. Turn-taking is the table in protocols/serial/turns.py, not here.

One exchange at a time. A PIN entry ends in one of three ways that are not errors: block and KSN, the person's cancel
(the pad says EOT), or our own time limit, which is always shorter than the pad's and ends the entry with packet 72. The
same packet answers :meth:`IppPad.cancel` and the cancellation of the task that waits, so no pad is left asking for a
PIN that nobody waits for.
"""

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence

from device_profiles.model import PinpadProfile, PinpadProtocol
from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.serial.framer import Event, PacketFramer
from protocols.serial.ipp import (
    NEXT_PIECE,
    NO_ERROR,
    PIECES,
    Cancel,
    CheckKey,
    Display,
    KeyPresence,
    MacResult,
    Message,
    PinBlock,
    PinRefusal,
    ReadSerial,
    RequestMac,
    RequestPin,
    SelectKey,
    SerialNumber,
    ShowText,
)
from protocols.serial.ipp_codec import AnyReply, decode_reply, encode, redacted, redacted_event
from protocols.serial.ipp_keys import (
    INTACT,
    LOAD_ERRORS,
    TAMPER_STATE,
    Diagnose,
    Diagnosis,
    InitialKeyResult,
    KeySerialNumber,
    LoadInitialKey,
    LoadMasterKey,
    MasterKeyEcho,
    MasterKeyRefusal,
    ReadKsn,
)
from protocols.serial.turns import Exchange, Limits, State
from terminal_agent.line.hearing import Hearing
from terminal_agent.line.port import Line
from terminal_agent.pad.exchange import Exchanges
from terminal_agent.pad.port import (
    TAMPERED,
    PadAbsent,
    PadError,
    PadRefused,
    PadTampered,
    PinCancelled,
    PinEntered,
    PinOutcome,
    PinTimedOut,
    Trace,
)

MAC_BLOCK = 8
LONGEST_TIME_UNITS = 9
_AMOUNT = re.compile(r"(?:[A-Z]{3} )?[0-9][0-9.,]*")


async def open_pad(profile: PinpadProfile, line: Line, trace: Trace | None = None) -> "IppPad":
    """The driver that the profile asks for, its pad idle and identified; :class:`PadAbsent` if it is silent."""
    driver = _DRIVERS[profile.protocol](profile, line, trace)
    try:
        await driver.start()
    except BaseException:
        await driver.close()
        raise
    return driver


class IppPad:
    """One pad. Made by :func:`open_pad`."""

    def __init__(self, profile: PinpadProfile, line: Line, trace: Trace | None) -> None:
        self.serial = ""
        self._dialect = profile.dialect
        self._timers = profile.timers
        self._line = line
        self._trace = trace
        framer = PacketFramer(profile.dialect.longest_packet)
        self._hearing: Hearing[Event] = Hearing(line, framer, profile.timers.octet_s, PadAbsent, self._heard)
        self._lock = asyncio.Lock()
        self._exchanges = Exchanges(line.name, self._hearing, self._put, encode(Cancel(), profile.dialect).encode())

    async def start(self) -> None:
        """End whatever the pad was doing for someone before us, and ask who it is."""
        async with self._lock:
            reply = await self._asked(ReadSerial(), {"06"})
        if not isinstance(reply, SerialNumber):
            raise PadError("the pad answered the question for its serial number with something else")
        self.serial = reply.serial
        if self._dialect.mac_select:
            await self._select_mac_key(self._dialect.mac_select)

    async def _select_mac_key(self, slot: str) -> None:
        """A pad may select an empty slot without a word, so it is asked first."""
        async with self._lock:
            reply = await self._asked(CheckKey(slot), {"04"})
            if not isinstance(reply, KeyPresence) or not reply.present:
                raise PadRefused(
                    f"the pad has no MAC master key in slot {slot}",
                    "load it, or correct dialect.mac-select in its profile",
                )
            await self._run(State.TELLING, SelectKey(slot))

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        dialect = self._dialect
        units, patience_s = self.patience(timeout_s)
        shown = self._showable(amount_words)
        before = [ShowText(shown)] if shown else []
        reply = await self.ask(before, RequestPin(pan, units), {dialect.pin_reply.value, "71"}, patience_s)
        if isinstance(reply, PinCancelled | PinTimedOut):
            return reply
        if isinstance(reply, PinRefusal):
            raise self.refused(reply)
        if not isinstance(reply, PinBlock):
            raise PadError("the pad answered a PIN entry with something else")
        return PinEntered(reply.ksn, reply.block, 0)

    async def ask(
        self, before: Sequence[Message], request: Message, expects: set[str], patience_s: float
    ) -> AnyReply | PinCancelled | PinTimedOut:
        """Tell the pad what goes before, then have it ask a person; ``expects``: the numbers of packets that answer."""
        async with self._lock:
            for message in before:
                await self._run(State.TELLING, message)
            done = await self._run(State.ASKING, request, expects, patience_s)
            match done.state:
                case State.EXPIRED:
                    return PinTimedOut()
                case State.CANCELLED:
                    return PinCancelled()
                case State.ENDED:
                    await self._must_be_intact()
                    return PinCancelled()
            return self._read(done)

    def patience(self, timeout_s: float) -> tuple[int, float]:
        """The time limit of a PIN request in the dialect's units, and how long to wait ourselves."""
        unit = self._dialect.pin_time_unit_s
        # One unit more than we wait: it is we who end the entry, so EOT can only be the person.
        units = min(math.ceil(timeout_s / unit) + 1, LONGEST_TIME_UNITS) if unit else 0
        return units, min(timeout_s, LONGEST_TIME_UNITS * unit) if unit else timeout_s

    def refused(self, refusal: PinRefusal) -> PadRefused:
        """The pad's reason in the words of its profile."""
        return PadRefused(f"the pad refused the PIN entry: {_words(self._dialect.pin_errors, refusal.code)}")

    async def mac(self, session_key: bytes, data: bytes) -> bytes:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        padded = data + bytes(-len(data) % MAC_BLOCK) or bytes(MAC_BLOCK)
        size = self._dialect.mac_piece_octets
        pieces = [padded[place : place + size] for place in range(0, len(padded), size)]
        if len(pieces) > PIECES:
            raise PadError(f"{len(data)} octets are more than the pad can MAC: {PIECES * size} at most")
        async with self._lock:
            for sequence, piece in enumerate(pieces[:-1]):
                await self._mac_piece(RequestMac(False, sequence, session_key, piece), NEXT_PIECE)
            return await self._mac_piece(RequestMac(True, len(pieces) - 1, session_key, pieces[-1]), NO_ERROR)

    async def load_key_block(self, slot: str, block: str) -> None:
        """Put a master key into a slot, in a key block under the pad's loading key: never in clear.

        :class:`PadRefused` says why the pad does not take it.
        """
        sent = LoadMasterKey(slot, block)
        async with self._lock:
            reply = await self._asked(sent, {"02"})
        if isinstance(reply, MasterKeyRefusal):
            raise PadRefused(f"the pad refused the key: {_words(LOAD_ERRORS, reply.code)}")
        if not isinstance(reply, MasterKeyEcho) or reply.words != sent.text(self._dialect):
            raise PadError("the pad took another key block than was sent", "load it again before the key is used")

    async def load_initial_key(self, engine: int, block: str) -> None:
        """Put a DUKPT key with its KSN into engine 0 or 1, in a key block under the pad's loading key."""
        async with self._lock:
            reply = await self._asked(LoadInitialKey(engine, block), {"91", "95"})
        if not isinstance(reply, InitialKeyResult):
            raise PadError("the pad answered a key with something else")
        if reply.refusal:
            raise PadRefused(f"the pad refused the key: {_words(LOAD_ERRORS, reply.refusal)}")

    async def next_ksn(self) -> bytes:
        """The KSN (10 octets) that the pad's next PIN will have."""
        async with self._lock:
            reply = await self._asked(ReadKsn(), {"7A"})
        if not isinstance(reply, KeySerialNumber):
            raise PadError("the pad answered the question for its KSN with something else")
        return reply.ksn

    async def show(self, text: str) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        if self._showable(text) != text:
            raise PadRefused(
                "this pad does not show that for a host", "its profile says what it shows: dialect.display"
            )
        async with self._lock:
            await self._run(State.TELLING, ShowText(text))

    async def cancel(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        self._exchanges.cancel()
        async with self._lock:
            return

    async def close(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        await self._line.close()

    async def _mac_piece(self, request: RequestMac, wanted: str) -> bytes:
        reply = await self._asked(request, {"Z67"})
        if not isinstance(reply, MacResult):
            raise PadError("the pad answered a MAC request with something else")
        if reply.code != wanted:
            raise PadRefused(f"the pad refused to MAC: {_words(self._dialect.mac_errors, reply.code)}")
        return reply.mac

    def _showable(self, words: str) -> str:
        """As much of ``words`` as the dialect lets a host show; empty for nothing."""
        match self._dialect.display:
            case Display.TEXT:
                return words[: self._dialect.display_characters]
            case Display.AMOUNTS:
                found = _AMOUNT.search(words)
                shown = found.group() if found else ""
                return shown if len(shown) <= self._dialect.display_characters else ""
            case Display.NOTHING:
                return ""

    async def _asked(self, message: Message, expects: set[str]) -> AnyReply:
        """The reply to a request that no person is asked about."""
        done = await self._run(State.CALLING, message, expects)
        if done.state is State.ENDED:
            await self._must_be_intact()
            raise PadRefused("the pad ended the session instead of answering")
        return self._read(done)

    async def _must_be_intact(self) -> None:
        """A pad that was opened has lost its keys and ends every session: ask it, where it can be asked."""
        if not self._dialect.diagnostics:
            return
        done = await self._run(State.CALLING, Diagnose(TAMPER_STATE), {"01"})
        reply = None if done.state is State.ENDED else self._read(done)
        if not isinstance(reply, Diagnosis) or reply.test != TAMPER_STATE or reply.result != INTACT:
            raise PadTampered(TAMPERED, "take it out of service; it needs new keys from whoever repairs it")

    def _read(self, done: Exchange) -> AnyReply:
        if done.reply is None:
            raise PadError("the exchange with the pad ended without a reply")
        try:
            return decode_reply(done.reply, self._dialect)
        except DecodeError as fault:
            raise PadError(f"the pad's reply cannot be read: {fault}", "does the profile fit this pad?") from None

    async def _run(
        self,
        start: State,
        message: Message,
        expects: set[str] | None = None,
        reply_s: float | None = None,
    ) -> Exchange:
        """One exchange to its end, after an earlier one that was broken off has been ended at the pad."""
        if self._exchanges.unsettled:
            await self._drive(State.CANCELLING, Cancel(), set(), None)
        try:
            return await self._drive(start, message, expects or set(), reply_s)
        except EncodeError as fault:
            raise PadError(f"the pad cannot be asked that: {fault}") from None

    async def _drive(self, start: State, message: Message, expects: set[str], reply_s: float | None) -> Exchange:
        timers, dialect = self._timers, self._dialect
        exchange = Exchange(
            start,
            encode(message, dialect).encode(),
            cancel=encode(Cancel(), dialect).encode(),
            limits=Limits(timers.ack_s, reply_s or timers.reply_s, timers.close_s, timers.naks),
            now=self._hearing.now(),
            expects=expects,
            closing=set(dialect.closing_eot),
        )
        await self._exchanges.drive(exchange)
        return exchange

    def _heard(self, event: Event) -> None:
        if self._trace is not None:
            self._trace("pad", "<", redacted_event(event))

    def _put(self, octets: bytes) -> None:
        if not octets:
            return
        if self._trace is not None:
            self._trace("pad", ">", redacted(octets))
        self._hearing.put(octets)


_DRIVERS: dict[PinpadProtocol, Callable[[PinpadProfile, Line, Trace | None], IppPad]] = {PinpadProtocol.IPP: IppPad}


def _words(known: Mapping[str, str], code: str) -> str:
    return known.get(code, f"error {code}" if code.isalnum() else "an unknown error")
