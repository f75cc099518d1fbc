# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A shop that outlives its agent: card, reader and pad on pseudo terminals and a bank on loopback, in this process.

What the far ends remember (the card's counter, the pad's key serial number, the bank's ledger) is here, as in life, so
an agent may die as often as a test likes. The bank verifies with a real HSM engine. Tests nothing itself.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device_profiles import catalog
from device_profiles.acquirer_profile import AcquirerProfile, load_acquirer
from device_profiles.card_profile import load_card
from device_profiles.pinpad_load import load_pinpad
from device_profiles.serve.pty import PtyServer, SerialTwin
from device_profiles.serve.tcp import Bank
from device_profiles.twins.acquirer import Event, Handled, Host
from device_profiles.twins.acquirer_hsm import Dialogue
from device_profiles.twins.acquirer_ledger import Ledger
from device_profiles.twins.acquirer_script import Fault, Rule, Script
from device_profiles.twins.activation import Activated
from device_profiles.twins.card import CardTwin
from device_profiles.twins.pinpad import PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinpadKeys
from device_profiles.twins.reader import Hand, ReaderTwin
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.wrapping import VariantLmk
from hsm_sim.payshield.session import Session
from protocols.acquirer.message import decode
from protocols.emv import tlv
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import frame
from protocols.hsm.message import decode_response, encode_request
from protocols.secret import Pin
from tests.brokers import make_pki
from tests.flows.stage import PROFILE, TERMINAL
from tests.hsm_sim.units import unit
from tests.secrets.twins import PlantedProfiles, planted_profiles

_ATC = 0x9F36


class Hsm:
    """An engine behind its wire codec; answers at once."""

    def __init__(self) -> None:
        self._session = Session(unit(Engine(VariantLmk.of_test_keys(), os.urandom)))

    async def ask(self, request: Any) -> Any:
        """One command's answer."""
        self._session.feed(frame(encode_request(request, b"0001")))
        octets, _ = self._session.answer(1)
        return decode_response(octets[2:], COMMANDS[type(request).__name__].response, 4)

    def close(self) -> None:
        """Nothing to hang up."""


class CountedCard:
    """The customer's card, and the counters of the cryptograms that it gave."""

    def __init__(self, card: CardTwin) -> None:
        self._card = card
        self.given: list[int] = []

    def power_on(self) -> Activated:
        return self._card.power_on()

    def power_off(self) -> None:
        self._card.power_off()

    def apdu(self, command: bytes) -> bytes:
        before = self._card.atc
        answer = self._card.apdu(command)
        if self._card.atc != before:
            self.given.append(self._card.atc)
        return answer


@dataclass
class Heard:
    """A card message as it reached the bank."""

    mti: str
    stan: int
    transmitted: str
    atc: int | None
    original: tuple[int, str] | None


@dataclass
class TestBank:
    """The acquirer twin, whose script may change from payment to payment."""

    __test__ = False
    profile: AcquirerProfile
    ledger: Ledger = field(default_factory=Ledger)
    heard: list[Heard] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._host = Host(self.profile, self.ledger)

    def misbehave(self, *rules: Rule) -> None:
        """From now on, by these rules; without any it behaves."""
        self._host = Host(self.profile, self.ledger, Script(rules))

    def forget(self) -> None:
        """It is restarted and has lost its session keys."""
        self.ledger.session_keys.clear()

    def handle(self, octets: bytes, now: datetime) -> Dialogue[Handled]:
        message = decode(octets, self.profile.speech).message
        if message.stan is not None and message.transmitted is not None and not message.mti.is_network:
            atc = tlv.decode(message.icc).first(_ATC) if message.icc else None
            original = (message.original.stan, message.original.transmitted) if message.original else None
            counter = int.from_bytes(atc, "big") if atc else None
            self.heard.append(Heard(message.mti.digits, message.stan, message.transmitted, counter, original))
        return (yield from self._host.handle(octets, now))


class Shop:
    """Everything around an agent. ``folder`` gets the profile, the lines and the agent's state."""

    def __init__(self, folder: Path, planted: PlantedProfiles | None = None, *, pace_s: float = 0.001) -> None:
        self.folder = folder
        planted = planted or planted_profiles()
        card = load_card(str(planted.card))
        load = load_pinpad(str(planted.pad_load))
        self.card = CountedCard(CardTwin(card, random.Random(1).randbytes))
        self.bank = TestBank(load_acquirer(str(planted.acquirer)))
        keys = PinpadKeys(load)
        person = Cardholder(Pin.from_text(card.cardholder.test_pin), Behaviour.RIGHT_PIN, pace_s)
        self._makers: dict[str, Callable[[], SerialTwin]] = {
            "reader": lambda: ReaderTwin(Hand(self.card, 0.0)),
            "pad": lambda: PinpadTwin(catalog.pinpad("ipp-uic"), load, keys, keys, person),
        }
        self.devices = {name: make() for name, make in self._makers.items()}
        self.plugged: dict[str, PtyServer] = {}
        self._port = 0
        self.more = ""
        """What the profile has behind its [report] section."""
        self.values: dict[str, Any] = {
            "terminal": TERMINAL, "reader": folder / "reader", "pad": folder / "pad", "broker": "127.0.0.1:9",
            "tls": "", "card_s": 3.0, "pin_s": 3.0, "acquirer_s": 0.4,
        }  # fmt: skip

    @property
    def state(self) -> Path:
        """The agent's state folder."""
        return self.folder / "state"

    def power_cycle(self, name: str) -> None:
        """The device forgets everything but its keys and counters."""
        self.devices[name] = self._makers[name]()

    def plug(self, name: str) -> None:
        """Plug the reader or the pad in."""
        self.plugged[name] = PtyServer(self.devices[name], link=self.folder / name)

    def unplug(self, name: str) -> None:
        """Pull it."""
        self.plugged.pop(name).close()

    def write_profile(self) -> Path:
        """The terminal's profile."""
        path = self.folder / "terminal.toml"
        path.write_text(PROFILE.format(**self.values) + self.more)
        return path

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Shop"]:
        """Everything plugged in and the bank open, until the block ends."""
        await self.open_bank()
        (self.folder / "pki").mkdir()
        self.pki = make_pki(self.folder / "pki")
        for name in self.devices:
            self.plug(name)
        self.write_profile()
        try:
            yield self
        finally:
            await self.close_bank()
            for name in tuple(self.plugged):
                self.unplug(name)

    async def open_bank(self) -> None:
        """The bank listens, where it listened before."""
        bank: Any = self.bank
        hsm: Any = Hsm()
        self._lines = Bank(bank, self.bank.profile.speech, hsm, lambda: datetime.now(UTC), self.bank.told.append)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._lines.line, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.values["acquirer"] = f"127.0.0.1:{self._port}"

    async def close_bank(self) -> None:
        """It hangs up on everybody and listens no more."""
        self._server.close()
        await self._lines.close()


def once(fault: Fault, mti: str) -> Rule:
    """The next message of that kind meets the fault."""
    return Rule(mti=mti, fault=fault)
