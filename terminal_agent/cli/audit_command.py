# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent audit verify``: proves an audit chain without the agent. Repairs nothing."""

import argparse
from pathlib import Path

from terminal_agent.audit import verify_file
from tillguard.voice import Voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = "examples:\n  terminal-agent audit verify state/audit.jsonl"
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verify = verbs.add_parser("verify", help="prove that no record was changed, removed or reordered", allow_abbrev=False)
    verify.add_argument("file", type=Path, help="the audit log of a terminal (audit.jsonl in its state folder)")
    verify.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 for a whole chain; a broken one is a Fault with exit code 6 that names the record."""
    summary = verify_file(options.file)
    Voice("terminal-agent", as_json=options.json).answer(
        {"file": str(options.file), "whole": True, "records": summary.records, "head": summary.head},
        f"audit chain whole: {summary.records} records, head {summary.head[:16]}…",
    )
    return 0
