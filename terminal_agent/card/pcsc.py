# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Readers behind the PC/SC service. Commands go through as they are; 61xx and 6Cxx are a layer of their own.

A reader is found by a part of its name, never by its place in a list. Two threads: one watches (pcsc_watch), one works
(worker) and holds the card; each has a context of its own. Three rules beyond the port's:

* A card that has taken part in a payment must leave the reader before it counts as presented again.
* A service that restarts while a card is waited for is ridden out; one that stays away is :class:`ReaderAbsent`.
* A command is never sent twice: where its answer cannot be had, the card is lost.
"""

import asyncio
import fnmatch
import re
from collections.abc import Callable

from device_profiles.model import CardInterface, PcscSettings, ReaderProfile, Sharing, Transmission
from protocols.emv.redaction import redacted_command, redacted_response
from terminal_agent.card.pcsc_codes import (
    CARD_MUTE,
    SERVICE_GONE,
    START_THE_SERVICE,
    Code,
    PcscFault,
    as_card_error,
    words,
)
from terminal_agent.card.pcsc_watch import Table, Watch
from terminal_agent.card.port import CardError, CardLost, CardPresence, CardReader, ReaderAbsent, Trace
from terminal_agent.card.scard import Card, Context, must_be_installed
from terminal_agent.card.worker import Worker

SCHEME = "pcsc:"
OPEN_S = 3.0
RETRY_S = 0.1
MOST_LISTED = 4  # readers named in an error
CLOSE_S = 1.0
_SHORT_CASE_4 = 6  # ISO/IEC 7816-4:2020, 5.2: header, Lc, at least one octet of data, Le


async def open_reader(profile: ReaderProfile, line: str, trace: Trace | None = None) -> CardReader:
    """The reader that ``line`` names as ``pcsc:PART OF ITS NAME``; bare ``pcsc:`` leaves the name to the model.

    Raises :class:`ReaderAbsent`, with the readers that are there, when none or more than one matches.
    """
    must_be_installed()
    watch = Watch(Context)
    reader = PcscReader(profile.pcsc, line.removeprefix(SCHEME).strip() or profile.pcsc.name, watch, Context, trace)
    try:
        async with asyncio.timeout(OPEN_S):
            await watch.changed()
        reader.find(watch.look())
    except TimeoutError:
        await reader.close()
        raise ReaderAbsent("the PC/SC service does not answer", "restart it: systemctl restart pcscd") from None
    except BaseException:
        await reader.close()
        raise
    return reader


def matching(pattern: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that contain ``pattern``; ``*`` and ``?`` are wildcards, brackets are not: reader names have them."""
    literal = pattern.replace("[", "[[]")
    wanted = re.compile(fnmatch.translate(f"*{literal}*"), re.IGNORECASE)
    return tuple(name for name in names if wanted.match(name))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:MOST_LISTED]) + more


class _Hold:
    """The worker's side: a context and the card in it. Every method runs in the worker's thread."""

    def __init__(self, settings: PcscSettings, establish: Callable[[], Context]) -> None:
        self._settings = settings
        self._establish = establish
        self._context: Context | None = None
        self._card: Card | None = None

    def take(self, reader: str) -> Transmission | None:
        """Connect, and begin a transaction where the card is shared; the protocol that was agreed on."""
        self.let_go()
        if self._context is None:
            self._context = self._establish()
        try:
            card = self._context.connect(reader, self._settings.share, self._settings.protocols)
        except PcscFault as fault:
            if fault.code in SERVICE_GONE or fault.code == Code.INVALID_HANDLE:
                self.drop()
                raise PcscFault(Code.COMM_ERROR) from None  # a context of a service that has restarted since
            raise
        self._card = card
        if self._settings.share is Sharing.SHARED:
            card.begin()
        return card.protocol

    def exchange(self, command: bytes) -> bytes:
        """One command and the card's raw response."""
        if self._card is None:
            raise PcscFault(Code.NO_SMARTCARD)
        return self._card.transmit(as_sent(command, self._card.protocol))

    def let_go(self) -> None:
        """Power the card down and give it up; does nothing without one."""
        card, self._card = self._card, None
        if card is not None:
            card.let_go()

    def drop(self) -> None:
        """Give the context up as well."""
        self.let_go()
        context, self._context = self._context, None
        if context is not None:
            context.release()


def as_sent(command: bytes, protocol: Transmission | None) -> bytes:
    """A command as it is handed to PC/SC: for T=0 without the Le of case 4, and case 1 with P3 = 00.

    ISO/IEC 7816-3:2006, 12.2.1 to 12.2.5. Extended commands go through as they are: T=0 has no form for them.
    """
    if protocol is not Transmission.T0:
        return command
    if len(command) == 4:
        return command + b"\0"
    if len(command) >= _SHORT_CASE_4 and command[4] and len(command) == 6 + command[4]:
        return command[:-1]
    return command


class PcscReader:
    """One reader of the PC/SC service. Made by :func:`open_reader`."""

    def __init__(
        self,
        settings: PcscSettings,
        pattern: str,
        watch: Watch,
        establish: Callable[[], Context],
        trace: Trace | None = None,
    ) -> None:
        self._settings = settings
        self._pattern = pattern
        self._watch = watch
        self._worker = Worker("pcsc-cards")
        self._hold = _Hold(settings, establish)
        self._trace = trace
        self._lock = asyncio.Lock()
        self._connected = False
        self._closed = False
        self._used: tuple[int, int] | None = None

    def find(self, table: Table) -> str:
        """The name of the one reader that matches; raises :class:`ReaderAbsent` with what is there instead."""
        if table.fault is not None:
            hint = START_THE_SERVICE if table.fault in SERVICE_GONE else as_card_error(table.fault).hint
            raise ReaderAbsent(words(table.fault), hint)
        names = tuple(table.slots)
        found = matching(self._pattern, names)
        if len(found) == 1:
            return found[0]
        cure = "give a part of one name in the profile's line, enough to tell it from the others"
        if found:
            raise ReaderAbsent(f"{len(found)} readers match '{self._pattern}': {_listed(found)}", cure)
        if names:
            raise ReaderAbsent(f"no reader matches '{self._pattern}'; present: {_listed(names)}", cure)
        raise ReaderAbsent(f"no reader matches '{self._pattern}'; none is present", "plug one in; see pcsc_scan -r")

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            await self._let_go()
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._next_card()
            except TimeoutError:
                await self._let_go()
                if self._used_card_stayed():
                    raise CardError("the card of the payment before is still in the reader", "take it out") from None
                return None
            except asyncio.CancelledError:
                self._worker.post(self._hold.let_go)
                raise

    async def transmit(self, command: bytes) -> bytes:
        """See :class:`terminal_agent.card.port.CardReader`. Gives what the card said: 61xx and 6Cxx included."""
        async with self._lock:
            if not self._connected:
                raise CardLost("no card is in the reader")
            self._told(">", redacted_command, command)
            try:
                async with asyncio.timeout(self._settings.exchange_s):
                    response = await self._worker.do(lambda: self._hold.exchange(command))
            except TimeoutError:
                self._connected = False
                what = f"the reader did not answer within {self._settings.exchange_s:g} s"
                raise ReaderAbsent(what, "unplug the reader and plug it in again") from None
            except PcscFault as fault:
                self._connected = False
                raise as_card_error(fault.code) from None
            except asyncio.CancelledError:
                self._connected = False
                self._worker.post(self._hold.let_go)
                raise
            if len(response) < 2:
                self._connected = False
                raise CardLost("the card's response has no status")
            self._told("<", redacted_response, response)
            return response

    async def release(self) -> None:
        """See :class:`terminal_agent.card.port.CardReader`."""
        async with self._lock:
            await self._let_go()

    async def close(self) -> None:
        """See :class:`terminal_agent.card.port.CardReader`. Nothing that is called afterwards waits for anything."""
        if self._closed:
            return
        self._connected, self._closed = False, True
        self._worker.post(self._hold.drop)
        await self._worker.close(CLOSE_S)
        await self._watch.close()

    async def _next_card(self) -> CardPresence:
        """Try at every change; what stands in the way is raised once it has stood there for long enough."""
        since: float | None = None
        while True:
            try:
                presence = await self._attempt()
            except PcscFault as fault:
                error, patience = as_card_error(fault.code), self._settings.patience_s
                if fault.code in CARD_MUTE:
                    raise error from None
                if fault.code == Code.SHARING_VIOLATION:
                    patience = self._settings.busy_s
            except ReaderAbsent as absent:
                error, patience = absent, self._settings.patience_s
            else:
                if presence is not None:
                    return presence
                since = None
                await self._watch.changed()
                continue
            since = since or self._now()
            left = since + patience - self._now()
            if left <= 0 or self._closed:
                raise error
            await self._news_within(min(left, RETRY_S))

    async def _attempt(self) -> CardPresence | None:
        """Take hold of a card that was not used yet; None where there is none now."""
        if self._closed:
            raise ReaderAbsent("the reader was given up", "open it anew")
        table = self._watch.look()
        name = self.find(table)
        slot = table.slots[name]
        if not slot.present or slot.visit == self._used:
            return None
        try:
            if slot.mute:
                raise PcscFault(Code.UNRESPONSIVE_CARD)
            protocol = await self._worker.do(lambda: self._hold.take(name))
        except PcscFault as fault:
            if fault.code in CARD_MUTE:
                self._used = slot.visit
            raise
        self._used = slot.visit
        self._connected = True
        spoken = f"{protocol.value}, " if protocol else ""
        identity = f"{spoken}ATR {slot.atr.hex().upper() or 'unknown'}"
        if self._settings.interface is CardInterface.CONTACTLESS:
            return CardPresence("contactless", f"contactless card, {identity}")
        return CardPresence("contact", f"contact card, {identity}")

    async def _let_go(self) -> None:
        self._connected = False
        if not self._closed:
            await self._worker.do(self._hold.let_go)

    async def _news_within(self, seconds: float) -> None:
        """Wait for a change, but not for longer than ``seconds``."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._watch.changed()
        except TimeoutError:
            return

    def _used_card_stayed(self) -> bool:
        return any(slot.present and slot.visit == self._used for slot in self._watch.look().slots.values())

    def _told(self, direction: str, redacted: Callable[[bytes], str], octets: bytes) -> None:
        if self._trace is not None:
            self._trace("reader", direction, redacted(octets))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
