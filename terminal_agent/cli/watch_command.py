# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent watch``: the agent's events as they happen. Changes nothing."""

import argparse
from datetime import UTC, datetime

from protocols.telemetry.events import Event, words
from terminal_agent.cli.client import AgentClient, add_socket_option, socket_path
from tillguard.voice import Voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = "examples:\n  terminal-agent watch\n  terminal-agent watch --json | jq .name"
    parser.add_argument("--json", action="store_true", help="every event as a JSON line")
    add_socket_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print until Ctrl-C."""
    voice = Voice("terminal-agent", as_json=options.json)
    with AgentClient(socket_path(options.socket)) as agent:
        agent.call("events.subscribe")
        for event in agent.events():
            moment = datetime.fromtimestamp(event["at_ms"] / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
            said = words(Event(event["name"], event["at_ms"], event["fields"]))
            voice.answer(event, f"{voice.paint(moment, 'dim')}  {said}")
    return 0
