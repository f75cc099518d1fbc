# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A36: an older policy or profile, well signed in its time, is served again, or one that was meant for another."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.attacks.commanded import DAY_S, TERMINAL, Commanded, commanded
from tests.attacks.harness import Attack, Case, Opener
from tests.attacks.soft.orders import AnybodysProfiles, FloorlessProfiles, FloorlessStore, TimelessStore

OPEN = "title = 'old'\nrules = '''allow'''\n"
SHUT = "title = 'new'\nrules = '''block'''\n"


async def serve_an_older_policy(target: Commanded) -> bool:
    """Offer the policy of last month once more, which let everything in."""
    old = target.statement("usb-policy", 5, OPEN)
    target.offers(target.statement("usb-policy", 6, SHUT))
    return target.offers(old) == 5


async def serve_a_policy_that_is_over(target: Commanded) -> bool:
    """Keep a new policy back, and serve the old one for ever."""
    old = target.statement("usb-policy", 5, OPEN)
    target.clock.now += 2 * DAY_S * 1000
    return target.offers(old) == 5


async def put_an_older_profile_back(target: Commanded) -> bool:
    """Put the profile of last month on the disk in place of the one in force, and start the agent."""
    target.takes(target.statement("profile", 5, "limits of last month", terminal=TERMINAL))
    kept = (target.folder / "profile.signed").read_bytes()
    target.takes(target.statement("profile", 6, "limits of today", terminal=TERMINAL))
    (target.folder / "profile.signed").write_bytes(kept)
    return target.starts() == "limits of last month"


async def serve_anothers_profile(target: Commanded) -> bool:
    """Order the profile of a terminal at headquarters to be the shop's."""
    return target.takes(target.statement("profile", 9, "no limits", terminal="TG000002")) == "no limits"


def _case(
    name: str, soft: Opener[Commanded], strike: Callable[[Commanded], Awaitable[bool]], alert: str
) -> Case[Commanded]:
    return Case(name, soft, commanded, strike, alert, "whoever offers it, and head office where an order brought it")


ATTACK = Attack(
    id="A36",
    title="Downgrade of a policy or profile",
    reference="The Update Framework, specification 1.0, 1.5.2: rollback, freeze and mix-and-match; CVE-2023-4818",
    attacker="has head office's machines or the terminal's disk, and everything that was ever signed; wants "
    "yesterday's settings, which had a hole",
    soft="a store that keeps no floor; one that asks for no time; one that asks not for whom it is",
    defence="a statement names its terminal, its version and its end; the version that was taken last is a floor on "
    "the disk; what is kept is verified each time it is read, and an agent whose profile was put back does not start",
    cases=(
        _case("older policy", partial(commanded, store=FloorlessStore), serve_an_older_policy, "policy refused"),
        _case(
            "policy that is over",
            partial(commanded, store=TimelessStore),
            serve_a_policy_that_is_over,
            "policy refused",
        ),
        _case(
            "older profile on the disk",
            partial(commanded, profiles=FloorlessProfiles),
            put_an_older_profile_back,
            "profile refused",
        ),
        _case(
            "another terminal's profile",
            partial(commanded, profiles=AnybodysProfiles),
            serve_anothers_profile,
            "profile refused",
        ),
    ),
)
