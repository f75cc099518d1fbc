# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The command `fleet-console`: arguments only. What a command does is in its own module, imported when chosen."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from protocols.errors import DecodeError
from tillguard.arguments import Parser
from tillguard.exits import Exit
from tillguard.voice import Fault, run

COMMANDS: dict[str, tuple[str, str]] = {
    "ingest": ("fleet_console.ingest", "take the fleet's reports into the store, and answer with receipts"),
    "status": ("fleet_console.look_status", "how the fleet stands, in numbers"),
    "terminals": ("fleet_console.look_terminals", "terminals: list, show, add, import, isolate, release"),
    "events": ("fleet_console.look_events", "reports that were committed, and messages that were not taken"),
    "enrol": ("fleet_console.enrol_command", "terminals' applications, the steps of their lives, their certificates"),
    "grant": ("fleet_console.grant_command", "what a technician may do at a terminal, signed by a person"),
    "orders": ("fleet_console.orders_command", "orders to terminals: list, show, new, submit"),
    "approve": ("fleet_console.approve_command", "sign an order that waits for another person"),
    "statement": ("fleet_console.statement_command", "what persons sign beside orders: profiles, lists of persons"),
    "audit": ("fleet_console.audit_command", "head office's own chain: show, verify, countersign"),
    "broker": ("fleet_console.broker_command", "mosquitto: its configuration, its access list proved from outside"),
}
"""Beside ``watch``, whose arguments are below."""
_RESTORE = "restore it from its copy; fleet-console audit verify tells where the chain breaks"
WATCH = "watch"
LACKING = {"mqtt5": "fleet", "msgspec": "fleet"}
EXAMPLES = """\
examples:
  fleet-console ingest --settings office.toml    take the fleet's reports; docs/head-office.md leads there
  fleet-console status
  fleet-console terminals isolate TG000001 --reason "stolen on Monday"
  fleet-console orders new lock --terminal TG000001 --set reason="stolen" --key ada.key
"""
WATCH_EXAMPLES = """\
examples:
  fleet-console watch --broker 127.0.0.1:8883 --ca ca.pem --certificate head-office.pem --key head-office.key \\
    --terminals terminals
  fleet-console watch --json --count 10 ...      ten reports as JSON lines, then end
"""


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        module_name, summary = COMMANDS[words[0]]
        return run("fleet-console", lambda: _chosen(module_name, summary, words), as_json="--json" in words)
    return run("fleet-console", lambda: _watch(words), as_json="--json" in words)


def _watch(words: list[str]) -> int:
    if words and words[0] != WATCH and not words[0].startswith("-"):
        raise Fault("no such command", f"one of: {', '.join((WATCH, *COMMANDS))}", Exit.USAGE)
    args = _parser().parse_args(words)
    return int(_module("fleet_console.watch").run(args))


def _chosen(module_name: str, summary: str, words: list[str]) -> int:
    module = _module(module_name)
    parser = Parser(prog=f"fleet-console {words[0]}", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description = f"{module.EXAMPLES.rstrip()}\n\n{summary}"
    module.configure(parser)
    args = parser.parse_args(words[1:])
    try:
        return int(module.run(args))
    except DecodeError as fault:  # a file's fault is told where the file is read: what is left is the store
        raise Fault(f"the store holds what was not written there: {fault}", _RESTORE, Exit.INTEGRITY) from None


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        package = (fault.name or "").split(".")[0]
        if package not in LACKING:
            raise
        raise Fault(f"the package {package} is not installed", f"pip install 'tillguard[{LACKING[package]}]'") from None


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fleet-console",
        description=f"{EXAMPLES}\n{_listed()}\n\nWhat head office sees of its terminals, and orders.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    watch = commands.add_parser(
        WATCH,
        help="print the fleet's reports as they come",
        description=f"{WATCH_EXAMPLES}\nPrints the reports as they come, each once; says gaps and lost connections.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    watch.add_argument("--broker", required=True, metavar="HOST:PORT", help="the broker's address")
    watch.add_argument("--ca", type=Path, required=True, metavar="FILE", help="authority of the broker, PEM")
    watch.add_argument("--certificate", type=Path, required=True, metavar="FILE", help="head office's, PEM")
    watch.add_argument("--key", type=Path, required=True, metavar="FILE", help="head office's, PEM")
    watch.add_argument(
        "--terminals",
        type=Path,
        metavar="DIR",
        help="folder with each terminal's certificate, NAME.pem: verify that reports are signed with its key",
    )
    watch.add_argument(
        "--name", default="watch", metavar="NAME", help="name of the session that the broker keeps (watch)"
    )
    watch.add_argument("--count", type=int, metavar="N", help="end after N reports")
    watch.add_argument("--json", action="store_true", help="answer as JSON lines")
    return parser


def _listed() -> str:
    listed = "".join(f"  {name:<11}{summary}\n" for name, (_, summary) in COMMANDS.items())
    return f"commands beside watch, each with --help of its own:\n{listed.rstrip()}"


if __name__ == "__main__":
    sys.exit(main())
