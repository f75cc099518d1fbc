# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs over key blocks and card cryptography have passed over this code, all of them, with all their cases."""

from tests import evidence
from tests.protocols.emv.test_emv_differential import RUNNERS as EMV
from tests.protocols.keyblock.test_differential import RUNNERS as KEY_BLOCKS
from tests.protocols.keys_evidence import AREA, COVERS, RUNS


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert {*EMV, *KEY_BLOCKS} < set(RUNS)
    assert RUNS["random blobs imported as key blocks"] >= 100_000
    assert evidence.faults(AREA, RUNS) == []
    assert evidence.is_current(AREA)


def test_it_covers_everything_that_the_runs_are_about() -> None:
    assert {"protocols/keyblock", "protocols/key_series.py", "protocols/emv/cryptogram.py"} < set(COVERS)
