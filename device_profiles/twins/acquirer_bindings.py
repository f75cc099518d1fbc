# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a terminal is the one that was bound: machine, version, key, no proof twice. Asks no HSM, knows no card."""

from collections.abc import Sequence

from device_profiles.acquirer_profile import Bound
from device_profiles.twins.acquirer_ledger import Ledger
from protocols.acquirer.message import Message
from protocols.identity.binding import holds
from protocols.primitives import AesKey, Use


class Bindings:
    """The terminals that an acquirer knows the binding of."""

    def __init__(self, bound: Sequence[Bound], ledger: Ledger) -> None:
        self._bound = {one.terminal: one for one in bound}
        self._ledger = ledger

    def judge(self, message: Message) -> tuple[str, str]:
        """Why the terminal is not believed, and the check in words; both empty where nothing need be proven."""
        bound, proof = self._bound.get(message.terminal or ""), message.binding
        if bound is None:
            return "", ""
        if proof is None:
            return "this terminal must prove its binding", "absent"
        with AesKey(bytes.fromhex(bound.test_key), Use.CMAC) as key:
            genuine = holds(key, bound.serial, proof)
        if not genuine:
            return "the binding proof is wrong: another machine, or another key", "wrong"
        if proof.version != bound.version:
            return f"the proof is of binding {proof.version}, {bound.version} is in force", "another version"
        if not self._ledger.take_factor(bound.terminal, proof.factor):
            return "the binding proof was used before", "replayed"
        return "", "good"
