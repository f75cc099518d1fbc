# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent``: thin commands over the local socket, and the one that starts the daemon. Decides nothing.

Each command is a module imported only when it is chosen, so that ``--help`` stays fast.
"""

import argparse
import importlib
import sys

from tillguard.arguments import Parser
from tillguard.exits import Exit
from tillguard.voice import interruptible, run

COMMANDS = {
    "run": "start the agent with a terminal profile",
    "pay": "take one payment and watch it step by step",
    "status": "what the running agent knows of its devices and links",
    "watch": "print the agent's events as they happen",
    "keys": "the vault's keys: list, load, rotate, zeroise, verify; and make a vault",
    "identity": "enrol the terminal, show and renew its certificate",
    "technician": "let technicians in whom head office granted something",
    "audit": "check the audit chain of a terminal",
    "usb": "the USB policy: learn, lint, simulate, explain, sign, put on trial",
    "check": "is this machine fit to take real money: passwords, debug ports, kernel argument, TEST keys",
    "explain": "say of a recorded contact payment what was decided, and by which rule",
    "reader": "list, watch and diagnose card readers behind the PC/SC service",
    "card": "look into a card, send it commands, record and replay",
    "line": "list the serial ports that are there, and how a profile names them",
    "pad": "check a connected PIN pad against its profile",
    "profile": "begin a profile, or check one without starting anything",
}

EXAMPLES = """\
examples:
  terminal-agent run --profile terminal.toml
  terminal-agent pay --amount 42.00 --currency EUR
  terminal-agent audit verify state/TG000001.audit.jsonl

This is an agent, not a certified device: no PCI, EMV or scheme approval is claimed.
"""


def main(argv: list[str] | None = None) -> int:
    """Entry point of the command; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    return interruptible("terminal-agent", lambda: _command(words))


def _command(words: list[str]) -> int:
    parser = Parser(
        prog="terminal-agent",
        description=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, allow_abbrev=False)
        if name == chosen:
            module = importlib.import_module(f"terminal_agent.cli.{name}_command")
            sub.formatter_class = argparse.RawDescriptionHelpFormatter
            module.configure(sub)
            sub.set_defaults(body=module.run)
    options = parser.parse_args(words)
    if options.command is None:
        parser.print_help(sys.stderr)
        return int(Exit.USAGE)
    return run("terminal-agent", lambda: int(options.body(options)), as_json=getattr(options, "json", False))
