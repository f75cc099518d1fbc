# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent check``: is this machine fit to take real money? Refuses with exit code 4; mends nothing."""

import argparse
from pathlib import Path

from tillguard.exits import Exit
from tillguard.voice import Voice

EXAMPLES = """\
examples:
  terminal-agent check
  terminal-agent check --settings /etc/tillguard/terminal.toml --settings /etc/tillguard/trust.toml

The agent's unit runs it as root before the agent starts; where it refuses, the agent does not start.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    parser.add_argument(
        "--settings", type=Path, action="append", default=[], metavar="FILE",
        help="a profile, a trust list: TEST keys and names are looked for in it and in what it names",
    )  # fmt: skip
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="the machine (default /)")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 4 where anything was found."""
    from terminal_agent.processes.self_check import self_check

    found = self_check(options.root, tuple(options.settings))
    lines = [f"{one.kind}: {one.words}\n  {one.cure}" for one in found]
    Voice("terminal-agent", as_json=options.json).answer(
        {"fit": not found, "faults": [{"kind": one.kind, "what": one.words, "cure": one.cure} for one in found]},
        "\n".join([*lines, f"not fit for production: {len(found)} faults"]) if found else "fit for production",
    )
    return int(Exit.REFUSED) if found else 0
