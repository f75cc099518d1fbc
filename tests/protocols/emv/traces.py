# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The recorded contactless scripts as Python objects. Judges nothing."""

import json
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "vectors" / "contactless_k2_k3_traces.json"


@dataclass(frozen=True)
class Script:
    """One recorded transaction: commands with the card's answers, and what the recording kernel decided."""

    name: str
    exchanges: tuple[tuple[bytes, bytes], ...]
    outcome: str


def scripts() -> dict[str, Script]:
    """All scripts by name."""
    found = {}
    for entry in json.loads(FILE.read_text()):
        exchanges = tuple(
            (bytes.fromhex(sent), bytes.fromhex(received))
            for sent, received in zip(entry["observed"]["sent"], entry["observed"]["received"], strict=True)
        )
        found[entry["name"]] = Script(entry["name"], exchanges, entry["observed"]["outcome"])
    return found


ANSWERS = tuple(answer for script in scripts().values() for _, answer in script.exchanges)
COMMANDS = tuple(command for script in scripts().values() for command, _ in script.exchanges)
BODIES = tuple(dict.fromkeys(answer[:-2] for answer in ANSWERS))
