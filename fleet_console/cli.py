# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The command `fleet-console`: arguments only. What a command does is in its own module, imported when chosen."""

import argparse
import sys
from pathlib import Path

from tillguard.arguments import Parser
from tillguard.voice import Fault, run

EXAMPLES = """\
examples:
  fleet-console watch --broker 127.0.0.1:8883 --ca ca.pem --certificate head-office.pem --key head-office.key \\
    --terminals terminals
  fleet-console watch --json --count 10 ...      ten reports as JSON lines, then end
"""


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = _parser().parse_args(argv)
    return run("fleet-console", lambda: _command(args), as_json=args.json)


def _command(args: argparse.Namespace) -> int:
    try:
        from fleet_console import watch
    except ModuleNotFoundError as fault:
        if fault.name and fault.name.split(".")[0] in ("mqtt5", "msgspec"):
            raise Fault(f"the package {fault.name} is not installed", "pip install 'tillguard[fleet]'") from None
        raise
    return watch.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fleet-console",
        description=EXAMPLES + "\nWhat head office sees of its terminals.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    watch = commands.add_parser(
        "watch",
        help="print the fleet's reports as they come",
        description=EXAMPLES + "\nPrints the fleet's reports as they come, each once; says gaps and lost connections.",
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


if __name__ == "__main__":
    sys.exit(main())
