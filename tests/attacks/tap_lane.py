# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contactless terminal with its issuer, in process: the ground of attacks in the field. Attacks nothing.

The machine is the shipped one, or composed without one step's defence; cards are the shipped twins; time is virtual.
The issuer knows every card of ours, checks cryptograms with the master key by protocols' other half, takes none twice,
and still takes the magnetic stripe's checksums from terminals that send them.
"""

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.contactless_card import ContactlessCard, contactless_card
from protocols import card_code
from protocols.emv import tlv
from protocols.emv.apdu import Ins
from protocols.emv.cryptogram import account_block, cryptogram_data
from protocols.emv.issuer import Issuer
from protocols.errors import ProtocolError
from terminal_agent.emv import Cvm, Decision, EmvOutcome, EmvTerminal, Means, TornLog, TransactionRequest, contactless
from terminal_agent.emv.contactless_run import Kernel
from terminal_agent.emv.transaction import KERNELS
from tests.attacks.contact_lane import KEYS, NOW
from tests.terminal_agent.emv.tap_session import WIRE_US, Stopwatch, both

ABOVE, UNDER = 4_200, 1_500
CARDS = ("test-visa-like", "test-visa-fdda", "test-mastercard-like", "test-mobile-mastercard", "test-mobile-visa")
NEAR_US = 1_000.0
"""What a card in the field needs for a relay resistance exchange."""


STRIPE_KEY, STRIPE_IV = bytes.fromhex("6E3B9D0154C7A82F13F08D5A92E64BC7"), bytes.fromhex("1E2F")
"""TEST, ours: the key of the old card's stripe checksums, and what its track gives."""


def checksum(number: bytes, counter: bytes) -> bytes:
    """The dynamic checksum of the old card's stripe data (CVC3), two octets."""
    return int(card_code.cvc3(STRIPE_KEY, STRIPE_IV, counter, number)).to_bytes(2, "big")


class Chip(Protocol):
    """A card, or what pretends to be one."""

    def apdu(self, command: bytes) -> bytes:
        """The answer to a command."""
        ...


class TapLane:
    """A terminal and its issuer: a :class:`tests.attacks.harness.Target`."""

    def __init__(self, terminal: EmvTerminal, kernels: Mapping[int, Kernel], honest: str) -> None:
        self.profiles: dict[str, CardProfile] = {name: load_card(name) for name in CARDS}
        self.terminal = terminal
        self.last: EmvOutcome | None = None
        self._kernels = kernels
        self._honest = honest
        self._told: list[str] = []
        self._clock = Stopwatch()
        self._dice = random.Random(11)
        self._log = TornLog(bytes(32))
        self._counters: dict[str, int] = {}
        self._twins: dict[str, ContactlessCard] = {}

    def card(self, name: str) -> ContactlessCard:
        """The genuine card, in a field; there is one of each."""
        if name not in self._twins:
            self._twins[name] = contactless_card(self.profiles[name], random.Random(5).randbytes)
        self._twins[name].power_on()
        return self._twins[name]

    async def honest(self) -> bool:
        """The cardholder pays with the right PIN, the card at the reader."""
        return self.pay(self.card(self._honest), pin=self.profiles[self._honest].cardholder.test_pin)

    def alerts(self) -> list[str]:
        """What the terminal reported to head office, and the issuer to its people."""
        return self._told

    def pay(self, chip: Chip, amount: int = ABOVE, pin: str = "", late_us: float = 0.0) -> bool:
        """One payment; whether the goods are handed over. ``late_us`` is what the way to the card adds."""
        number = self._dice.randbytes(4)
        request = TransactionRequest(amount, "978", NOW.date(), NOW.time(), number)
        means = Means(KEYS, None, self._log, self._clock, lambda: self._dice.randbytes(4))
        machine = contactless(self.terminal, request, means, self._kernels)
        try:
            command = next(machine)
            while True:
                measured = command[1] == Ins.EXCHANGE_RELAY_RESISTANCE_DATA
                self._clock.now += (WIRE_US + NEAR_US if measured else 3_000.0) + late_us
                command = machine.send(chip.apdu(command))
        except StopIteration as end:
            outcome: EmvOutcome = end.value
        self.last = outcome
        self._told += [alert.value for alert in outcome.alerts]
        if outcome.decision is Decision.APPROVED:
            return True
        return outcome.decision is Decision.ONLINE and self._issuer(outcome, pin)

    def _issuer(self, asked: EmvOutcome, pin: str) -> bool:
        """Approves what its card's key made, once, and with the right PIN where there was to be one."""
        assert asked.pan is not None
        profile = next((one for one in self.profiles.values() if one.application.pan == asked.pan.digits), None)
        if profile is None or (asked.cvm is Cvm.ONLINE_PIN and pin != profile.cardholder.test_pin):
            return False
        objects = dict(tlv.decode(asked.icc_data).leaves())
        if 0x9F61 in objects:
            return objects[0x9F61] == checksum(objects[0x9F6A], objects[0x9F36]) and self._fresh(asked, objects)
        version = profile.application.version
        with Issuer(bytes.fromhex(profile.keys.test_mk_ac)) as issuer:
            keys = issuer.keys(
                version, account_block(asked.pan, asked.sequence_number), objects[0x9F36], objects[0x9F37]
            )
        try:
            keys.cryptogram.verify(cryptogram_data(version, objects), version.padding, asked.cryptogram)
        except ProtocolError:
            self._told.append("the cryptogram is not the card's")
            return False
        return self._fresh(asked, objects)

    def _fresh(self, asked: EmvOutcome, objects: dict[int, bytes]) -> bool:
        """Whether the card's counter rose."""
        assert asked.pan is not None
        counter = int.from_bytes(objects[0x9F36], "big")
        fresh = counter > self._counters.get(asked.pan.digits, 0)
        self._counters[asked.pan.digits] = max(counter, self._counters.get(asked.pan.digits, 0))
        return fresh


def tap_lane(
    honest: str = "test-visa-like", kernels: Mapping[int, Kernel] = KERNELS, **settings: Any
) -> Callable[[Path], Any]:
    """An opener of a lane: the shipped kernels unless others are given, a plain terminal but for ``settings``."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[TapLane]:
        yield TapLane(both(**({"relay_resistance": False} | settings)), kernels, honest)

    return opened
