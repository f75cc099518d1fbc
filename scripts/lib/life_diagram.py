# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a terminal's life into docs/identity.md from its table; with ``--check`` says whether it is up to date."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from protocols.identity.life import PERMITTED, TABLE, Duty, Life  # noqa: E402  # the line above finds it

PAGE = ROOT / "docs" / "identity.md"
START, END = "<!-- life -->\n", "<!-- /life -->\n"


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


def page(text: str) -> str:
    """The page with the present diagram in it."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return before + START + diagram() + END + after


def main() -> int:
    """Exit code 1 where ``--check`` finds an old one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    old = PAGE.read_text()
    new = page(old)
    if options.check:
        return int(old != new)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
