# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What an operation wants a key for: a use, a direction, and how the live key is built. Holds no key.

A purpose is all that the keyring needs to judge a key and to remember it: the same key for another purpose is judged
anew. The direction is the mode of use of X9.143; keys of a variant LMK know none and may be used both ways.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.refusal import Reason, Refused
from protocols.secret import ClearKey

T_co = TypeVar("T_co", covariant=True)

TDES, AES = "T", "A"
"""Algorithms as key blocks write them; keys of a variant LMK are all TDES."""

# Modes of use that permit a direction (X9.143-2021, table 8); N, no restriction, always does.
ENCIPHERS = "BEN"
DECIPHERS = "BDN"
GENERATES = "CGN"
VERIFIES = "CVN"
DERIVES = "XN"


@dataclass(frozen=True, slots=True, eq=False)
class Purpose(Generic[T_co]):
    """One purpose; each exists once, as a constant of the operation's module."""

    use: Use
    modes: str
    tdes: Callable[[ClearKey], T_co] | None = None
    aes: Callable[[ClearKey], T_co] | None = None

    def live(self, algorithm: str, clear: ClearKey) -> T_co:
        """The key as the operation wants it; refuses an algorithm that the operation has no use for."""
        make = self.aes if algorithm == AES else self.tdes
        if make is None:
            raise Refused(Reason.KEY_BLOCK_ALGORITHM)
        return make(clear)
