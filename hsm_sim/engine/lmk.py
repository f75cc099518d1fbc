# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What an LMK does for the engine, whatever its scheme. The port only; :mod:`hsm_sim.engine.wrapping` holds one."""

from collections.abc import Callable
from typing import Any, Protocol

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.purpose import Purpose
from hsm_sim.engine.wrapping import WrappedKey
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.secret import ClearKey


class Lmk(Protocol):
    """Local master keys of one identifier. Bound to one thread, as its cipher contexts are."""

    @property
    def test(self) -> bool:
        """Whether the keys are publicly known."""

    @property
    def authenticates(self) -> bool:
        """Whether keys lie in key blocks: unwrapping notices every change, and parity has nothing to say."""

    def permits(self, wrapped: WrappedKey, kind: KeyType, purpose: Purpose[Any]) -> str:
        """The key's algorithm; refuses a purpose that a key said to be of type ``kind`` does not have."""

    def unwrap(self, wrapped: WrappedKey, kind: KeyType) -> ClearKey:
        """The clear key."""

    def header(self, wrapped: WrappedKey) -> BlockHeader | None:
        """What a key's block says; None where keys lie in none."""

    def wrap(
        self,
        key: ClearKey,
        kind: KeyType,
        scheme: KeyScheme,
        header: BlockHeader | None,
        random: Callable[[int], bytes],
    ) -> WrappedKey:
        """A clear key as one of type ``kind``, or with what its key block shall say."""

    def derived(self, purpose: str) -> ClearKey:
        """A key of 32 octets of this LMK's own for a purpose; the caller wipes it."""

    def check_value(self) -> bytes:
        """Eight octets that tell one LMK from another."""

    def close_table(self, digits: str) -> str:
        """A decimalisation table of 16 digits as a host holds it."""

    def open_table(self, text: str) -> str:
        """The digits again; noise, which is no table, where this LMK did not close it."""
