# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A key that hosts name by its place in user storage: the key under its LMK, and what the vault says of it. Keeps none.

A key of a variant LMK says nothing of itself but by the type that a host claims. In the vault it has a type, a mode of
use and an exportability, sealed beside it, so a host that names it by its place cannot claim another type for it, nor
use it otherwise, nor take it out where it must stay.
"""

from dataclasses import dataclass
from typing import Any

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.key_usages import EXPORT_NONE
from hsm_sim.engine.purpose import Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.wrapping import WrappedKey
from protocols.hsm.codes import KeyScheme

UNRESTRICTED = "N"
"""The mode of use without special restrictions (X9.143-2021, table 8)."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key in user storage; usage is its key type, or the usage in its key block, which judges all for itself."""

    wrapped: WrappedKey
    usage: str
    mode: str
    exportability: str

    @property
    def in_block(self) -> bool:
        """Whether a key block around the key says, and authenticates, what it may do."""
        return self.wrapped.scheme is KeyScheme.KEY_BLOCK

    def as_type(self, kind: KeyType) -> WrappedKey:
        """The key, if it is of the type that a host says."""
        if not self.in_block and kind.code != self.usage:
            raise Refused(Reason.KEY_TYPE)
        return self.wrapped

    def permit(self, purpose: Purpose[Any]) -> None:
        """Refuse a direction that the key's mode of use does not have."""
        if not self.in_block and self.mode not in purpose.modes:
            raise Refused(Reason.KEY_BLOCK_MODE)

    def release(self) -> None:
        """Refuse to let the key out where it must stay, or where its mode of use would stay behind."""
        if self.in_block:
            return
        if self.exportability == EXPORT_NONE:
            raise Refused(Reason.KEY_BLOCK_EXPORT)
        if self.mode != UNRESTRICTED:
            raise Refused(Reason.KEY_BLOCK_MODE)
