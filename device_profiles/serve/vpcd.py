# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Inserts a card twin into a virtual reader of vpcd (vsmartcard), over TCP. Knows no APDU and decides no answer.

The card is the client and its connection is the contact: while it lasts the card is in the reader. Each message is a
length of two octets and a body; a body of one octet controls the card, 00 power off, 01 power on, 02 reset, 04 the
answer to reset is wanted; any other is a command APDU, answered by a response.

vpcd sends length and body in two segments, so Nagle's algorithm holds the body until the length is acknowledged, which
delayed acknowledgement puts off by 40 ms. Re-arming TCP_QUICKACK after every read brings an exchange from 44 ms to
some ten microseconds; the kernel clears the option by itself, once is not enough. Over loopback the acknowledgement
has fetched the body by the time the call returns, so the socket is read on at once, without a turn of the event loop:
that halves the rest. Hence a plain socket here and no transport of asyncio.
"""

import asyncio
import socket
from collections.abc import Callable
from enum import Enum, IntEnum

from device_profiles.twins.card import CardTorn
from device_profiles.twins.card_t0 import ContactCard

LENGTH = 2
LARGEST_BODY = 0xFFFF
READ_OCTETS = 65_536
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


class _Contact:
    """One connection: the card in the reader."""

    def __init__(
        self,
        line: socket.socket,
        card: ContactCard,
        trace: Callable[[str, bytes], None] | None,
        after_use: AfterUse,
    ) -> None:
        """``line`` is connected and does not block."""
        self._loop = asyncio.get_running_loop()
        self._line = line
        self._card = card
        self._trace = trace
        self._after_use = after_use
        self._framer = Framer()
        self._unsent = b""
        self._used = False
        self.used_up = False
        self.torn = False
        self.fault: Exception | None = None
        self.lost = asyncio.Event()
        self._loop.add_reader(line, self._read)

    def leave(self) -> None:
        """Take the card out, in mid-exchange if need be."""
        if self.lost.is_set():
            return
        self._loop.remove_reader(self._line)
        self._loop.remove_writer(self._line)
        self._line.close()
        self._card.power_off()
        self.lost.set()

    def _read(self) -> None:
        """Read and answer until nothing more is there; each read is acknowledged before the next."""
        try:
            while not self.lost.is_set():
                octets = self._line.recv(READ_OCTETS)
                if not octets:
                    self.leave()
                    return
                self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                for body in self._framer.feed(octets):
                    if not self.lost.is_set():
                        self._take(body)
        except BlockingIOError:
            return
        except OSError:  # the reader went
            self.leave()
        except CardTorn:
            self.torn = True
            self.leave()
        except Exception as fault:
            self.fault = fault
            self.leave()

    def _take(self, body: bytes) -> None:
        if len(body) > 1:
            self._exchange(body)
        elif body[0] == Control.ATR:
            self._send(self._card.atr)
        elif body[0] == Control.POWER_OFF:
            self._card.power_off()
            if self._used and self._after_use is not AfterUse.STAY:
                self.used_up = True
                self.leave()
        elif body[0] in (Control.POWER_ON, Control.RESET):
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
        if not self.lost.is_set():
            self._unsent += framed(body)
            self._write()

    def _write(self) -> None:
        """Send what the socket takes; the rest when it takes more."""
        try:
            sent = self._line.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.leave()
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._line, self._write)
        else:
            self._loop.remove_writer(self._line)


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
    ) -> None:
        """``told`` hears ``inserted`` and ``removed`` when they have happened."""
        self._card = card
        self._address = (host, port)
        self._told = told
        self._trace = trace
        self._after_use = after_use
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
        while True:
            await self._wanted.wait()
            line = await self._connected()
            if line is None:
                await asyncio.sleep(AGAIN_S)
                continue
            contact = self._contact = _Contact(line, self._card, self._trace, self._after_use)
            self._told("inserted")
            if not self._wanted.is_set():  # taken out while it went in
                contact.leave()
            try:
                await contact.lost.wait()
            finally:
                self._contact = None
                contact.leave()
            self._told("removed")
            if contact.fault is not None:
                raise contact.fault
            await self._out(contact)

    async def _connected(self) -> socket.socket | None:
        """A connection to the reader, or None where there is none now."""
        line = socket.socket(socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET)
        line.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(line, self._address)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            line.close()
            return None
        except BaseException:
            line.close()
            raise
        return line

    async def _out(self, contact: _Contact) -> None:
        """What comes after the card came out: a card that tore or was taken stays out until it is inserted again."""
        if contact.torn or (contact.used_up and self._after_use is AfterUse.LEAVE):
            self._wanted.clear()
        await asyncio.sleep(OUT_S if contact.used_up else AGAIN_S)
