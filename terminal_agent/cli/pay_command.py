# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent pay``: a thin client that starts one payment and shows its events. Sees no card data."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from protocols.currency import BY_ALPHA, currency
from protocols.errors import DecodeError
from protocols.telemetry.events import Event, words
from terminal_agent.cli.client import AgentClient, add_socket_option, socket_path
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

SIGNATURES = {"accept": 1, "reject": 2}
COLOURS = {"reader": "cyan", "pad": "yellow", "acquirer": "green", "agent": "dim"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "examples:\n  terminal-agent pay --amount 42.00 --currency EUR\n"
        "  terminal-agent pay --amount 42.00 --currency EUR --json\n"
        "  terminal-agent pay --amount 42.00 --currency EUR --choose 2 --signature accept\n"
        "  terminal-agent pay --amount 12.00 --currency EUR --earlier 30.00 --online\n\n"
        "what the payment asks people is answered by --choose and --signature, or typed here, or by another program\n"
        "on the agent's socket (payment.answer)\n\n"
        "exit code 0: approved; 1: declined, cancelled or failed; 5: no agent answers"
    )
    parser.add_argument("--amount", required=True, help="amount with its decimals, such as 42.00")
    parser.add_argument("--currency", required=True, help="alphabetic code of ISO 4217, such as EUR")
    parser.add_argument("--choose", metavar="N|LABEL", help="the application, where there is a choice; 0: none")
    parser.add_argument("--signature", choices=SIGNATURES, help="what to say where a signature is needed")
    parser.add_argument("--online", action="store_true", help="the issuer is asked, whatever the limits say")
    parser.add_argument("--earlier", metavar="AMOUNT", help="what the same sale was paid before, in parts")
    parser.add_argument("--json", action="store_true", help="every event as a JSON line; the last one is the outcome")
    add_socket_option(parser)


def run(options: argparse.Namespace) -> int:
    """Start the payment, print its timeline, end with its outcome."""
    voice = Voice("terminal-agent", as_json=options.json)
    try:
        money = currency(options.currency)
        minor = money.minor_units(options.amount)
        earlier = money.minor_units(options.earlier) if options.earlier else 0
    except DecodeError as error:
        raise Fault(f"--{error.where}: {error.why}", "for example: --amount 42.00 --currency EUR", Exit.USAGE) from None
    with AgentClient(socket_path(options.socket)) as agent:
        agent.call("events.subscribe")
        wishes = {"online": options.online, "earlier": earlier}
        payment = agent.call("payment.start", amount=minor, currency=money.alpha, **wishes)["payment"]
        for event in agent.events():
            fields = event["fields"]
            if fields.get("payment") != payment:
                continue
            if event["name"] == "payment.finished":
                return _finish(voice, event)
            if event["name"] == "payment.step":
                _step(voice, event)
            elif event["name"] == "payment.question":
                _question(voice, event, agent, options)
            else:  # such as a reversal that is owed
                said = words(Event(event["name"], event["at_ms"], fields))
                voice.answer(event, f"{'':>9}  {said}")
    raise Fault(
        "the agent went away in mid-payment", "its journal settles what is owed when it starts again", Exit.UNREACHABLE
    )


def _question(voice: Voice, event: dict[str, Any], agent: AgentClient, options: argparse.Namespace) -> None:
    """Tell the question, and answer it where the options or the person at this terminal say how."""
    payment, about = event["fields"]["payment"], event["fields"]["about"]
    voice.answer(event, f"{'':>9}  {words(Event(event['name'], event['at_ms'], event['fields']))}")
    asked = agent.call("payment.status", payment=payment)
    if asked["state"] != "asking":
        return  # somebody else was faster
    given = options.choose if about == "application" else options.signature
    if given is None and sys.stdin.isatty() and not options.json:
        given = _typed(len(asked["options"]))
    if given is not None:
        agent.call("payment.answer", payment=payment, answer=_number(given, asked["options"]))


def _typed(most: int) -> str:
    """What the person at this terminal types: a number up to ``most``; nothing more to come is 0."""
    while True:
        sys.stderr.write(f"{'':>9}  1 to {most}, or 0 for none: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line or (line.strip().isdecimal() and int(line) <= most):
            return line.strip() or "0"


def _number(given: str, options: Sequence[str]) -> int:
    """The number of an answer that was given as a number, a label or a word; 0, none of them, for any other."""
    if given.isdecimal():
        return int(given)
    alike = [number for number, label in enumerate(options, 1) if label.casefold() == given.strip().casefold()]
    return alike[0] if alike else SIGNATURES.get(given, 0)


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
