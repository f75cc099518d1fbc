# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs of the cryptography: what they cover, what they are called, how many cases each must have."""

import contextlib

from tests import evidence

AREA = "crypto"
COVERS = (
    "protocols/card_code.py",
    "protocols/dukpt",
    "protocols/mac.py",
    "protocols/octets.py",
    "protocols/pan.py",
    "protocols/pin",
    "protocols/primitives.py",
    "protocols/secret.py",
)
CODEC_CASES = 100_000
RUNS = {
    "AES DUKPT against a restatement": 100_000,
    "TDES DUKPT against pydukpt": 100_000,
    "PIN blocks against psec": 200_000,
    "PIN blocks of format 4 against psec": 200_000,
    "verdicts on mutated PIN blocks against psec": 200_000,
    "PIN translation against psec": 200_000,
    "PVV and IBM 3624 against psec": 200_000,
    "Visa PIN change against pyemv": 200_000,
    "CVV against psec": 200_000,
    "retail MAC and CBC-MAC against psec": 200_000,
}
"""Differential runs: name → cases. Each decoder's run is called ``garbage into NAME`` and has CODEC_CASES."""


def garbage_run(codec: str) -> str:
    """What the run over a decoder is called."""
    return f"garbage into {codec}"


def recorded(name: str, seed: int) -> contextlib.AbstractContextManager[None]:
    """A long run of this area, under a name of RUNS or of a decoder."""
    return evidence.run(AREA, COVERS, name, cases=RUNS.get(name, CODEC_CASES), seed=seed)
