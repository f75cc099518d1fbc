# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a terminal's life into docs/identity.md from its table; with ``--check`` says whether it is up to date."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from protocols.identity.life import PERMITTED, TABLE, Duty, Life  # noqa: E402  # the line above finds it
from scripts.lib.drawn import Drawn  # noqa: E402


def diagram() -> str:
    """Mermaid, every step in words, and a table of what is permitted where."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {TABLE[0].before.value}"]
    lines += [f"    {one.before.value} --> {one.after.value}: {one.step.value}" for one in TABLE]
    lines += ["```", "", "| from | step | to | persons | what it says |", "|---|---|---|---|---|"]
    lines += [f"| {one.before} | {one.step} | {one.after} | {one.persons or 'none'} | {one.words} |" for one in TABLE]
    lines += ["", f"| life | {' | '.join(Duty)} |", f"|---|{'---|' * len(Duty)}"]
    for life in Life:
        lines.append(f"| {life} | {' | '.join('yes' if duty in PERMITTED[life] else 'no' for duty in Duty)} |")
    return "\n".join(lines) + "\n"


PAGE = Drawn(ROOT / "docs" / "identity.md", "life", diagram)

if __name__ == "__main__":
    sys.exit(PAGE.main(str(__doc__)))
