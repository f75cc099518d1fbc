# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's phases and what moves it from one to another, as a table. Rule: every transition lives in this file.

The diagram in docs/vault.md and the tests read the same table. What is not in it does not move the vault.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Phase(StrEnum):
    """What the vault can do now."""

    LOCKED = "locked"
    """Its store could not be opened, or is not what it was: it serves nothing."""
    LOADING = "loading"
    """It is open, and a key that payments need is missing."""
    READY = "ready"
    TAMPERED = "tampered"
    """All keys are destroyed. Two custodians lead out of it, to a vault without keys."""
    EXHAUSTED = "exhausted"
    """The PIN key has reached the end of its life: everything but PINs is served until another one is loaded."""


class Cause(StrEnum):
    """What happened."""

    OPENED_INCOMPLETE = "store opened, keys missing"
    OPENED_COMPLETE = "store opened, keys complete"
    OPENED_EXHAUSTED = "store opened, PIN key used up"
    OPENED_TAMPERED = "store opened, tamper mark"
    COMPLETED = "last missing key loaded"
    USED_UP = "PIN key used up"
    ZEROISED = "keys destroyed by order"
    TAMPER = "tamper input"
    RENEWED = "renewed by two custodians"


TRANSITIONS: Mapping[tuple[Phase, Cause], Phase] = MappingProxyType(
    {
        (Phase.LOCKED, Cause.OPENED_INCOMPLETE): Phase.LOADING,
        (Phase.LOCKED, Cause.OPENED_COMPLETE): Phase.READY,
        (Phase.LOCKED, Cause.OPENED_EXHAUSTED): Phase.EXHAUSTED,
        (Phase.LOCKED, Cause.OPENED_TAMPERED): Phase.TAMPERED,
        (Phase.LOCKED, Cause.TAMPER): Phase.TAMPERED,
        (Phase.LOADING, Cause.COMPLETED): Phase.READY,
        (Phase.LOADING, Cause.ZEROISED): Phase.LOADING,
        (Phase.LOADING, Cause.TAMPER): Phase.TAMPERED,
        (Phase.READY, Cause.USED_UP): Phase.EXHAUSTED,
        (Phase.READY, Cause.ZEROISED): Phase.LOADING,
        (Phase.READY, Cause.TAMPER): Phase.TAMPERED,
        (Phase.EXHAUSTED, Cause.COMPLETED): Phase.READY,
        (Phase.EXHAUSTED, Cause.ZEROISED): Phase.LOADING,
        (Phase.EXHAUSTED, Cause.TAMPER): Phase.TAMPERED,
        (Phase.TAMPERED, Cause.RENEWED): Phase.LOADING,
    }
)


def after(phase: Phase, cause: Cause) -> Phase:
    """The phase that follows; the same one where the table has nothing for it."""
    return TRANSITIONS.get((phase, cause), phase)
