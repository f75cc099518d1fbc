# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent run``: starts the daemon in the foreground. Wires nothing itself."""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "examples:\n  terminal-agent run --profile terminal.toml\n  terminal-agent run --profile t.toml --json --trace"
    )
    parser.add_argument("--profile", type=Path, required=True, metavar="FILE", help="the terminal profile (TOML)")
    parser.add_argument("--json", action="store_true", help="events as JSON lines on stdout")
    parser.add_argument("--trace", action="store_true", help="also print every wire's traffic, redacted by type")


def run(options: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C."""
    from terminal_agent.processes import worker_child

    source = worker_child.start(options.profile, trace=options.trace)  # it loads while the agent does
    from terminal_agent.processes.agent import serve

    return serve(options.profile, as_json=options.json, trace=options.trace, source=source)
