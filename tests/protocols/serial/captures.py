# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What real clients sent to a PN532 on a pseudo terminal, and what they were answered. Reads a file, judges nothing."""

import json
from pathlib import Path

_FILE = Path(__file__).parents[2] / "vectors" / "pn532_hsu_captures.json"


def sessions() -> dict[str, list[tuple[str, bytes]]]:
    """By client: direction (``host`` or ``chip``) and octets, in order."""
    facts = json.loads(_FILE.read_text())["facts"]
    return {
        client: [("host" if way.startswith("host") else "chip", bytes.fromhex(octets)) for way, octets in exchange]
        for client, exchange in facts.items()
    }


def known() -> dict[str, bytes]:
    """Frames by name."""
    return {name: bytes.fromhex(octets) for name, octets in json.loads(_FILE.read_text())["known"].items()}
