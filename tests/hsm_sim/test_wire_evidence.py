# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs over the wire of host commands have all passed over this code, with as many cases as promised."""

from tests import evidence
from tests.hsm_sim.wire_evidence import AREA, CASES, FRAMES


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert CASES[FRAMES] == 1_000_000
    assert evidence.faults(AREA, CASES) == []
