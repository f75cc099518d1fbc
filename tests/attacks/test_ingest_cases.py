# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Attacks upon head office that count wherever the catalogue lists them."""

from pathlib import Path
from typing import Any

import pytest

from tests.attacks import ingest_cases
from tests.attacks.harness import Case, make

CASES = (*ingest_cases.COPIED, *ingest_cases.ALONE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_it_works_on_the_soft_twin_and_nowhere_else(case: Case[Any], tmp_path: Path) -> None:
    assert not (await make(case, tmp_path)).faults
