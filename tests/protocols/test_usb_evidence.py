# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs over the USB policy have passed over this code, all of them, with as many cases as promised."""

from tests import evidence
from tests.fuzz.test_usb_readers import READERS
from tests.protocols.usb_evidence import AGAINST, AREA, CASES, garbage_run


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert CASES == 100_000
    assert evidence.faults(AREA, AGAINST | {garbage_run(name): CASES for name in READERS}) == []
    assert evidence.is_current(AREA)
