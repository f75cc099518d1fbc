# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A27: PIN after PIN is asked for, to try them all or to use the key up; restarts in between do not help."""

from collections.abc import Awaitable, Callable

from protocols.vault import PinMade
from tests.attacks.harness import Attack, Case
from tests.attacks.vaults import BURST, VaultTarget, vault

REQUESTS, RESTARTS = 1_000, 6


async def ask_a_thousand_times(target: VaultTarget) -> bool:
    """A thousand requests as fast as they are answered; a block more than one in 30 s and the burst is a success."""
    made = 0
    for _ in range(REQUESTS):
        made += isinstance(target.pin(), PinMade)
        if made > BURST:
            return True
    return False


async def restart_in_between(target: VaultTarget) -> bool:
    """Whenever it refuses, power off and on: a counter that lives in memory begins anew."""
    made = 0
    for _ in range(RESTARTS):
        while isinstance(target.pin(), PinMade):
            made += 1
            if made > BURST:
                return True
        target.restart()
    return False


def _case(name: str, lack: str, strike: Callable[[VaultTarget], Awaitable[bool]]) -> Case[VaultTarget]:
    return Case(
        name,
        soft=lambda folder: vault(folder, lack),
        hardened=vault,
        strike=strike,
        alert="vault.throttled",
        told="head office, as vault.alert",
    )


ATTACK = Attack(
    id="A27",
    title="PIN exhaustion",
    reference="PCI PTS POI: against exhaustive PIN determination, entries no oftener than one in 30 seconds on average",
    attacker="has taken the agent and asks the vault for PIN blocks of PINs that he types, to compare them with one "
    "that he captured, or to use the key up",
    soft="a vault that counts nothing, and one that counts in memory only",
    defence="a throttle that is charged in the same write as the key's counter, before the key is used; a restart "
    "gives no credit",
    cases=(
        _case("a thousand requests", "no-throttle", ask_a_thousand_times),
        _case("restarts in between", "full-throttle", restart_in_between),
    ),
)
