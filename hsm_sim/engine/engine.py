# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The engine: one door through which every wire face asks. It knows requests, no wire; it gives out no clear key."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hsm_sim.engine import cards, keys, macs, pins
from hsm_sim.engine.keyring import Keyring, Random
from hsm_sim.engine.requests import Request
from hsm_sim.engine.wrapping import VariantLmk

R = TypeVar("R")

OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    **keys.OPERATIONS,
    **pins.OPERATIONS,
    **macs.OPERATIONS,
    **cards.OPERATIONS,
}
"""What can be asked, by the type of the request."""


class Engine:
    """One HSM behind its faces. Bound to one thread, as its cipher contexts are."""

    __slots__ = ("_keyring", "test_keys")

    def __init__(self, lmk: VariantLmk, random: Random) -> None:
        self._keyring = Keyring(lmk, random)
        self.test_keys = lmk.test

    def perform(self, request: Request[R]) -> R:
        """Carry out a request; raises :class:`hsm_sim.engine.refusal.Refused`."""
        result: R = OPERATIONS[type(request)](self._keyring, request)
        return result
