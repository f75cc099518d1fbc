# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/attacks.md from the attacks themselves; with ``--check`` says whether it is up to date. Runs none."""

import argparse
import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.attacks.harness import Attack  # noqa: E402  # the line above finds it
from tests.attacks.listing import attacks  # noqa: E402

PAGE = ROOT / "docs" / "attacks.md"
HEAD = """\
# Attacks

Written by `scripts/lib/attack_docs.py` from `tests/attacks/catalogue/`; do not edit.

Each attack is made twice by the same code: on a *soft* target, which lacks the one defence in question, and on the
*hardened* one, which is what is shipped. It counts only if both targets first serve an honest party without the alert,
the attack works on the soft target, fails on the hardened one, and there the named alert reaches a person. A soft
target that stops being vulnerable fails the suite as surely as a hardened one that falls. Soft targets live in
`tests/attacks/soft/` and are put together by composition: the shipped code has no switch for them and the wheel does
not hold them.

`scripts/test` ends with the table of what each attack did in that run; `scripts/test tests/attacks` runs them alone.
All targets are simulated parts of this repository, on loopback.

To add one: a file `tests/attacks/catalogue/aNN_words.py` with an `ATTACK`, its soft target in
`tests/attacks/soft/<room>.py`, and a run of `.venv/bin/python scripts/lib/attack_docs.py`.

"""


def page(found: tuple[Attack, ...]) -> str:
    """The whole page."""
    listing = ["| id | attack | ways | alerts |", "|---|---|---|---|"]
    for attack in found:
        alerts = ", ".join(sorted({f"`{case.alert}`" for case in attack.cases}))
        listing.append(f"| [{attack.id}](#{_anchor(attack)}) | {attack.title} | {len(attack.cases)} | {alerts} |")
    return HEAD + "\n".join(listing) + "\n" + "".join(_section(attack) for attack in found)


def _section(attack: Attack) -> str:
    lines = [
        "",
        f"## {attack.id}: {attack.title}",
        "",
        f"- **Attacker**: {attack.attacker}.",
        f"- **Soft target**: {attack.soft}.",
        f"- **Defence**: {attack.defence}.",
        f"- **Reference**: {attack.reference}.",
        "",
        "| way | what is done | alert | told to |",
        "|---|---|---|---|",
    ]
    for case in attack.cases:
        done = " ".join((inspect.getdoc(case.strike) or "").split())
        lines.append(f"| {case.name} | {done} | `{case.alert}` | {case.told} |")
    return "\n".join(lines) + "\n"


def _anchor(attack: Attack) -> str:
    kept = "".join(character for character in attack.title.lower() if character.isalnum() or character in " -")
    return f"{attack.id.lower()}-{kept.replace(' ', '-')}"


def main() -> int:
    """Exit code 1 where the page is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 where it is out of date")
    options = parser.parse_args()
    wanted = page(attacks())
    if PAGE.exists() and PAGE.read_text("utf-8") == wanted:
        return 0
    if options.check:
        print(f"{PAGE.relative_to(ROOT)} is out of date; run: scripts/lib/attack_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
