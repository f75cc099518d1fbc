# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent audit verify``: proves an audit chain without the agent. Repairs nothing."""

import argparse
from pathlib import Path

from protocols.audit_chain import Head
from protocols.errors import DecodeError
from terminal_agent.audit import AuditBroken, AuditError, verify_file
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "examples:\n  terminal-agent audit verify state/TG000001.audit.jsonl\n"
        "  terminal-agent audit verify copy.jsonl --terminal TG000001 --head agent/TG000001:20:9f86d081…"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verify = verbs.add_parser(
        "verify", help="prove that no record was changed, removed or reordered", allow_abbrev=False
    )
    verify.add_argument("file", type=Path, help="the audit log, TERMINAL.audit.jsonl in the state folder")
    verify.add_argument("--terminal", metavar="ID", help="whose log it is, where the file's name does not tell")
    verify.add_argument(
        "--head", metavar="HEAD", help="a head noted earlier: also proves that nothing was cut off since"
    )
    verify.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 for a whole chain; a broken one is a fault with exit code 6 that names the record."""
    if not options.file.is_file():
        raise Fault(f"{options.file}: no such file", "name a TERMINAL.audit.jsonl of a state folder", Exit.USAGE)
    try:
        remembered = Head.from_text(options.head) if options.head else None
        summary = verify_file(options.file, options.terminal, remembered)
    except DecodeError as error:
        raise Fault(f"--head: {error}", "give the head as this command prints it", Exit.USAGE) from None
    except AuditBroken as error:
        raise Fault(error.what, error.hint, Exit.INTEGRITY) from None
    except AuditError as error:
        raise Fault(error.what, error.hint) from None
    head = summary.head.text()
    Voice("terminal-agent", as_json=options.json).answer(
        {"file": str(options.file), "whole": True, "records": summary.records, "head": head},
        f"audit chain whole: {summary.records} records\nhead {head}"
        + (
            ""
            if remembered
            else "\nwhether records were cut off the end shows only against a head noted earlier (--head)"
        ),
    )
    return 0
