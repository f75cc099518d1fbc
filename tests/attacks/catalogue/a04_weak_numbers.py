# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A04: a terminal's next unpredictable number is known, so a cryptogram is taken from the card beforehand."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from terminal_agent.emv.unpredictable import PredictableNumbers, UnpredictableNumbers
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.emv import UntestedNumbers

HONEST_PAYMENTS, WATCHED = 200, 60
CERTAIN = 5
"""So many numbers foretold in a row, and the attacker has the terminal."""
Source = Callable[[int], bytes]
Foretell = Callable[[list[bytes]], bytes]


class NumberedTerminal:
    """A terminal as far as its numbers go: a :class:`tests.attacks.harness.Target`."""

    def __init__(self, maker: Callable[[Source], Any]) -> None:
        self.source: Source = random.Random(20_260_607).randbytes
        self._numbers = maker(lambda count: self.source(count))
        self._told: list[str] = []

    async def honest(self) -> bool:
        """Two hundred payments with a sound source."""
        return all(self.pay() for _ in range(HONEST_PAYMENTS))

    def alerts(self) -> list[str]:
        """What head office heard."""
        return self._told

    def pay(self) -> bytes:
        """The number of one payment, as it stands on the wire to the card; nothing where no payment is made."""
        try:
            number: bytes = self._numbers.next()
        except PredictableNumbers:
            self._told.append("terminal.weak-numbers")
            return b""
        return number


def counter() -> Source:
    """Found in the field: the upper bits stay, the lower ones count."""
    state = [0x77_05_1200]

    def count(octets: int) -> bytes:
        state[0] += 1
        return state[0].to_bytes(octets, "big")

    return count


def clock() -> Source:
    """Microseconds since the terminal started; payments follow after some thirty seconds."""
    state, jitter = [1_000_000], random.Random(7)

    def tick(octets: int) -> bytes:
        state[0] += 2_000 + jitter.randrange(1_000)
        return (state[0] & 0xFFFF_FFFF).to_bytes(octets, "big")

    return tick


def short_generator() -> Source:
    """A generator with sixteen bits of state, of which only sixteen come out."""
    state = [1]

    def draw(octets: int) -> bytes:
        state[0] = (state[0] * 0x6255 + 0x3619) & 0xFFFF
        return bytes(octets - 2) + state[0].to_bytes(2, "big")

    return draw


def stuck() -> Source:
    """Its power-on state, again and again."""
    return lambda octets: bytes.fromhex("1A2B3C4D")[:octets]


def after(step: int) -> Foretell:
    """The number before, and a step."""
    return lambda seen: ((int.from_bytes(seen[-1], "big") + step) % (1 << 32)).to_bytes(4, "big")


def _by_recurrence(seen: list[bytes]) -> bytes:
    return bytes(2) + ((int.from_bytes(seen[-1][2:], "big") * 0x6255 + 0x3619) & 0xFFFF).to_bytes(2, "big")


def harvest(degrade: Callable[[], Source], foretell: Foretell, near: int = 0) -> Callable[[Any], Any]:
    """A strike with that source and that way to foretell; ``near``: how far off still serves."""

    async def strike(target: NumberedTerminal) -> bool:
        """Wear the source out, watch some payments, and have the next numbers signed by a card that is elsewhere."""
        target.source = degrade()
        seen: list[bytes] = []
        right = 0
        for _ in range(WATCHED):
            number = target.pay()
            if not number:
                return False
            if seen:
                wrong_by = abs(int.from_bytes(foretell(seen), "big") - int.from_bytes(number, "big"))
                right = right + 1 if wrong_by <= near else 0
            seen.append(number)
        return right >= CERTAIN

    return strike


def numbered(maker: Callable[[Source], Any]) -> Callable[[Path], Any]:
    """An opener of a terminal with numbers of ``maker``."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[NumberedTerminal]:
        yield NumberedTerminal(maker)

    return opened


ATTACK = Attack(
    id="A04",
    title="Unpredictable number predicted",
    reference="Bond, Choudary, Murdoch, Skorobogatov, Anderson 2012: Chip and Skim, arXiv 1209.2531",
    attacker="can make a terminal's generator weak, or found one that is, and has a card for a minute elsewhere; wants "
    "its cryptogram for a payment to come",
    soft="a terminal that uses whatever its source gives",
    defence="health tests of every number after NIST SP 800-90B: a source that repeats itself, counts, follows a clock "
    "or has too few values takes no more payments",
    cases=tuple(
        Case(
            name,
            soft=numbered(UntestedNumbers),
            hardened=numbered(UnpredictableNumbers),
            strike=harvest(degrade, foretell, near),
            alert="terminal.weak-numbers",
            told="head office, in the payment's alerts",
        )
        for name, degrade, foretell, near in (
            ("a counter", counter, after(1), 0),
            ("a clock", clock, after(2_500), 1_000),
            ("a short generator", short_generator, _by_recurrence, 0),
            ("a stuck generator", stuck, after(0), 0),
        )
    ),
)
