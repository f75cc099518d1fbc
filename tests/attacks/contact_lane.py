# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contact terminal with its issuer, in process: the ground of attacks between card and terminal. Attacks nothing.

The machine is the shipped one, or composed without one step's defence; cards are the shipped twins; the issuer checks
cryptograms with the master key, by protocols' other half, and knows what the terminal said of the PIN.
"""

import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.contact_card import ContactCardTwin
from protocols.emv import tlv
from protocols.emv.cryptogram import account_block, cryptogram_data
from protocols.emv.issuer import Issuer
from protocols.errors import ProtocolError
from terminal_agent.emv import (
    Combination,
    ContactApplication,
    ContactTransaction,
    Decision,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    PinAnswer,
    PinAtReader,
    PinToEncipher,
    TransactionRequest,
)
from tests.attacks.soft.emv import Steps
from tests.terminal_agent.emv.contact_issuer import CardIssuer
from tests.terminal_agent.emv.contact_session import authorities

VISA = "A0000000031010"
NOW = datetime.datetime(2026, 6, 7, 12, 0, 5)  # noqa: DTZ001  # the terminal's local time
AMOUNT = 4_200
KEYS = authorities()
HOME = "978"


class Chip(Protocol):
    """A card, or what pretends to be one."""

    def apdu(self, command: bytes) -> bytes:
        """The answer to a command."""
        ...


class ContactLane:
    """A terminal and its issuer: a :class:`tests.attacks.harness.Target`."""

    def __init__(self, steps: Steps | None, card: str, **settings: Any) -> None:
        limits = {"floor_limit": 10_000, "tac_online": "0000000000", "tac_default": "0000000000", "cvm_limit": 2_500}
        application = ContactApplication(VISA, application_version="0096", **(limits | settings.pop("limits", {})))
        self.profile: CardProfile = load_card(card)
        self._steps = steps
        self._terminal = EmvTerminal(
            "276",
            HOME,
            "TG000001",
            (Combination(VISA, 500_000, 2_500),),
            contact=(application,),
            **({"capabilities": "E0D8C8", "offline_pin": True} | settings),
        )
        self._told: list[str] = []
        self._seen: set[tuple[int | None, bytes]] = set()
        self._counter = 0
        self.last: EmvOutcome | None = None
        self.clear_pins: list[bytes] = []
        """What the reader sent to a card in clear: what a tap on the contacts hears."""

    def card(self) -> ContactCardTwin:
        """The genuine card, with power."""
        twin = ContactCardTwin(self.profile)
        twin.power_on()
        return twin

    async def honest(self) -> bool:
        """The cardholder pays with the right PIN."""
        return self.pay(self.card(), self.profile.cardholder.test_pin)

    def alerts(self) -> list[str]:
        """What the terminal reported to head office, and the issuer to its people."""
        return self._told

    def pay(self, chip: Chip, pin: str = "", amount: int = AMOUNT, currency: str = HOME) -> bool:
        """One payment; whether the goods are handed over. ``pin`` is what is typed, nothing for whoever has none."""
        self._counter += 1
        request = TransactionRequest(
            amount, currency, NOW.date(), NOW.time(), (0x1A2B3C4D * self._counter).to_bytes(8, "big")[-4:]
        )
        payment = ContactTransaction(self._terminal, request, 99, KEYS, work=self._steps)
        outcome = self._run(payment.first(), chip, pin)
        self._told += [alert.value for alert in outcome.alerts]
        if outcome.decision is Decision.ONLINE:
            before = len(outcome.alerts)
            outcome = self._run(payment.second(self._issuer(outcome)), chip, pin)
            self._told += [alert.value for alert in outcome.alerts[before:]]
        self.last = outcome
        return outcome.decision is Decision.APPROVED

    def _run(self, machine: Any, chip: Chip, pin: str) -> EmvOutcome:
        try:
            wanted = next(machine)
            while True:
                wanted = machine.send(chip.apdu(wanted) if isinstance(wanted, bytes) else self._hand(wanted, chip, pin))
        except StopIteration as end:
            outcome: EmvOutcome = end.value
            return outcome

    def _hand(self, wanted: object, chip: Chip, pin: str) -> bytes | PinAnswer:
        """The reader's keys and the vault, where somebody types ``pin``."""
        if not pin:
            return PinAnswer.BYPASSED
        block = bytes.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))
        if isinstance(wanted, PinAtReader):
            self.clear_pins.append(block)
            return chip.apdu(wanted.template[:5] + block)
        if isinstance(wanted, PinToEncipher):
            text = b"\x7f" + block + wanted.challenge + bytes(wanted.key.octets - 17)
            return pow(int.from_bytes(text, "big"), wanted.key.exponent, wanted.key.modulus).to_bytes(
                wanted.key.octets, "big"
            )
        return PinAnswer.ENTERED

    def _issuer(self, asked: EmvOutcome) -> IssuerAnswer:
        """Approves what its card's key made, once."""
        objects = dict(tlv.decode(asked.icc_data).leaves())
        application = self.profile.application
        version = application.version
        pan = asked.pan
        assert pan is not None
        with Issuer(bytes.fromhex(self.profile.keys.test_mk_ac)) as issuer:
            keys = issuer.keys(version, account_block(pan, asked.sequence_number), objects[0x9F36])
        try:
            keys.cryptogram.verify(cryptogram_data(version, objects), version.padding, asked.cryptogram)
        except ProtocolError:
            self._told.append("the cryptogram is not the card's")
            return IssuerAnswer("05", approved=False)
        return CardIssuer(self.profile).answer(asked)


def contact_lane(steps: Steps | None = None, card: str = "test-visa-dda", **settings: Any) -> Callable[[Path], Any]:
    """An opener of a lane; the shipped steps unless others are given."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[ContactLane]:
        yield ContactLane(steps, card, **dict(settings))

    return opened
