# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ways of A27 at the terminal's own vault: whoever has taken the agent asks for PIN blocks of PINs that he types."""

from collections.abc import Awaitable, Callable
from typing import Any

from protocols.vault import EnterCardPin, PinMade, Result
from tests.attacks.harness import Case
from tests.attacks.vaults import BURST, VaultTarget, vault

REQUESTS, RESTARTS = 1_000, 6
FOR_CARD = EnterCardPin(b"\xc5" * 128, 65_537, bytes(8), "", 10_000)
"""Any odd number is a key to the vault: it cannot tell whose it is given."""


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


async def ask_for_host_and_card_by_turns(target: VaultTarget) -> bool:
    """Every second PIN is asked for as one that a card checks: another request must not have a throttle of its own."""
    made = 0
    for number in range(REQUESTS):
        reply = target.pin(FOR_CARD if number % 2 else None)
        made += isinstance(reply, PinMade | Result)
        if made > BURST:
            return True
    return False


def _case(name: str, lack: str, strike: Callable[[VaultTarget], Awaitable[bool]], **more: Any) -> Case[VaultTarget]:
    return Case(
        name,
        soft=lambda folder: vault(folder, lack, **more),
        hardened=lambda folder: vault(folder, **more),
        strike=strike,
        alert="vault.throttled",
        told="head office, as vault.alert",
    )


CASES = (
    _case("at the vault: a thousand requests", "no-throttle", ask_a_thousand_times),
    _case("at the vault: restarts in between", "full-throttle", restart_in_between),
    _case("at the vault: for host and card by turns", "no-throttle", ask_for_host_and_card_by_turns, card_pin=True),
)
