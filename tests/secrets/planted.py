# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Marked values that flow tests plant: a PAN, a PIN and keys that occur nowhere else, so that a find is a leak.

They are made from a published sentence, so they protect nothing. They must not be written below the suite's own
folder: profiles that hold them go to :func:`tests.secrets.twins.planted_profiles`, which is a folder apart.
"""

import hashlib

from tests.secrets.scanner import Marked


def planted_key(name: str) -> bytes:
    """A double-length TDES key with odd parity."""
    octets = hashlib.sha256(f"tillguard planted {name}".encode()).digest()[:16]
    return bytes(octet & 0xFE | (bin(octet >> 1).count("1") + 1) % 2 for octet in octets)


PAN = "4000007391846208"
PIN = "860415397264"
KEYS = {name: planted_key(name) for name in ("BDK", "TMK-MAC", "PVK", "MK-AC")}

PLANTED = (
    Marked.digits("PAN", PAN),
    Marked.digits("PIN", PIN),
    *(Marked.octets(f"key {name}", value) for name, value in KEYS.items()),
)
