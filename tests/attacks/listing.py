# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the attacks: one file each in ``catalogue``, named after its id. Runs none."""

import importlib
from pathlib import Path

from tests.attacks.harness import Attack

CATALOGUE = Path(__file__).with_name("catalogue")


def attacks() -> tuple[Attack, ...]:
    """Every attack, by id; a file without one, or with one of another id, is an error."""
    found = []
    for path in sorted(CATALOGUE.glob("*.py")):
        attack = importlib.import_module(f"tests.attacks.catalogue.{path.stem}").ATTACK
        if not path.stem.startswith(f"{attack.id.lower()}_"):
            raise ValueError(f"{path}: holds {attack.id}, its name says another")
        found.append(attack)
    return tuple(found)
