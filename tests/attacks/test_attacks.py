# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every attack of the catalogue works on its soft target, fails on the hardened one, and is told to somebody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.harness import Attack, Case, make
from tests.attacks.listing import attacks
from tests.attacks.table import PROPERTY, Row

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'

CASES = [
    pytest.param(attack, case, id=f"{attack.id}-{case.name.replace(' ', '-')}")
    for attack in attacks()
    for case in attack.cases
]


@pytest.mark.parametrize(("attack", "case"), CASES)
async def test_attack(
    attack: Attack, case: Case[Any], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    verdict = None
    try:
        verdict = await make(case, tmp_path)
    finally:
        record_property(PROPERTY, Row.of(attack, case, verdict).text())
    assert not verdict.faults


def test_every_attack_has_one_id_and_every_case_one_name() -> None:
    ids = [attack.id for attack in attacks()]
    assert len(set(ids)) == len(ids)
    for attack in attacks():
        names = [case.name for case in attack.cases]
        assert names
        assert len(set(names)) == len(names), attack.id
