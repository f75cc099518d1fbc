# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ways of A27 at the keypad of a stolen pad: a robot tries PINs, as fast as the pad takes them."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from device_profiles.pinpad_load import ThrottleData, load_pinpad
from device_profiles.twins.pinpad_cardholder import Behaviour
from protocols.serial.ipp import PinBlock, RequestPin
from tests.attacks.harness import Case
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


CASES = (
    _case("at a stolen pad: in five minutes", a_thousand_in_five_minutes),
    _case("at a stolen pad: with power cycles", a_thousand_with_power_cycles),
)
