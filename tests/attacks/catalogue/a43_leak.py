# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A43: card data goes where logs, traces, reports and files go, because somebody was careless."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.attacks.harness import Attack, Case
from tests.attacks.leaky.run import Ended, run


class Suite:
    """The tests that stand between a careless change and a release."""

    def __init__(self, *, searched: bool) -> None:
        self._searched = searched
        self._leaks: list[str] = []

    async def honest(self) -> bool:
        """With the shipped tracer all is green."""
        return (await self.run_with("careful")).code == 0

    def alerts(self) -> list[str]:
        """What the run's summary says."""
        return ["LEAK" for _ in self._leaks]

    async def run_with(self, tracer: str) -> Ended:
        """One run."""
        ended = await asyncio.to_thread(run, tracer, searched=self._searched)
        self._leaks += ended.leaks
        return ended


async def stop_redacting(target: Suite) -> bool:
    """Put in a tracer that shows packets as they are, and run the tests: the change goes out if they are green."""
    return (await target.run_with("careless")).code == 0


@asynccontextmanager
async def suite(_: Path, *, searched: bool) -> AsyncIterator[Suite]:
    """The suite with or without its search."""
    yield Suite(searched=searched)


ATTACK = Attack(
    id="A43",
    title="Card data leaks into what is kept",
    reference="PCI DSS 4.0, 3.3: no sensitive authentication data is stored after authorisation, not even enciphered; "
    "3.4: an account number is masked where it is shown",
    attacker="reads logs, traces, crash reports, reports to head office or old disks, and waits for somebody to be "
    "careless: here a tracer that redacts nothing",
    soft="tests that do not search what they wrote",
    defence="marked values are planted, and everything that the whole suite stored, logged or printed is searched for "
    "them in every form; wires too, see tests/secrets/test_wires.py",
    cases=(
        Case(
            "tracer that redacts nothing",
            soft=partial(suite, searched=False),
            hardened=partial(suite, searched=True),
            strike=stop_redacting,
            alert="LEAK",
            told="whoever runs the tests, which fail",
        ),
    ),
)
