# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs of the USB policy: what they cover, what they are called, how many cases each must have."""

import contextlib

from tests import evidence

AREA = "usb"
COVERS = (
    "protocols/errors.py",
    "protocols/octets.py",
    "protocols/public_key.py",
    "protocols/signed.py",
    "protocols/strict_json.py",
    "protocols/usb",
    "terminal_agent/usb",
)
CASES = 100_000
AGAINST = {
    "rule lines against usbguard-rule-parser": CASES,
    "the compatible evaluator against libusbguard": CASES,
    "the compiled evaluator against the plain one": CASES,
}
"""Differential runs: name → cases. Each reader's run is called ``garbage into NAME`` and has CASES."""


def garbage_run(reader: str) -> str:
    """What the run over a reader is called."""
    return f"garbage into {reader}"


def recorded(name: str, seed: int) -> contextlib.AbstractContextManager[None]:
    """A long run of this area, under a name of AGAINST or of a reader."""
    return evidence.run(AREA, COVERS, name, cases=CASES, seed=seed)
