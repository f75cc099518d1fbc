# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent status``: what the running agent knows of its devices and links. Changes nothing."""

import argparse

from terminal_agent.cli.client import AgentClient, add_socket_option, socket_path
from tillguard.exits import Exit
from tillguard.voice import Voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "examples:\n  terminal-agent status\n  terminal-agent status --json\n\nexit code 3: a device is away"
    )
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    add_socket_option(parser)


def run(options: argparse.Namespace) -> int:
    """Ask once."""
    voice = Voice("terminal-agent", as_json=options.json)
    with AgentClient(socket_path(options.socket)) as agent:
        hello = agent.call("system.hello")
    lines = [f"agent {hello['version']}, terminal {hello['terminal']}"]
    lines += [f"  {name:<10}{part['words']}" for name, part in hello["parts"].items()]
    voice.answer(hello, "\n".join(lines))
    away = any(not hello["parts"][name]["up"] for name in ("reader", "pad"))
    return int(Exit.ABSENT if away else Exit.OK)
