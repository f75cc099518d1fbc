# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the vault's phases into docs/vault.md from their table; with ``--check`` says whether they are up to date."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.lib.drawn import Drawn  # noqa: E402
from terminal_agent.sealed.phases import TRANSITIONS, Phase  # noqa: E402  # the line above finds it
from terminal_agent.sealed.requests import PERMITTED  # noqa: E402


def diagram() -> str:
    """Mermaid, and a table of what each phase permits."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> locked"]
    lines += [f"    {phase.value} --> {then.value}: {cause.value}" for (phase, cause), then in TRANSITIONS.items()]
    lines += ["```", "", "| phase | requests |", "|---|---|"]
    for phase in Phase:
        verbs = ", ".join(verb.name.lower().replace("_", " ") for verb in sorted(PERMITTED[phase]))
        lines.append(f"| {phase.value} | {verbs} |")
    return "\n".join(lines) + "\n"


PAGE = Drawn(ROOT / "docs" / "vault.md", "phases", diagram)

if __name__ == "__main__":
    sys.exit(PAGE.main(str(__doc__)))
