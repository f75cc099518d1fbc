# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pcscd`: the person at the desk of the pcscd twin, who plugs readers and inserts cards as ordered."""

import asyncio
import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_profiles.card_profile import load_card
from device_profiles.serve.card_choice import SLOW, SLOW_S, made
from device_profiles.serve.orders import STOP, Orders
from device_profiles.serve.pcscd import PcscdServer
from device_profiles.twins.card_t0 import ContactCard
from device_profiles.twins.keypad import Keypad
from device_profiles.twins.pcscd_reader import VirtualReader
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from protocols.emv.redaction import redacted_command, redacted_response
from protocols.pcsc.wire import MOST_READERS
from protocols.secret import Pin
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()\[\]-]{0,99}", re.ASCII)
KEY_PACE_S = 0.002
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "fault": (),
    "transmission": ("t0", "t1"),
    "after-use": ("stay", "leave", "return"),
    "behaviour": tuple(one.value for one in Behaviour),
}


BACK_S = 0.05  # how long a card stays out that returns: this service misses nothing


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for every reader and card."""

    behaviour: str = "right-pin"
    transmission: str | None = None
    fault: str = "none"
    after_use: str = "stay"
    as_json: bool = False
    trace: bool = False


class Told:
    """``card``, with its traffic told, and that it was powered down after use."""

    def __init__(
        self, card: ContactCard, told: Callable[[str, bytes], None] | None, used: Callable[[], None] | None
    ) -> None:
        self._card = card
        self._told = told
        self._used = used
        self._in_use = False

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        return self._card.atr

    def power_on(self) -> bytes:
        """Power, or a reset."""
        return self._card.power_on()

    def power_off(self) -> None:
        """No power."""
        self._card.power_off()
        if self._in_use and self._used is not None:
            self._in_use = False
            self._used()

    def apdu(self, command: bytes) -> bytes:
        """The card's answer."""
        self._in_use = True
        if self._told is None:
            return self._card.apdu(command)
        self._told(">", command)
        answer = self._card.apdu(command)
        self._told("<", answer)
        return answer


class Desk:
    """The person: knows which card belongs to which reader, and the PINs of the cards."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._voice = Voice("device-twin", as_json=options.as_json)
        self._cards: dict[str, ContactCard] = {}
        self._server: PcscdServer | None = None
        self._orders: dict[str, Callable[[PcscdServer, str], None]] = {
            "insert": self._insert,
            "remove": self._remove,
            "turn": self._turn,
            "plug": lambda server, words: self._plug(server, words, keypad=False),
            "plug-keypad": lambda server, words: self._plug(server, words, keypad=True),
            "unplug": self._unplug,
            "kill": self._kill,
            "start": self._start,
        }

    def reader(self, words: str, *, keypad: bool) -> VirtualReader:
        """A reader by ``NAME[=CARD]``, its card in it; see :meth:`_card` for what may follow the card's name."""
        name, _, card = words.partition("=")
        if not _NAME.fullmatch(name):
            what = f"--reader {name}: letters, digits, spaces and . _ - ( ) [ ] expected, at most 100"
            raise Fault(what, exit_code=Exit.USAGE)
        reader = VirtualReader(name, keypad=Keypad() if keypad else None)
        if card:
            reader.card = self._card(reader, card)
        return reader

    async def serve(self, folder: Path, readers: tuple[VirtualReader, ...]) -> int:
        """Until SIGTERM, SIGINT or the order to stop."""
        names = [reader.name.lower() for reader in readers]
        if not 1 <= len(names) <= MOST_READERS or len(set(names)) != len(names):
            raise Fault(f"--reader: 1 to {MOST_READERS} different names expected", exit_code=Exit.USAGE)
        orders = Orders({signal.SIGUSR1: "kill", signal.SIGUSR2: "start"})
        server = PcscdServer(folder, readers, self._said)
        self._server = server
        try:
            server.start()
            document: dict[str, object] = {"event": "ready", "twin": "pcscd", "kind": "twin"}
            document |= {"socket": str(server.socket), "pid": os.getpid(), "readers": list(server.names)}
            self._voice.answer(document, f"ready PCSCLITE_CSOCK_NAME={server.socket} {', '.join(server.names)}")
            while (order := await orders.next()) != STOP:
                self._obey(server, order)
        finally:
            orders.close()
            server.close()
        return 0

    def _obey(self, server: PcscdServer, order: str) -> None:
        word, _, words = order.partition(" ")
        try:
            if word not in self._orders:
                raise ValueError(f"orders are {', '.join(self._orders)}, {STOP}")
            self._orders[word](server, words.strip())
        except KeyError as absent:
            self._refused(order, f"no reader {absent}")
        except Fault as fault:
            self._refused(order, f"{fault.what}; {fault.hint}")
        except ValueError as fault:
            self._refused(order, str(fault))

    def _refused(self, order: str, why: str) -> None:
        self._voice.answer({"event": "order.refused", "order": order, "why": why}, f"refused {order}: {why}")

    def _said(self, event: str, name: str) -> None:
        self._voice.answer({"event": event, "reader": name}, f"{event} {name}".strip())

    def _insert(self, server: PcscdServer, words: str) -> None:
        name, _, card = words.partition("=")
        reader = server.reader(name)
        if card:
            self._cards[reader.name] = self._card(reader, card)
        if reader.name not in self._cards:
            raise ValueError("which card? insert READER=CARD")
        server.insert(reader, self._cards[reader.name])
        self._said("card.inserted", reader.name)

    def _remove(self, server: PcscdServer, words: str) -> None:
        reader = server.reader(words)
        server.remove(reader)
        self._said("card.removed", reader.name)

    def _turn(self, server: PcscdServer, words: str) -> None:
        reader = server.reader(words)
        server.insert(reader, None)
        self._said("card.turned", reader.name)

    def _plug(self, server: PcscdServer, words: str, *, keypad: bool) -> None:
        reader = self.reader(words, keypad=keypad)
        if reader.name.lower() in {one.name.lower() for one in server.readers}:
            raise ValueError("a reader of that name is plugged in")
        server.plug(reader)
        self._said("reader.plugged", reader.name)

    def _unplug(self, server: PcscdServer, words: str) -> None:
        reader = server.reader(words)
        server.unplug(reader)
        self._said("reader.unplugged", reader.name)

    def _kill(self, server: PcscdServer, words: str) -> None:
        if server.runs:
            server.kill()
            self._said("daemon.killed", "")

    def _start(self, server: PcscdServer, words: str) -> None:
        if not server.runs:
            server.start()
            self._said("daemon.started", "")

    def _card(self, reader: VirtualReader, words: str) -> ContactCard:
        """A card by ``CARD[;fault=NAME][;transmission=t0|t1][;after-use=stay|leave|return][;behaviour=NAME]``."""
        name, *more = words.split(";")
        changes: dict[str, Any] = {}
        for one in more:
            key, _, value = one.partition("=")
            known = _CHOICES.get(key)
            if known is None or (known and value not in known):
                choices = "; ".join(f"{key}={'|'.join(values) or 'NAME'}" for key, values in _CHOICES.items())
                raise Fault(f"'{one}': not understood", f"behind a card's name: {choices}", Exit.USAGE)
            changes[key.replace("-", "_")] = value
        options = replace(self._options, **changes)
        profile = load_card(name)
        reader.card_delay_s = SLOW_S if options.fault == SLOW else 0.0  # the others at the desk go on meanwhile
        fault = "none" if options.fault == SLOW else options.fault
        card = made(profile, name, fault, options.transmission if profile.contact is not None else None)
        if reader.keypad is not None:
            pin = Pin.from_text(profile.cardholder.test_pin)
            reader.keypad.person = Cardholder(pin, Behaviour(options.behaviour), KEY_PACE_S)
        told = (lambda direction, octets: self._traffic(reader.name, direction, octets)) if options.trace else None
        used = None if options.after_use == "stay" else lambda: self._was_used(reader, options.after_use == "return")
        if told is not None or used is not None:
            card = Told(card, told, used)
        self._cards[reader.name] = card
        return card

    def _was_used(self, reader: VirtualReader, returns: bool) -> None:
        """The cardholder takes the card, and may come again."""
        loop = asyncio.get_running_loop()
        loop.call_soon(self._take_out, reader)
        if returns:
            loop.call_later(BACK_S, self._put_back, reader)

    def _take_out(self, reader: VirtualReader) -> None:
        if self._server is not None and reader.card is not None:
            self._server.remove(reader)
            self._said("card.removed", reader.name)

    def _put_back(self, reader: VirtualReader) -> None:
        if self._server is not None and reader.card is None and reader in self._server.readers:
            self._server.insert(reader, self._cards[reader.name])
            self._said("card.inserted", reader.name)

    def _traffic(self, name: str, direction: str, octets: bytes) -> None:
        text = (redacted_command if direction == ">" else redacted_response)(octets)
        document = {"event": "traffic", "wire": "reader", "reader": name, "direction": direction, "text": text}
        self._voice.answer(document, f"{name} {direction} {text}")
