# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a noun of the calculator offers: a verb, its options, the secrets it may ask for. Calculates nothing."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hsm_sim.tool.secret_input import SecretInput, Secrets
from hsm_sim.tool.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Verb:
    """One calculation."""

    summary: str
    """One line, small first letter, no full stop."""
    configure: Callable[[argparse.ArgumentParser], None]
    """Adds the options that are not secret."""
    run: Callable[[argparse.Namespace, Secrets, Sheet], None]
    """Reads what it needs, calculates, writes on the sheet. Any ProtocolError becomes words and an exit code."""
    secrets: tuple[SecretInput, ...] = ()
    """What it may ask for, in the order in which it asks: that is the order of lines on stdin."""
    reveals: str = ""
    """What ``--reveal`` shows, as words; empty where no secret is calculated (then there is no such option)."""


class Noun(Protocol):
    """A module of the table :data:`hsm_sim.tool.NOUNS`."""

    EXAMPLES: str
    VERBS: Mapping[str, Verb]
