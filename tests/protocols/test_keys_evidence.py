# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The evidence of the long runs over keys is whole, passed, and of this code."""

from tests import evidence
from tests.protocols.keys_evidence import AREA, RUNS


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert evidence.faults(AREA, RUNS) == []
