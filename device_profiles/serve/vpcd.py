# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Inserts a card twin into a virtual reader of vpcd (vsmartcard), over TCP. Knows no APDU and decides no answer.

The card is the client and its connection is the contact: while it lasts the card is in the reader. Each message is a
length of two octets and a body; a body of one octet controls the card, 00 power off, 01 power on, 02 reset, 04 the
answer to reset is wanted; any other is a command APDU, answered by a response.

vpcd sends length and body in two segments, so Nagle's algorithm holds the body until the length is acknowledged, which
delayed acknowledgement puts off by 40 ms. Re-arming TCP_QUICKACK after every read brings an exchange from 44 ms to
some ten microseconds; the kernel clears the option by itself, once is not enough.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import cast

from device_profiles.twins.card import CardTorn
from device_profiles.twins.card_t0 import ContactCard

LENGTH = 2
LARGEST_BODY = 0xFFFF
AGAIN_S = 0.05
"""How long after a refused or lost connection the next attempt is made: a daemon that restarts is soon met again."""
OUT_S = 1.0
"""How long a card stays out that returns: pcscd looks every 0.4 s (PCSCLITE_STATUS_POLL_RATE) and has to miss it."""


class Control(IntEnum):
    """Bodies of one octet (vsmartcard, vpcd.h)."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4


class AfterUse(Enum):
    """What the cardholder does once the card was used and powered down."""

    STAY = "stay"
    LEAVE = "leave"
    RETURN = "return"


class Framer:
    """Octets in, whole bodies out."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, octets: bytes) -> list[bytes]:
        """The bodies that these octets complete; one of no octets says nothing and is left out."""
        held = self._held
        held += octets
        bodies = []
        while len(held) >= LENGTH:
            end = LENGTH + int.from_bytes(held[:LENGTH], "big")
            if len(held) < end:
                break
            if end > LENGTH:
                bodies.append(bytes(held[LENGTH:end]))
            del held[:end]
        return bodies


def framed(body: bytes) -> bytes:
    """A body as it travels. The length of two octets bounds it: a response of 65,534 octets and more cannot be sent."""
    if len(body) > LARGEST_BODY:
        raise ValueError(f"a body of {len(body)} octets, {LARGEST_BODY} at most")
    return len(body).to_bytes(LENGTH, "big") + body


class _Contact(asyncio.Protocol):
    """One connection: the card in the reader."""

    def __init__(
        self, card: ContactCard, trace: Callable[[str, bytes], None] | None, after_use: AfterUse, quick: bool
    ) -> None:
        self._card = card
        self._after_use = after_use
        self._trace = trace
        self._quick = quick
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._used = False
        self.used_up = False
        self.torn = False
        self.fault: Exception | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._socket = cast(socket.socket, transport.get_extra_info("socket"))
        self._acknowledge()

    def data_received(self, data: bytes) -> None:
        self._acknowledge()
        try:
            for body in self._framer.feed(data):
                if len(body) == 1:
                    self._control(body[0])
                else:
                    self._exchange(body)
        except CardTorn:
            self.torn = True
            self.leave()
        except Exception as fault:
            self.fault = fault
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self._card.power_off()
        self.lost.set()

    def leave(self) -> None:
        """Take the card out."""
        if self._transport is not None:
            self._transport.abort()

    def _acknowledge(self) -> None:
        if self._quick and self._socket is not None:
            with contextlib.suppress(OSError):  # closed by the other end in this moment
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _control(self, code: int) -> None:
        if code == Control.ATR:
            self._send(self._card.atr)
        elif code == Control.POWER_OFF:
            self._card.power_off()
            if self._used and self._after_use is not AfterUse.STAY:
                self.used_up = True
                self.leave()
        elif code in (Control.POWER_ON, Control.RESET):
            self._card.power_off()
            self._card.power_on()

    def _exchange(self, command: bytes) -> None:
        self._used = True
        if self._trace is not None:
            self._trace(">", command)
        answer = self._card.apdu(command)
        if self._trace is not None:
            self._trace("<", answer)
        self._send(answer)

    def _send(self, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(framed(body))


class Slot:
    """A place for one card in a virtual reader. Inserted, the card stays through restarts of the daemon."""

    def __init__(
        self,
        card: ContactCard,
        host: str,
        port: int,
        told: Callable[[str], None],
        trace: Callable[[str, bytes], None] | None = None,
        *,
        after_use: AfterUse = AfterUse.STAY,
        quick: bool = True,
    ) -> None:
        """``told`` hears ``inserted`` and ``removed`` when they have happened. ``quick`` False is for comparison."""
        self._address = (host, port)
        self._told = told
        self._after_use = after_use
        self._made = lambda: _Contact(card, trace, after_use, quick)
        self._wanted = asyncio.Event()
        self._contact: _Contact | None = None

    def insert(self) -> None:
        """Put the card in, as soon as the reader is there."""
        self._wanted.set()

    def remove(self) -> None:
        """Take the card out, in mid-exchange if need be."""
        self._wanted.clear()
        if self._contact is not None:
            self._contact.leave()

    async def run(self) -> None:
        """Keep the card where it was told to be, until cancelled. Raises what the card itself raised."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            try:
                _, contact = await loop.create_connection(self._made, *self._address)
            except OSError:
                await asyncio.sleep(AGAIN_S)
                continue
            self._contact = contact
            if not self._wanted.is_set():  # taken out while it went in
                contact.leave()
            self._told("inserted")
            try:
                await contact.lost.wait()
            finally:
                self._contact = None
                contact.leave()
            self._told("removed")
            if contact.fault is not None:
                raise contact.fault
            await self._out(contact)

    async def _out(self, contact: _Contact) -> None:
        """What comes after the card came out: a card that tore or was taken stays out until it is inserted again."""
        if contact.torn or (contact.used_up and self._after_use is AfterUse.LEAVE):
            self._wanted.clear()
        await asyncio.sleep(OUT_S if contact.used_up else AGAIN_S)
