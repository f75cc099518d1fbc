# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent pay``: a thin client that starts one payment and shows its events. Sees no card data."""

import argparse
from typing import Any

from protocols.currency import BY_ALPHA, currency
from protocols.errors import DecodeError
from protocols.telemetry.events import Event, words
from terminal_agent.cli.client import AgentClient, add_socket_option, socket_path
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

COLOURS = {"reader": "cyan", "pad": "yellow", "acquirer": "green", "agent": "dim"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "examples:\n  terminal-agent pay --amount 42.00 --currency EUR\n"
        "  terminal-agent pay --amount 42.00 --currency EUR --json\n\n"
        "exit code 0: approved; 1: declined, cancelled or failed; 5: no agent answers"
    )
    parser.add_argument("--amount", required=True, help="amount with its decimals, such as 42.00")
    parser.add_argument("--currency", required=True, help="alphabetic code of ISO 4217, such as EUR")
    parser.add_argument("--json", action="store_true", help="every event as a JSON line; the last one is the outcome")
    add_socket_option(parser)


def run(options: argparse.Namespace) -> int:
    """Start the payment, print its timeline, end with its outcome."""
    voice = Voice("terminal-agent", as_json=options.json)
    try:
        money = currency(options.currency)
        minor = money.minor_units(options.amount)
    except DecodeError as error:
        raise Fault(f"--{error.where}: {error.why}", "for example: --amount 42.00 --currency EUR", Exit.USAGE) from None
    with AgentClient(socket_path(options.socket)) as agent:
        agent.call("events.subscribe")
        payment = agent.call("payment.start", amount=minor, currency=money.alpha)["payment"]
        for event in agent.events():
            fields = event["fields"]
            if fields.get("payment") != payment:
                continue
            if event["name"] == "payment.finished":
                return _finish(voice, event)
            if event["name"] == "payment.step":
                _step(voice, event)
            else:  # such as a reversal that is owed
                said = words(Event(event["name"], event["at_ms"], fields))
                voice.answer(event, f"{'':>9}  {said}")
    raise Fault(
        "the agent went away in mid-payment", "its journal settles what is owed when it starts again", Exit.UNREACHABLE
    )


def _step(voice: Voice, event: dict[str, Any]) -> None:
    fields = event["fields"]
    wire = voice.paint(f"{fields['wire']:<9}", COLOURS.get(fields["wire"], "bold"))
    moment = voice.paint(f"{fields['ms']:>6} ms", "dim")
    voice.answer(event, f"{moment}  {wire}{fields.get('words', fields['step'])}")


def _finish(voice: Voice, event: dict[str, Any]) -> int:
    fields = event["fields"]
    approved = fields["outcome"] == "approved"
    inside = [fields[name] for name in ("response_code", "reason") if name in fields]
    headline = fields["outcome"].upper() + ("" if approved or not inside else f" ({', '.join(inside)})")
    details = [BY_ALPHA[fields["currency"]].words(fields["amount"])]
    details += [f"card {fields['masked_pan']}"] if "masked_pan" in fields else []
    details += [f"KSN {fields['ksn']}"] if "ksn" in fields else []
    voice.answer(
        event,
        f"{fields['ms']:>6} ms  {voice.paint(headline, 'bold', 'green' if approved else 'red')}  {', '.join(details)}",
    )
    return int(Exit.OK if approved else Exit.FAILED)
