# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Readers behind the PC/SC service. Commands go through as they are; 61xx and 6Cxx are a layer of their own.

A reader is found by a part of its name and its serial number, never by its place in a list. Two threads: one watches
for all readers (pcsc_watch), one works for this one (worker) and holds the card (pcsc_hold); each has a context of its
own. A conversation is carried by the worker at one go. Three rules beyond the port's:

* A card that has taken part in a payment must leave the reader before it counts as presented again.
* A service that restarts while a card is waited for is ridden out; one that stays away is :class:`ReaderAbsent`.
* A command is never sent twice: where its answer cannot be had, the card is lost.
"""

import asyncio
import contextlib
from collections.abc import Generator
from dataclasses import replace
from typing import TypeVar

from device_profiles.catalog import named
from device_profiles.model import CardInterface, PcscSettings, ReaderProfile
from protocols.emv.redaction import redacted_command, redacted_response
from protocols.pcsc.features import Feature, PinModify, PinVerify
from terminal_agent.card.pcsc_codes import (
    CARD_MUTE,
    HANGING,
    RESTART,
    SERVICE_GONE,
    START_THE_SERVICE,
    Code,
    PcscFault,
    as_card_error,
    words,
)
from terminal_agent.card.pcsc_hold import Abandoned, Hold, NotEmv, ShortAnswer
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.pcsc_watch import Table
from terminal_agent.card.port import CardError, CardLost, CardMalformed, CardPresence, CardReader, ReaderAbsent, Trace
from terminal_agent.card.scard import must_be_installed
from terminal_agent.card.worker import Worker

T = TypeVar("T")
SCHEME = "pcsc:"
SERIAL = ";serial="
OPEN_S = 3.0
RETRY_S = 0.1
LOOK_S = 1.0  # how often somebody who waits for a card looks whether the service still answers
LET_GO_S = 2.0
MOST_LISTED = 4  # readers named in an error
IS_IT_A_CARD = 'use another card; a card that is no payment card needs atr-rules = "iso" in the reader\'s profile'
NO_VISIT = -1
FIRST_ERA = 1  # of a watch that is new
PIN_MARGIN_S = 15.0  # a reader ends a PIN entry by itself; whoever waits for it gives it so much longer


async def open_reader(
    profile: ReaderProfile,
    line: str,
    trace: Trace | None = None,
    service: PcscService | None = None,
    visit: int = NO_VISIT,
) -> CardReader:
    """The reader that ``line`` names as ``pcsc:PART OF ITS NAME``; bare ``pcsc:`` leaves the name to the model.

    ``;serial=NUMBER`` behind it tells readers of one model apart. ``service`` is the process's, where it has more than
    one reader or opens one again and again; ``visit`` is that of a card that another process used. Raises
    :class:`ReaderAbsent`, with the readers that are there, when none or more than one matches.
    """
    must_be_installed()
    reader = PcscReader(wanted(profile.pcsc, line), service or PcscService(), trace)
    reader.visit = visit
    try:
        async with asyncio.timeout(OPEN_S):
            await reader.find_serial()
        reader.find(reader.look())
    except TimeoutError:
        await reader.close()
        raise ReaderAbsent(words(HANGING), RESTART) from None
    except BaseException:
        await reader.close()
        raise
    return reader


def wanted(settings: PcscSettings, line: str) -> PcscSettings:
    """The settings with the name and serial number of a line."""
    name, _, serial = line.removeprefix(SCHEME).partition(SERIAL)
    return replace(settings, name=name.strip() or settings.name, serial=serial.strip() or settings.serial)


def matching(pattern: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that contain ``pattern``; ``*`` and ``?`` are wildcards, brackets are not: reader names have them."""
    return tuple(name for name in names if named(pattern, name))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:MOST_LISTED]) + more


def _one(command: bytes) -> Generator[bytes, bytes, bytes]:
    return (yield command)


class PcscReader:
    """One reader of the PC/SC service. Made by :func:`open_reader`."""

    def __init__(self, settings: PcscSettings, service: PcscService, trace: Trace | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._service = service
        self._view = service.view()
        self._worker = Worker("pcsc-cards")
        self._hold = Hold(settings, service.establish, self._loop.time)
        self._trace = trace
        self._lock = asyncio.Lock()
        self._connected = False
        self._closed = False
        self._used: tuple[int, int] | None = None
        self._serials: dict[str, str] = {}

    def look(self) -> Table:
        """The newest table of readers."""
        return self._view.look()

    def find(self, table: Table) -> str:
        """The name of the one reader that matches; raises :class:`ReaderAbsent` with what is there instead."""
        if table.fault is not None:
            hint = START_THE_SERVICE if table.fault in SERVICE_GONE else as_card_error(table.fault).hint
            raise ReaderAbsent(words(table.fault), hint)
        names = tuple(table.slots)
        pattern, serial = self._settings.name, self._settings.serial
        found = matching(pattern, names)
        said = f"'{pattern}'"
        if serial:
            found = tuple(name for name in found if f"({serial})" in name or self._serials.get(name) == serial)
            said += f" with serial number {serial}"
        if len(found) == 1:
            return found[0]
        cure = "give a part of one name, enough to tell it from the others, as --reader or in the profile's line"
        if found:
            more = f"{cure}, or add {SERIAL}NUMBER"
            raise ReaderAbsent(f"{len(found)} readers match {said}: {_listed(found)}", more)
        if names:
            raise ReaderAbsent(f"no reader matches {said}; present: {_listed(names)}", cure)
        raise ReaderAbsent(f"no reader matches {said}; none is present", "plug one in; see pcsc_scan -r")

    @property
    def visit(self) -> int:
        """See :class:`terminal_agent.card.port.Remembering`: the service counts visits, for all its clients alike."""
        return self._used[1] if self._used is not None else NO_VISIT

    @visit.setter
    def visit(self, number: int) -> None:
        self._used = (FIRST_ERA, number) if number >= 0 else None

    async def find_serial(self) -> None:
        """Wait for the first table; ask readers for their serial numbers where one is wanted and names tell none."""
        await self._view.changed()
        if not self._settings.serial:
            return
        for name in matching(self._settings.name, tuple(self._view.look().slots)):
            if f"({self._settings.serial})" not in name and name not in self._serials:
                with contextlib.suppress(PcscFault):
                    self._serials[name] = await self._worker.do(lambda name=name: self._hold.serial(name))  # type: ignore[misc]

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
        return await self.converse(_one(command))

    async def converse(self, turns: Generator[bytes, bytes, T]) -> T:
        """See :class:`terminal_agent.card.port.Conversing`: one hop to the worker and one back, for all of it."""
        async with self._lock:
            if not self._connected:
                raise CardLost("no card is in the reader")
            self._hold.begin()
            future = self._worker.post(lambda: self._hold.converse(turns, self._hand_over))
            return await self._outcome(future, self._settings.exchange_s)

    async def takes_pins(self) -> bool:
        """See :class:`terminal_agent.card.port.PinEntry`."""
        async with self._lock:
            name = self.find(self._view.look())
            self._hold.begin()
            features = await self._outcome(self._worker.post(lambda: self._hold.features(name)), LET_GO_S)
            return Feature.VERIFY_PIN_DIRECT in features

    async def enter_pin(self, asked: PinVerify) -> bytes:
        """See :class:`terminal_agent.card.port.PinEntry`. The lock is held: the card has one thing to do at a time."""
        return await self._typed(asked, asked.timeout_s)

    async def change_pin(self, asked: PinModify) -> bytes:
        """See :class:`terminal_agent.card.port.PinChange`. Up to three PINs are typed."""
        return await self._typed(asked, 3 * asked.timeout_s)

    async def _typed(self, asked: PinVerify | PinModify, patience_s: float) -> bytes:
        async with self._lock:
            if not self._connected:
                raise CardLost("no card is in the reader")
            self._hold.begin()
            future = self._worker.post(lambda: self._hold.enter_pin(asked))
            status = await self._outcome(future, patience_s + PIN_MARGIN_S)
            if len(status) != 2:
                raise CardLost("the reader did not say what came of the PIN entry")
            return status

    async def _outcome(self, future: "asyncio.Future[T]", patience_s: float) -> T:
        """What the worker brings; an exchange that takes longer than ``patience_s`` hangs."""
        try:
            while True:
                left = self._hold.since + patience_s - self._loop.time()
                done, _ = await asyncio.wait({future}, timeout=max(left, 0.0))
                if done:
                    return future.result()
                if self._loop.time() - self._hold.since >= patience_s:
                    self._give_up(future)
                    what = f"the reader did not answer within {patience_s:g} s"
                    raise ReaderAbsent(what, "unplug the reader and plug it in again")
        except PcscFault as fault:
            self._connected = False
            raise as_card_error(fault.code) from None
        except ShortAnswer:
            self._connected = False
            raise CardLost("the card's response has no status") from None
        except Abandoned:
            raise CardLost("the conversation with the card was given up") from None
        except asyncio.CancelledError:
            self._give_up(future)
            self._worker.post(self._hold.let_go)
            raise

    def _give_up(self, future: "asyncio.Future[T]") -> None:
        """What still comes of it, nobody wants to know."""
        future.cancel()
        self._connected = False
        self._hold.abandon()

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
        await self._service.retire(self._worker)
        await self._service.give_back(self._view)

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
            except NotEmv as refused:
                raise CardMalformed(
                    f"the card's answer to reset is not one that EMV takes: {refused}", IS_IT_A_CARD
                ) from None
            else:
                if presence is not None:
                    return presence
                since = None
                await self._news_within(LOOK_S)
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
        table = self._view.look()
        name = self.find(table)
        slot = table.slots[name]
        if not slot.present or slot.visit == self._used:
            return None
        try:
            if slot.mute:
                raise PcscFault(Code.UNRESPONSIVE_CARD)
            protocol = await self._worker.do(lambda: self._hold.take(name))
        except NotEmv:
            self._used = slot.visit
            raise
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
        if self._closed:
            return
        try:
            async with asyncio.timeout(LET_GO_S):
                await self._worker.do(self._hold.let_go)
        except TimeoutError:
            raise ReaderAbsent("the reader hangs in a call", "unplug the reader and plug it in again") from None

    async def _news_within(self, seconds: float) -> None:
        """Wait for a change, but not for longer than ``seconds``."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._view.changed()
        except TimeoutError:
            return

    def _used_card_stayed(self) -> bool:
        return any(slot.present and slot.visit == self._used for slot in self._view.look().slots.values())

    def _hand_over(self, direction: str, octets: bytes) -> None:
        """In the worker's thread: the trace is the loop's."""
        if self._trace is not None:
            redacted = redacted_command if direction == ">" else redacted_response
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._trace, "reader", direction, redacted(octets))

    def _now(self) -> float:
        return self._loop.time()
