# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent profile check``: reads a terminal profile as the agent would. Opens no device."""

import argparse
from pathlib import Path

from tillguard.voice import Voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = "examples:\n  terminal-agent profile check terminal.toml"
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("check", help="say what the profile means, or what is wrong with it", allow_abbrev=False)
    check.add_argument("file", type=Path, help="the terminal profile")
    check.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 for a sound profile; a fault names file, key and cure."""
    from terminal_agent.processes.profile import load, models

    profile = load(options.file)
    found = models(profile, options.file)
    said = {
        "terminal": profile.terminal.id,
        "reader": f"{found.reader.title} on {profile.reader.line}",
        "pad": f"{found.pad.title} on {profile.pad.line}",
        "acquirer": f"{profile.acquirer.address}, {profile.acquirer.dialect}",
        "link": "TLS" if profile.acquirer.tls else "plain, loopback only",
        "CA keys": f"{len(found.authorities.keys)} of {', '.join(profile.emv.ca_keys) or 'no list'}",
        "broker": profile.report.broker,
        "state": str(profile.terminal.state),
    }
    Voice("terminal-agent", as_json=options.json).answer(
        {"file": str(options.file), "sound": True, **said},
        f"{options.file}: sound\n" + "\n".join(f"  {name:<10}{value}" for name, value in said.items()),
    )
    return 0
