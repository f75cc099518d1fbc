# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs over the cryptography have passed over this code, all of them, with as many cases as promised."""

from tests import evidence
from tests.fuzz.test_crypto_codecs import CODECS, LONG_CASES
from tests.protocols.crypto_evidence import AREA, CODEC_CASES, RUNS, garbage_run


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert LONG_CASES == CODEC_CASES == 100_000
    needed = RUNS | {garbage_run(codec): CODEC_CASES for codec in CODECS}
    assert evidence.faults(AREA, needed) == []
    assert evidence.is_current(AREA)
