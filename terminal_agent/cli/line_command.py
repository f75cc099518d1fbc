# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent line list``: the serial ports of this machine, as a profile names them. Opens none."""

import argparse

from tillguard.voice import Voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = "examples:\n  terminal-agent line list\n  terminal-agent line list --json"
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="what is plugged in, and what to write as line = …", allow_abbrev=False)
    listing.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0, also where there is no port."""
    from terminal_agent.line.discovery import ports

    found = ports()
    rows = [{"line": port.spec, "path": port.path, "words": port.words} for port in found]
    width = max((len(row["line"]) for row in rows), default=0)
    lines = [f'line = "{row["line"]}"{" " * (width - len(row["line"]))}  {row["path"]}  {row["words"]}' for row in rows]
    Voice("terminal-agent", as_json=options.json).answer({"ports": rows}, "\n".join(lines) or "no serial port is there")
    return 0
