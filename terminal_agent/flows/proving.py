# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The proof of the terminal's binding for one message of a payment. The key is the vault's; who may ask, the clerk's.

A process that talks to a stranger's card cannot have proofs at will: it asks the agent, which has one made for the
payment that it gave, over the serial number and version of the binding in force and a random factor of its own.
"""

from collections.abc import Awaitable, Callable

from protocols.identity.binding import FACTOR_OCTETS, PROOF_OCTETS, Proof, challenge
from protocols.vault import Refusal
from terminal_agent.flows.keys import KeysRefused
from terminal_agent.identity.folder import Record

Prove = Callable[[bytes], Awaitable[bytes]]
"""The vault's answer to a challenge (:func:`protocols.identity.binding.proof`)."""


class Prover:
    """Proofs of one terminal that has a vault."""

    def __init__(self, record: Callable[[], Record], prove: Prove, entropy: Callable[[int], bytes]) -> None:
        self._record = record
        self._prove = prove
        self._entropy = entropy

    async def proof(self) -> str:
        """A new one, as it travels; empty where there is no binding, or no key for it: then the acquirer decides.

        Raises :class:`~terminal_agent.errors.AgentError` where the vault or the identity cannot be asked.
        """
        record = self._record()
        if record.binding is None:
            return ""
        factor = self._entropy(FACTOR_OCTETS)
        try:
            made = await self._prove(challenge(record.binding.serial, factor, record.version))
        except KeysRefused as refused:
            if refused.why == Refusal.NO_KEY:
                return ""
            raise
        return Proof(record.version, factor, made[:PROOF_OCTETS]).encode()
