# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``smartcard.scard`` of pyscard with types: octets for lists, exceptions for codes. Decides nothing.

The only importer of pyscard, and only once a PC/SC reader is asked for: most terminals have none. The level above it
in pyscard is left alone, since its monitor threads end for good when the service restarts.

A trap of pyscard 2.3: where it lets libpcsclite allocate, it frees without giving the interpreter's lock away, and the
library's own lock, which freeing needs, is held by another thread's SCardEstablishContext until the daemon answers. A
daemon that hangs would so stop every thread of the process. Hence one lock of ours around these calls: whoever waits
for it waits without the interpreter's.
"""

import importlib
import importlib.util
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from device_profiles.model import Sharing, Transmission
from terminal_agent.card.pcsc_codes import Code, PcscFault
from terminal_agent.card.port import CardError

PLUG_AND_PLAY = "\\\\?PnP?\\Notification"  # pcsc-lite: a reader of this name changes when readers come and go
STATE_CHANGED = 0x0002  # PC/SC part 5 (2.01.11), 3.1.3: bits of a reader's state
STATE_UNKNOWN = 0x0004
STATE_UNAVAILABLE = 0x0008
STATE_PRESENT = 0x0020
STATE_MUTE = 0x0200
EVENT_COUNTER = 16  # pcsc-lite: above this bit, how often a card came or went

_SHARE = {Sharing.EXCLUSIVE: 1, Sharing.SHARED: 2}
_PROTOCOL = {Transmission.T0: 1, Transmission.T1: 2}
_BY_NUMBER = {number: protocol for protocol, number in _PROTOCOL.items()}
_LEAVE, _RESET, _UNPOWER = 0, 1, 2
_DIRECT = 3
_SCOPE_SYSTEM = 2
_ENTRY = threading.Lock()


class ReaderState(NamedTuple):
    """What a wait for changes says of one reader."""

    name: str
    state: int
    atr: bytes


def must_be_installed() -> None:
    """Raise :class:`CardError` with the cure where pyscard is missing."""
    if importlib.util.find_spec("smartcard") is None:
        raise CardError(
            "PC/SC readers need the package pyscard, which is not installed",
            "pip install 'tillguard[pcsc]'; it is built here, so first: "
            "apt-get install gcc libc6-dev python3-dev libpcsclite-dev",
        )


def _library() -> Any:  # pyscard has no types
    must_be_installed()
    return importlib.import_module("smartcard.scard")


def _good(code: int) -> None:
    if code & 0xFFFFFFFF != Code.SUCCESS:
        raise PcscFault(code & 0xFFFFFFFF)


class Card:
    """A hold on a card. Every method belongs to one thread."""

    def __init__(self, library: Any, handle: int, protocol: int, *, leave: bool = False) -> None:
        """``leave``: the card is not powered down at the end."""
        self._end = _LEAVE if leave else _UNPOWER
        self._scard = library
        self._handle = handle
        self._pci = protocol
        self._in_transaction = False
        self.protocol = _BY_NUMBER.get(protocol)

    def begin(self) -> None:
        """Take a transaction: other programs' commands wait until its end. Waits for theirs."""
        _good(self._scard.SCardBeginTransaction(self._handle))
        self._in_transaction = True

    def transmit(self, octets: bytes) -> bytes:
        """One command as it travels, and what came back."""
        code, answer = self._scard.SCardTransmit(self._handle, self._pci, list(octets))
        _good(code)
        return bytes(answer)

    def reset(self, share: Sharing, protocols: Sequence[Transmission]) -> None:
        """A warm reset."""
        wanted = sum(_PROTOCOL[protocol] for protocol in set(protocols))
        code, protocol = self._scard.SCardReconnect(self._handle, _SHARE[share], wanted, _RESET)
        _good(code)
        self._pci = protocol
        self.protocol = _BY_NUMBER.get(protocol)

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        with _ENTRY:
            code, _, _, _, atr = self._scard.SCardStatus(self._handle)
        _good(code)
        return bytes(atr)

    def control(self, number: int, octets: bytes = b"") -> bytes:
        """A control code of the reader, and its answer. Blocks as long as a person types."""
        code, answer = self._scard.SCardControl(self._handle, number, list(octets))
        _good(code)
        return bytes(answer)

    def attribute(self, number: int) -> bytes | None:
        """An attribute of the reader, None where it has none."""
        with _ENTRY:
            code, value = self._scard.SCardGetAttrib(self._handle, number)
        return bytes(value) if code & 0xFFFFFFFF == Code.SUCCESS else None

    def let_go(self) -> None:
        """End the transaction and the hold; the card is powered down. Fails silently where it is gone already."""
        if self._in_transaction:
            self._scard.SCardEndTransaction(self._handle, _LEAVE)
        self._scard.SCardDisconnect(self._handle, self._end)


class Context:
    """A connection to the PC/SC service. Only :meth:`cancel` may be called from another thread."""

    def __init__(self) -> None:
        """Raises :class:`PcscFault` where the service is away, :class:`CardError` where pyscard is."""
        self._scard = _library()
        with _ENTRY:
            code, self._handle = self._scard.SCardEstablishContext(_SCOPE_SYSTEM)
        _good(code)

    def readers(self) -> tuple[str, ...]:
        """Names of the readers that are plugged in."""
        with _ENTRY:
            code, names = self._scard.SCardListReaders(self._handle, [])
        if code & 0xFFFFFFFF == Code.NO_READERS_AVAILABLE:
            return ()
        _good(code)
        return tuple(names)

    def changes(self, known: Iterable[tuple[str, int]], timeout_ms: int) -> tuple[ReaderState, ...]:
        """Wait until a reader's state is not the known one; blocks. Nothing after the time or a :meth:`cancel`."""
        code, states = self._scard.SCardGetStatusChange(self._handle, timeout_ms, list(known))
        if code & 0xFFFFFFFF in (Code.TIMEOUT, Code.CANCELLED):
            return ()
        _good(code)
        return tuple(ReaderState(name, state, bytes(atr)) for name, state, atr in states)

    def cancel(self) -> None:
        """End a wait in :meth:`changes`; does nothing where there is none."""
        self._scard.SCardCancel(self._handle)

    def connect(self, reader: str, share: Sharing, protocols: Sequence[Transmission]) -> Card:
        """Take hold of the card in ``reader``."""
        wanted = sum(_PROTOCOL[protocol] for protocol in set(protocols))
        code, handle, protocol = self._scard.SCardConnect(self._handle, reader, _SHARE[share], wanted)
        _good(code)
        return Card(self._scard, handle, protocol)

    def direct(self, reader: str) -> Card:
        """Talk to the reader itself, with a card in it or without."""
        code, handle, protocol = self._scard.SCardConnect(self._handle, reader, _DIRECT, 0)
        _good(code)
        return Card(self._scard, handle, protocol, leave=True)

    def release(self) -> None:
        """Give the connection up."""
        with _ENTRY:
            self._scard.SCardReleaseContext(self._handle)
