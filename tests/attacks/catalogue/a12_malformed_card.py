# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A12: a card that answers nonsense crashes the terminal, or keeps it busy for ever."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from device_profiles.card_profile import load_card
from device_profiles.twins.contact_card import ContactCardTwin
from terminal_agent.emv import ContactTransaction, Decision, PinAnswer
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import soft_depth
from tests.terminal_agent.emv.contact_session import authorities, request, terminal

LEVELS = 9_000
PATIENCE = 1_000
"""Commands: more than any payment needs, and where nobody waits any longer."""
Answer = Callable[[bytes], bytes]
Careful = Callable[[bytes], object]


class Slot:
    """A terminal's contact slot: a :class:`tests.attacks.harness.Target`. ``reading`` sees every answer first."""

    def __init__(self, reading: Careful | None, most: int) -> None:
        self._reading = reading
        self._most = most
        self._told: list[str] = []

    async def honest(self) -> bool:
        """A good card goes online."""
        card = ContactCardTwin(load_card("test-visa-cda"))
        card.power_on()
        return self.insert(card.apdu) is Decision.ONLINE

    def alerts(self) -> list[str]:
        """What head office heard."""
        return self._told

    def insert(self, answer: Answer) -> Decision | None:
        """A card in the slot; None where the terminal never comes to an end."""
        payment = ContactTransaction(terminal(), request(), 50, authorities())
        machine, sent = payment.first(), 0
        try:
            wanted: Any = next(machine)
            while sent < self._most:
                if isinstance(wanted, bytes):
                    sent += 1
                    octets = answer(wanted)
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


def bomb() -> bytes:
    """Templates within templates, each as long as it may be."""
    inside = b""
    for _ in range(LEVELS):
        size = len(inside)
        inside = b"\x70\x82" + size.to_bytes(2, "big") + inside
        if len(inside) > 65_000:
            break
    return inside


async def nest_templates(target: Slot) -> bool:
    """Answer the first question that matters with a bomb."""
    good = ContactCardTwin(load_card("test-visa-cda"))
    good.power_on()
    try:
        target.insert(lambda command: bomb() + b"\x90\x00" if command[1] == 0xB2 else good.apdu(command))
    except RecursionError:
        return True
    return False


def slot(reading: Careful | None) -> Callable[[Path], Any]:
    """An opener of a slot."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Slot]:
        yield Slot(reading, PATIENCE)

    return opened


ATTACK = Attack(
    id="A12",
    title="Malformed card",
    reference="Nils and Butterly, MWR InfoSecurity, Black Hat 2012: PinPadPwn",
    attacker="has a chip of their own making in the slot; wants the terminal to crash, or to run their octets",
    soft="a terminal whose decoder follows templates wherever they lead",
    defence="one pass without recursion, bounds on depth, number and length; whatever does not fit ends the payment. "
    "100,000 fuzzed answers: docs/evidence/cards.json",
    cases=(
        Case(
            "templates within templates",
            soft=slot(soft_depth),
            hardened=slot(None),
            strike=nest_templates,
            alert="card.malformed",
            told="head office, in the payment's alerts",
        ),
    ),
)
