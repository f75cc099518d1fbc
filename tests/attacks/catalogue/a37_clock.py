# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A37: the terminal's clock is set back so that what has expired is valid again, or ahead so that it never is again."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.attacks.harness import Attack, Case, Opener
from tests.attacks.hours import MINUTE, YEAR, Hours, hours
from tests.attacks.soft.clock import BelievingClock, RatchetClock

BELIEVING: Opener[Hours] = partial(hours, open_clock=BelievingClock)
RATCHET: Opener[Hours] = partial(hours, open_clock=RatchetClock)


async def set_it_back(target: Hours) -> bool:
    """Set the clock five years back while the agent runs."""
    before = target.record()
    target.machine.off_ms -= 5 * YEAR
    target.live(MINUTE)
    return target.record() < before


async def set_it_back_while_off(target: Hours) -> bool:
    """Stop the agent, remove the file with its trusted time, set the clock five years back, start the agent."""
    before = target.record()
    target.stop()
    target.time_file.unlink()
    target.machine.off_ms -= 5 * YEAR
    target.start()
    return target.record() < before


async def set_it_ahead_and_right(target: Hours) -> bool:
    """Set the clock five years ahead for ten minutes, then right again: is the terminal in the future for good?"""
    target.machine.off_ms += 5 * YEAR
    target.live(10 * MINUTE)
    target.machine.off_ms -= 5 * YEAR
    target.live(MINUTE)
    return target.record() > target.machine.true_ms + YEAR


def _case(name: str, soft: Opener[Hours], strike: Callable[[Hours], Awaitable[bool]]) -> Case[Hours]:
    return Case(name, soft, hours, strike, "clock.jumped", "head office, as a report on the lane for alerts")


ATTACK = Attack(
    id="A37",
    title="Clock set back or ahead",
    reference="RFC 5280, 6.1.3: a certificate is judged by the verifier's own idea of the time; so are cards",
    attacker="can set the terminal's clock, or what it takes its time from; wants expired things to be valid again, "
    "records to bear false times, or the terminal to be out of order for good",
    soft="a clock that is believed as it is; a clock that never goes back from the latest time that it saw",
    defence="time never falls below a floor: the build date, what was last trusted, over restarts too, and the last "
    "record, running on with the steady clock; the floor follows a jump ahead only after a day",
    cases=(
        _case("set back", BELIEVING, set_it_back),
        _case("set back while off", BELIEVING, set_it_back_while_off),
        _case("set ahead and right again", RATCHET, set_it_ahead_and_right),
    ),
)
