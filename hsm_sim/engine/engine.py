# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The engine: one door through which every wire face asks. It knows requests, no wire; it gives out no clear key.

An engine holds one or more LMKs by identifier. :meth:`Engine.under` gives the same engine working under another one;
a key wrapped under one LMK is noise, or does not authenticate, under the others.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hsm_sim.engine import (
    cards,
    ceremony,
    data,
    distribution,
    hmacs,
    key_transport,
    keys,
    macs,
    pin_issue,
    pins,
    rsa,
    tables,
)
from hsm_sim.engine.guard import Guard
from hsm_sim.engine.keyring import DEFAULT, NO_STORAGE, Keyring, Random, Storage
from hsm_sim.engine.lmk import Lmk
from hsm_sim.engine.policy import Policy
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import Request
from hsm_sim.engine.rsa_keys import RsaKeys

R = TypeVar("R")
Operation = Callable[[Keyring, Any], Any]

DEFAULT_LMK = "00"
"""The identifier that a request means which names none."""

OPERATIONS: Mapping[type, Operation] = {
    **keys.OPERATIONS,
    **key_transport.OPERATIONS,
    **pins.OPERATIONS,
    **pin_issue.OPERATIONS,
    **tables.OPERATIONS,
    **macs.OPERATIONS,
    **cards.OPERATIONS,
    **data.OPERATIONS,
    **ceremony.OPERATIONS,
    **hmacs.OPERATIONS,
    **rsa.OPERATIONS,
    **distribution.OPERATIONS,
}
"""What can be asked, by the type of the request."""

GUESSES: frozenset[type] = pins.GUESSES | pin_issue.GUESSES
"""Requests whose result tells whether a guess at a PIN was right; the guard watches these."""


class Engine:
    """One HSM behind its faces. Bound to one thread, as its cipher contexts are."""

    __slots__ = ("_keyring", "_operations", "_others", "policy", "test_keys")

    def __init__(
        self,
        lmks: Lmk | Mapping[str, Lmk],
        random: Random,
        *,
        policy: Policy = DEFAULT,
        guard: Guard | None = None,
        old_lmks: Mapping[str, Lmk] | None = None,
        storage: Mapping[str, Storage] | None = None,
    ) -> None:
        """One LMK, or several by identifiers of two digits, ``00`` among them; old LMKs and storage likewise."""
        by_id = lmks if isinstance(lmks, Mapping) else {DEFAULT_LMK: lmks}
        operations = OPERATIONS if guard is None else _guarded(guard)

        def keyring(name: str) -> Keyring:
            old = (old_lmks or {}).get(name)
            return Keyring(by_id[name], random, policy, old, storage=(storage or {}).get(name, NO_STORAGE))

        self._take(keyring(DEFAULT_LMK), operations)
        self._others: dict[str | None, Engine] = {None: self, DEFAULT_LMK: self}
        for name in by_id:
            if name != DEFAULT_LMK:
                other = object.__new__(Engine)
                other._take(keyring(name), operations)
                other._others = self._others
                self._others[name] = other

    def _take(self, keyring: Keyring, operations: Mapping[type, Operation]) -> None:
        self._keyring = keyring
        self._operations = operations
        self.policy = keyring.policy
        self.test_keys = keyring.lmk.test

    def under(self, lmk_id: str | None) -> "Engine | None":
        """The engine working under the LMK of an identifier (None: the default one); None if there is no such LMK."""
        return self._others.get(lmk_id)

    def take_rsa_keys_from(self, keys: RsaKeys) -> None:
        """Let new RSA keys come from there, whichever LMK they will lie under."""
        for engine in self._others.values():
            engine._keyring.rsa_keys = keys

    def perform(self, request: Request[R]) -> R:
        """Carry out a request; raises :class:`hsm_sim.engine.refusal.Refused`."""
        result: R = self._operations[type(request)](self._keyring, request)
        return result


def _guarded(guard: Guard) -> Mapping[type, Operation]:
    """The operations, those on guesses behind the guard: others pay nothing for it."""
    return {**OPERATIONS, **{kind: _watched(OPERATIONS[kind], guard) for kind in GUESSES}}


def _watched(operation: Operation, guard: Guard) -> Operation:
    def watched(keyring: Keyring, request: Any) -> Any:
        guard.before()
        try:
            result = operation(keyring, request)
        except Refused as refused:
            if refused.reason is Reason.PIN_BLOCK:  # it tells as much as a failed verification
                guard.failed()
            raise
        if result is False or result is None:
            guard.failed()
        return result

    return watched
