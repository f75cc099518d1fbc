# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The recorded contact scripts as Python objects. Judges nothing."""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "vectors"

Exchanges = list[tuple[bytes, bytes]]


def emulated() -> dict[str, Exchanges]:
    """The scripts of emulated cards by ``file:name``, as commands and answers."""
    found = {}
    for entry in json.loads((FOLDER / "emv_utils_card_traces.json").read_text()):
        file = entry["source"].split()[1].rpartition("/")[2].removesuffix(".c")
        found[f"{file}:{entry['name']}"] = _exchanges(entry["exchanges"])
    return found


def transaction() -> Exchanges:
    """The whole contact transaction with both PIN methods and both cryptograms."""
    return _exchanges(json.loads((FOLDER / "emvpt_contact_transaction.json").read_text())["exchanges"])


def _exchanges(entries: list[dict[str, str]]) -> Exchanges:
    return [(bytes.fromhex(entry["c"]), bytes.fromhex(entry["r"])) for entry in entries]
