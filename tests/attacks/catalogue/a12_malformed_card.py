# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A12: a card that answers nonsense crashes the terminal, or keeps it busy for ever."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from device_profiles import catalog
from device_profiles.card_profile import load_card
from device_profiles.model import AtrRules
from device_profiles.serve.card_choice import chosen
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from terminal_agent.card.pcsc import open_reader
from terminal_agent.emv import ContactTransaction, Decision, PinAnswer
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import PATIENCE, READS_ON, FetchingReader, soft_depth
from tests.device_profiles.twins.pcscd_client import PlainCard
from tests.terminal_agent.emv.contact_session import authorities, request, terminal
from tests.terminal_agent.flows.contact_bench import BenchReader, Shop
from tests.twin_pcscd import Desk

TOO_MUCH = 200_000
"""Octets: a payment card's records have some two thousand; of these one is looked at, and one of its directory."""
T1_WITHOUT_TB3 = bytes.fromhex("3B800181")
"""An answer to reset that EMV refuses: T=1, and not a word about its timing (EMV 4.4 Book 1, 8.3.3.10)."""
Careful = Callable[[bytes], object]


class Slot:
    """The contact machine: a :class:`tests.attacks.harness.Target`. ``reading`` sees every answer first."""

    def __init__(self, reading: Careful | None, steps: Any) -> None:
        self._reading = reading
        self._steps = steps
        self._told: list[str] = []
        self.fed = 0
        """Octets that the card in it gave."""

    async def honest(self) -> bool:
        """A good card's records are read to the end, and it goes online where all steps are the shipped ones."""
        decision = self.insert("none")
        return decision is Decision.ONLINE or (self._steps is not None and decision is Decision.ENDED)

    def alerts(self) -> list[str]:
        """What head office heard."""
        return self._told

    def insert(self, fault: str) -> Decision | None:
        """A card with that fault in the slot; None where the terminal never comes to an end."""
        faults = [] if fault == "none" else [CONTACT_FAULTS[fault]()]
        card = FaultyContactCard(ContactCardTwin(load_card("test-visa-cda")), *faults)
        card.power_on()
        payment = ContactTransaction(terminal(), request(), 50, authorities(), work=self._steps)
        machine, self.fed = payment.first(), 0
        try:
            wanted: Any = next(machine)
            for _ in range(PATIENCE):
                if isinstance(wanted, bytes):
                    octets = card.apdu(wanted)
                    self.fed += len(octets)
                    if self._reading is not None:
                        self._reading(octets[:-2])
                    wanted = machine.send(octets)
                else:
                    wanted = machine.send(PinAnswer.ENTERED)
        except StopIteration as end:
            self._told += [alert.value for alert in end.value.alerts]
            decision: Decision = end.value.decision
            return decision
        return None


async def nest_templates(target: Slot) -> bool:
    """Answer READ RECORD with a bomb."""
    try:
        target.insert("nested-templates")
    except RecursionError:
        return True
    return False


async def name_thousands_of_records(target: Slot) -> bool:
    """A file locator of 62 entries, each of 255 records."""
    return target.insert("long-locator") is None


async def feed_long_records(target: Slot) -> bool:
    """Records of 64 KiB each, for as long as the terminal eats them."""
    with contextlib.suppress(AssertionError):
        target.insert("long-record")
    return target.fed > TOO_MUCH


def slot(reading: Careful | None, steps: Any = None) -> Callable[[Path], Any]:
    """An opener of a slot."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Slot]:
        yield Slot(reading, steps)

    return opened


class Till:
    """Whole payments, each in a shop of its own: a target."""

    def __init__(self, folder: Path, reader: Callable[[Any], BenchReader]) -> None:
        self._folder = folder
        self._reader = reader
        self._shops = 0
        self._told: list[str] = []

    async def honest(self) -> bool:
        """A good card pays."""
        return (await self.pay("none"))[0] == "approved"

    def alerts(self) -> list[str]:
        """What head office heard."""
        return self._told

    async def pay(self, fault: str) -> tuple[str, int]:
        """The outcome with a card of that fault, and how many commands were sent to it."""
        self._shops += 1
        faults = [] if fault == "none" else [CONTACT_FAULTS[fault]()]
        shop = Shop(self._folder / str(self._shops), *faults, slot=self._reader)
        with contextlib.closing(shop):
            fields = await shop.pay()
            self._told += [str(event.fields["alert"]) for event in shop.events if event.name == "payment.alert"]
            return fields["outcome"], len(shop.reader.commands)


def till(reader: Callable[[Any], BenchReader]) -> Callable[[Path], Any]:
    """An opener of a till with that reader."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Till]:
        yield Till(folder, reader)

    return opened


def go_on_for_ever(fault: str) -> Callable[[Till], Awaitable[bool]]:
    """A way to make it: with that fault of a card."""

    async def strike(target: Till) -> bool:
        """A card whose answer has no end."""
        _, sent = await target.pay(fault)
        return sent >= PATIENCE

    return strike


class Counter:
    """Whole payments with a card in a PC/SC reader: a target. ``rules``: which answers to reset are taken."""

    def __init__(self, folder: Path, rules: AtrRules) -> None:
        self._folder = folder
        self._rules = rules
        self._shops = 0
        self._told: list[str] = []

    async def honest(self) -> bool:
        """A good card pays."""
        return "approved" in await self.pay(chosen("test-visa-contact"))

    def alerts(self) -> list[str]:
        """What head office heard."""
        return self._told

    async def pay(self, card: Any) -> str:
        """Everything that the payment with that card said."""
        self._shops += 1
        generic = catalog.reader("pcsc")
        with Desk() as desk:
            desk.insert(card)
            reader = await open_reader(replace(generic, pcsc=replace(generic.pcsc, atr_rules=self._rules)), "pcsc:Till")
            shop = Shop(self._folder / str(self._shops), driver=reader)
            try:
                await shop.pay()
                self._told += [str(event.fields["alert"]) for event in shop.events if event.name == "payment.alert"]
                return str([dict(event.fields) for event in shop.events])
            finally:
                shop.close()
                await reader.close()


def counter(rules: AtrRules) -> Callable[[Path], Any]:
    """An opener of a counter."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Counter]:
        yield Counter(folder, rules)

    return opened


async def answer_the_reset_with_nonsense(target: Counter) -> bool:
    """A chip that no terminal may talk to gets its commands all the same."""
    chip = PlainCard(atr=T1_WITHOUT_TB3)
    await target.pay(chip)
    return bool(chip.told)


def _case(name: str, soft: Any, hardened: Any, strike: Any) -> Case[Any]:
    told = "head office, in the payment's alerts"
    return Case(name, soft=soft, hardened=hardened, strike=strike, alert="card.malformed", told=told)


SHIPPED = till(BenchReader)
ATTACK = Attack(
    id="A12",
    title="Malformed card",
    reference="Nils and Butterly, MWR InfoSecurity, Black Hat 2012: PinPadPwn",
    attacker="has a chip of their own making in the slot; wants the terminal to crash, or to run their octets",
    soft="a decoder that follows templates wherever they lead; steps that read whatever is named; a reader that "
    "fetches by itself; a reader that takes every answer to reset",
    defence="one pass without recursion; bounds on depth, number and length, on records, on fetches; EMV's rules for "
    "the answer to reset; whatever does not fit ends the payment. 100,000 fuzzed answers: docs/evidence/cards.json",
    cases=(
        _case("templates within templates", slot(soft_depth), slot(None), nest_templates),
        _case("a locator of 15,810 records", slot(None, READS_ON), slot(None), name_thousands_of_records),
        _case("records of 64 KiB", slot(None, READS_ON), slot(None), feed_long_records),
        _case("61xx without end", till(FetchingReader), SHIPPED, go_on_for_ever("endless-61xx")),
        _case("6Cxx without end", till(FetchingReader), SHIPPED, go_on_for_ever("endless-6cxx")),
        _case(
            "an answer to reset that EMV refuses",
            counter(AtrRules.ISO),
            counter(AtrRules.EMV),
            answer_the_reset_with_nonsense,
        ),
    ),
)
