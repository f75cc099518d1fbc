# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ways of A27 at the terminal's own vault: whoever has taken the agent asks for PIN blocks of PINs that he types."""

from collections.abc import Awaitable, Callable

from protocols.vault import PinMade
from tests.attacks.harness import Case
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


CASES = (
    _case("at the vault: a thousand requests", "no-throttle", ask_a_thousand_times),
    _case("at the vault: restarts in between", "full-throttle", restart_in_between),
)
