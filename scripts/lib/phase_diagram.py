# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the vault's phases into docs/vault.md from their table; with ``--check`` says whether they are up to date."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from terminal_agent.sealed.phases import TRANSITIONS, Phase  # noqa: E402  # the line above finds it
from terminal_agent.sealed.requests import PERMITTED  # noqa: E402

PAGE = ROOT / "docs" / "vault.md"
START, END = "<!-- phases -->\n", "<!-- /phases -->\n"


def diagram() -> str:
    """Mermaid, and a table of what each phase permits."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> locked"]
    lines += [f"    {phase.value} --> {then.value}: {cause.value}" for (phase, cause), then in TRANSITIONS.items()]
    lines += ["```", "", "| phase | requests |", "|---|---|"]
    for phase in Phase:
        verbs = ", ".join(verb.name.lower().replace("_", " ") for verb in sorted(PERMITTED[phase]))
        lines.append(f"| {phase.value} | {verbs} |")
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
