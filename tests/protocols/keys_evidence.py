# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long runs of keys and card cryptography: what they cover, what they are called, how many cases each must have."""

import contextlib

from tests import evidence

AREA = "keys"
COVERS = (
    "protocols/emv/card_keys.py",
    "protocols/emv/cryptogram.py",
    "protocols/emv/issuer.py",
    "protocols/emv/issuer_script.py",
    "protocols/emv/oda.py",
    "protocols/errors.py",
    "protocols/key_series.py",
    "protocols/keyblock",
    "protocols/mac.py",
    "protocols/octets.py",
    "protocols/primitives.py",
    "protocols/secret.py",
)
RUNS = {
    "random blobs imported as key blocks": 1_000_000,
    "authentic headers over random blobs": 500_000,
    "mutated key blocks": 1_000_000,
    "random text as key blocks": 200_000,
    "key blocks against psec": 200_000,
    "EMV functions against pyemv": 100_000,
    "EMV versions against pyemv": 40_000,
    "garbage into certificate recovery": 100_000,
    "garbage into TR-34 tokens": 100_000,
}
"""Run → cases."""


def recorded(name: str, seed: int) -> contextlib.AbstractContextManager[None]:
    """A long run of this area, under a name of RUNS."""
    return evidence.run(AREA, COVERS, name, cases=RUNS[name], seed=seed)
