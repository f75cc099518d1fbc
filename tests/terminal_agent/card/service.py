# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PC/SC service in this process, for what no virtual reader can be made to do: hang, be mute, lose a cancel.

It stands in for terminal_agent.card.scard.Context and nothing above it; the real service is in test_pcsc.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

from device_profiles.model import Sharing, Transmission
from terminal_agent.card.pcsc_codes import Code, PcscFault
from terminal_agent.card.scard import (
    EVENT_COUNTER,
    PLUG_AND_PLAY,
    STATE_CHANGED,
    STATE_MUTE,
    STATE_PRESENT,
    STATE_UNKNOWN,
    ReaderState,
)

STATE_EMPTY = 0x10
ATR = bytes.fromhex("3B6500002063CB6800")


class Service:
    """Readers, cards and whether the daemon lives."""

    def __init__(self, *readers: str) -> None:
        self.states = dict.fromkeys(readers, STATE_EMPTY)
        self.alive = True
        self.asked = 0
        self.transmit: Callable[[bytes], bytes] = lambda command: b"\x90\x00"
        self.connect_code = Code.SUCCESS
        self.cards_held = 0
        self.resets = 0
        self.news = threading.Condition()

    def context(self) -> "FakeContext":
        """As the constructor of the real context."""
        self.asked += 1
        if not self.alive:
            raise PcscFault(Code.NO_SERVICE)
        return FakeContext(self)

    def put_in(self, reader: str, *, mute: bool = False) -> None:
        self._set(reader, STATE_PRESENT | (STATE_MUTE if mute else 0))

    def take_out(self, reader: str) -> None:
        self._set(reader, STATE_EMPTY)

    def plug(self, reader: str) -> None:
        with self.news:
            self.states[reader] = STATE_EMPTY
            self.news.notify_all()

    def unplug(self, reader: str) -> None:
        with self.news:
            del self.states[reader]
            self.news.notify_all()

    def die(self) -> None:
        with self.news:
            self.alive = False
            self.news.notify_all()

    def live(self) -> None:
        """A daemon that has started anew counts from nothing."""
        self.states = {name: state & 0xFFFF for name, state in self.states.items()}
        self.alive = True

    def _set(self, reader: str, state: int) -> None:
        with self.news:
            count = (self.states[reader] >> EVENT_COUNTER) + 1
            self.states[reader] = count << EVENT_COUNTER | state
            self.news.notify_all()


class FakeContext:
    """One connection to the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cancelled = False
        self.released = False

    def readers(self) -> tuple[str, ...]:
        self._must_live()
        return tuple(self._service.states)

    def changes(self, known: Iterable[tuple[str, int]], timeout_ms: int) -> tuple[ReaderState, ...]:
        service, asked = self._service, list(known)
        self._cancelled = False  # a cancel that came before the wait is lost, as with pcsc-lite
        with service.news:
            count = len(service.states)
            while True:
                self._must_live()
                if any(name not in service.states for name, _ in asked if name != PLUG_AND_PLAY):
                    raise PcscFault(Code.UNKNOWN_READER)
                found = tuple(self._state(name, state) for name, state in asked)
                if any(one.state & STATE_CHANGED for one in found) or len(service.states) != count:
                    return found
                if self._cancelled or not service.news.wait(timeout_ms / 1000):
                    return ()

    def _state(self, name: str, known: int) -> ReaderState:
        if name == PLUG_AND_PLAY:
            return ReaderState(name, STATE_UNKNOWN, b"")
        now = self._service.states[name]
        return ReaderState(name, now | (STATE_CHANGED if now != known else 0), ATR if now & STATE_PRESENT else b"")

    def cancel(self) -> None:
        with self._service.news:
            self._cancelled = True
            self._service.news.notify_all()

    def connect(self, reader: str, share: Sharing, protocols: Sequence[Transmission]) -> "FakeCard":
        self._must_live()
        if self._service.connect_code:
            raise PcscFault(self._service.connect_code)
        return FakeCard(self._service)

    def release(self) -> None:
        self.released = True

    def _must_live(self) -> None:
        if not self._service.alive or self.released:
            raise PcscFault(Code.NO_SERVICE)


class FakeCard:
    """A hold on the card."""

    protocol = Transmission.T1
    atr = ATR

    def __init__(self, service: Service) -> None:
        self._service = service
        service.cards_held += 1

    def begin(self) -> None:
        pass

    def reset(self, share: Sharing, protocols: Sequence[Transmission]) -> None:
        self._service.resets += 1

    def transmit(self, octets: bytes) -> bytes:
        return self._service.transmit(octets)

    def let_go(self) -> None:
        self._service.cards_held -= 1
