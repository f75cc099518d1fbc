# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A27: a robot at the keypad of a stolen pad tries PINs, as fast as the pad takes them."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from device_profiles.pinpad_load import ThrottleData, load_pinpad
from device_profiles.twins.pinpad_cardholder import Behaviour
from protocols.serial.ipp import PinBlock, RequestPin
from tests.attacks.harness import Attack, Case
from tests.device_profiles.twins.master_pads import Bench
from tests.device_profiles.twins.pads import TEST_PAN

TRIES = 1000
HONEST = 5


class StolenPad:
    """A :class:`tests.attacks.harness.Target`: a pad whose keypad is pressed by a robot, in virtual time."""

    def __init__(self, throttle: ThrottleData) -> None:
        load = dataclasses.replace(load_pinpad("test-bank-masters"), throttle=throttle)
        self.bench = Bench(Behaviour.RIGHT_PIN, load=load)
        self._told: list[str] = []

    async def honest(self) -> bool:
        """A queue of customers, one in ten seconds."""
        return all(isinstance(self.bench.ask(RequestPin(TEST_PAN), 10.0), PinBlock) for _ in range(HONEST))

    def alerts(self) -> list[str]:
        """What the pad notes."""
        self._told += [one.text for one in self.bench.twin.drain_noted()]
        return self._told

    def blocks(self, seconds_each: float, *, power_cycles: bool = False) -> int:
        """How many of a thousand requests bring a block."""
        found = 0
        for _ in range(TRIES):
            found += isinstance(self.bench.ask(RequestPin(TEST_PAN), seconds_each), PinBlock)
            if power_cycles:
                self.alerts()
                self.bench.power_cycle()
        return found


async def a_thousand_in_five_minutes(target: StolenPad) -> bool:
    """Ask for a thousand PINs within five minutes; it worked if half of them came out as blocks."""
    return target.blocks(0.3) >= TRIES // 2


async def a_thousand_with_power_cycles(target: StolenPad) -> bool:
    """The same, and switch the pad off and on after each, in case that fills its reserve."""
    return target.blocks(0.3, power_cycles=True) >= TRIES // 2


@asynccontextmanager
async def _pad(folder: Path, throttle: ThrottleData) -> AsyncIterator[StolenPad]:
    yield StolenPad(throttle)


def _case(name: str, strike: object) -> Case[StolenPad]:
    assert callable(strike)
    return Case(
        name,
        soft=lambda folder: _pad(folder, ThrottleData(burst=1_000_000, spacing_s=0.001)),
        hardened=lambda folder: _pad(folder, ThrottleData()),
        strike=strike,
        alert="PIN entries follow one another too fast",
        told="the terminal, as the pad's refusal, and whoever reads the pad's notes",
    )


ATTACK = Attack(
    id="A27",
    title="PINs tried by the thousand",
    reference="PCI PTS POI v6, B: PIN entries at least 30 s apart on average; UIC PP791 error 7; ABECS status 044",
    attacker="has a stolen card and pad and a robot for its keys; wants as many tries as there are PINs",
    soft="a pad with a bucket so large that it never empties",
    defence="a bucket of 120 entries that fills by one in 30 seconds, kept with the keys; time without power fills "
    "nothing",
    cases=(
        _case("in five minutes", a_thousand_in_five_minutes),
        _case("with power cycles", a_thousand_with_power_cycles),
    ),
)
