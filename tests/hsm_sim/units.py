# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A unit of a test's own, with a clock that stands still and a listener that remembers. No test."""

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.states import States
from hsm_sim.payshield.unit import Rules, Unit
from protocols.hsm.commands.command import Activity

ACTIVITIES = [str(activity) for activity in Activity if activity]


class Heard:
    """Remembers what a unit tells."""

    def __init__(self, bugs: list[str] | None = None) -> None:
        self.bugs = [] if bugs is None else bugs
        self.commands: list[tuple[str, str, str]] = []

    def done(self, code: str, error: str, peer: str) -> None:
        self.commands.append((code, error, peer))

    def bug(self, code: str, kind: str) -> None:
        self.bugs.append(f"{code}: {kind}")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def unit(
    engine: Engine,
    header_octets: int = 4,
    *,
    heard: Heard | None = None,
    clock: Clock | None = None,
    rules: Rules | None = None,
) -> Unit:
    """A unit that is online, nothing authorised."""
    states = States(clock or Clock(), ACTIVITIES)
    return Unit(engine, header_octets, states, rules=rules or Rules(), listener=heard or Heard())
