# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The PC/SC daemon as its clients see it, with virtual readers on its desk: octets and time in, octets out. No I/O.

It speaks protocol 4:4 of pcsc-lite behind an unmodified libpcsclite. One object is one life of the daemon: one that
died is replaced by another with the same readers, and every context, hold and counter of the first is gone, as with the
real one. Two things differ from it on purpose: a card's coming and going is told at once and not at the next look, and
a transaction that has to wait is answered when its turn comes and not asked for again.
"""

import heapq
from collections.abc import Callable, Mapping

from device_profiles.twins.pcscd_cards import CardCalls
from device_profiles.twins.pcscd_reader import Slot, VirtualReader
from protocols.errors import DecodeError
from protocols.pcsc.wire import (
    EVENT,
    FIELDS,
    MOST_READERS,
    VERSION,
    Code,
    Command,
    Framer,
    Request,
    encode_table,
)

MOST_CLIENTS = 200  # pcscd: PCSC_MAX_CONTEXT_THREADS
MOST_UNREAD = 16  # a client of pcsc-lite sends one message and waits
_FIRST_CONTEXT = 0x5A000001
Later = tuple[float, int, int, Callable[[], bytes]]


class _Client:
    """One connection."""

    def __init__(self) -> None:
        self.framer = Framer()
        self.contexts: set[int] = set()
        self.waits = False
        """For a change of the readers."""
        self.blocked = False
        """An answer is owed: what it sends meanwhile waits."""
        self.unread: list[Request] = []


class PcscdTwin:
    """One life of the daemon."""

    def __init__(
        self,
        readers: tuple[VirtualReader, ...] = (),
        told_torn: Callable[[VirtualReader], None] = lambda reader: None,
    ) -> None:
        """``told_torn`` hears of a card that left in mid-exchange: somebody has to take it off the reader."""
        self.slots: list[Slot] = []
        self.contexts: dict[int, int] = {}
        self._told_torn = told_torn
        self._clients: dict[int, _Client] = {}
        self._cards = CardCalls(self)
        self._later: list[Later] = []
        self._out: list[tuple[int, bytes]] = []
        self._count = 0
        self._now = 0.0
        self._handlers: Mapping[int, Callable[[int, Request], bytes | None]] = {
            Command.VERSION: self._version,
            Command.ESTABLISH_CONTEXT: self._establish,
            Command.RELEASE_CONTEXT: self._release,
            Command.CANCEL: self._cancel,
            Command.GET_READERS_STATE: self._states,
            Command.WAIT_READER_STATE_CHANGE: self._wait,
            Command.STOP_WAITING: self._stop_waiting,
            **self._cards.handlers,
        }
        for reader in readers:
            self.plug(reader)
        self._out.clear()

    # The desk

    @property
    def readers(self) -> tuple[str, ...]:
        """Names as clients see them."""
        return tuple(slot.name for slot in self.slots)

    def plug(self, reader: VirtualReader) -> str:
        """A reader is plugged in; its name gets the number that is free. ``ValueError`` where the table is full."""
        taken = {slot.name[-5:-3] for slot in self.slots}
        if len(self.slots) >= MOST_READERS:
            raise ValueError(f"{MOST_READERS} readers are plugged in: more do not fit the daemon's table")
        number = next(number for number in range(MOST_READERS) if f"{number:02X}" not in taken)
        serial = f" ({reader.serial})" if reader.serial else ""
        slot = Slot(reader, f"{reader.name}{serial} {number:02X} 00")
        self.slots.append(slot)
        self.changed()
        return slot.name

    def unplug(self, reader: VirtualReader) -> None:
        """A reader is pulled out, with whatever holds there were."""
        slot = self._slot_of(reader)
        self.slots.remove(slot)
        self._cards.unplugged(slot)
        self.changed()

    def inserted(self, reader: VirtualReader) -> None:
        """A card is in the slot now."""
        self._slot_of(reader).came()
        self.changed()

    def removed(self, reader: VirtualReader) -> None:
        """The card is out of the slot now."""
        slot = self._slot_of(reader)
        slot.went()
        self._cards.void(slot)
        self.changed()

    def torn(self, slot: Slot) -> None:
        """The card left in mid-exchange, by itself."""
        self._told_torn(slot.reader)
        slot.reader.card = None
        slot.went()
        self._cards.void(slot)
        self.changed()

    def _slot_of(self, reader: VirtualReader) -> Slot:
        return next(slot for slot in self.slots if slot.reader is reader)

    def changed(self) -> None:
        """Tell everyone who waits, once."""
        for number, client in self._clients.items():
            if client.waits:
                client.waits = False
                self._out.append((number, EVENT.pack(0, Code.SUCCESS)))

    # The wire

    def join(self) -> int:
        """A client connects; its number."""
        if len(self._clients) >= MOST_CLIENTS:
            raise ValueError(f"{MOST_CLIENTS} clients are connected")
        self._count += 1
        self._clients[self._count] = _Client()
        return self._count

    def leave(self, number: int) -> None:
        """A client is gone: its holds end and their cards are reset."""
        client = self._clients.pop(number, None)
        if client is None:
            return
        self._later = [one for one in self._later if one[2] != number]
        heapq.heapify(self._later)
        for context in client.contexts:
            del self.contexts[context]
        self._cards.left(number)

    def feed(self, number: int, octets: bytes, now: float) -> bytes:
        """Octets of a client; what it is answered at once. :class:`DecodeError`: it does not speak the protocol."""
        self._now = now
        client = self._clients[number]
        client.unread += client.framer.feed(octets)
        if len(client.unread) > MOST_UNREAD:
            raise DecodeError("PC/SC client", f"more than {MOST_UNREAD} messages before the answer to the first")
        answer = b""
        while client.unread and not client.blocked:
            request = client.unread.pop(0)
            said = self._handlers[request.command](number, request)
            if said is None:
                client.blocked = True
            else:
                answer += said
        return answer

    def tick(self, now: float) -> None:
        """Do what became due by ``now``."""
        self._now = now
        while self._later and self._later[0][0] <= now:
            _, _, number, work = heapq.heappop(self._later)
            self.answer(number, work())

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        return self._later[0][0] if self._later else None

    def take(self) -> list[tuple[int, bytes]]:
        """What is to be sent to which client, besides the answers of :meth:`feed`."""
        out, self._out = self._out, []
        return out

    def answer(self, number: int, octets: bytes) -> None:
        """An answer that was owed; then what the client has sent since."""
        client = self._clients.get(number)
        if client is not None:
            client.blocked = False
            self._out.append((number, octets))
            more = self.feed(number, b"", self._now)
            if more:
                self._out.append((number, more))

    def after(self, seconds: float, number: int, work: Callable[[], bytes]) -> None:
        """Answer the client later with what ``work`` gives then."""
        self._count += 1
        heapq.heappush(self._later, (self._now + seconds, self._count, number, work))

    # Contexts and events

    def _version(self, number: int, request: Request) -> bytes:
        major = request.fields[0]
        code = Code.SUCCESS if major == VERSION[0] else Code.SERVICE_STOPPED
        return FIELDS[Command.VERSION].pack(*VERSION, code)

    def _establish(self, number: int, request: Request) -> bytes:
        self._count += 1
        context = _FIRST_CONTEXT + self._count
        self.contexts[context] = number
        self._clients[number].contexts.add(context)
        return FIELDS[Command.ESTABLISH_CONTEXT].pack(request.fields[0], context, Code.SUCCESS)

    def _release(self, number: int, request: Request) -> bytes:
        context = int(request.fields[0])
        known = self.contexts.get(context) == number
        if known:
            del self.contexts[context]
            self._clients[number].contexts.discard(context)
            self._cards.released(context)
        return FIELDS[Command.RELEASE_CONTEXT].pack(context, Code.SUCCESS if known else Code.INVALID_HANDLE)

    def _states(self, number: int, request: Request) -> bytes:
        return encode_table([slot.row() for slot in self.slots])

    def _wait(self, number: int, request: Request) -> bytes:
        self._clients[number].waits = True
        return self._states(number, request)

    def _stop_waiting(self, number: int, request: Request) -> bytes:
        """Nothing for a client that was told meanwhile: the event it did not wait for is its answer."""
        client = self._clients[number]
        if not client.waits:
            return b""
        client.waits = False
        return EVENT.pack(0, Code.SUCCESS)

    def _cancel(self, number: int, request: Request) -> bytes:
        context = int(request.fields[0])
        whose = self.contexts.get(context)
        if whose is not None and self._clients[whose].waits:
            self._clients[whose].waits = False
            self._out.append((whose, EVENT.pack(0, Code.CANCELLED)))
        code = Code.INVALID_HANDLE if whose is None else Code.SUCCESS
        return FIELDS[Command.CANCEL].pack(context, code)
