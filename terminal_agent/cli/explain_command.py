# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent explain``: a recorded contact payment, decision by decision. Reaches no card and no agent."""

import argparse
from pathlib import Path

from terminal_agent.cli.bench_reader import MEANT, read_recording
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "examples:\n  terminal-agent explain payment.jsonl\n"
        "  terminal-agent explain payment.jsonl --profile terminal.toml --json"
    )
    parser.add_argument("trace", type=Path, help=f"the recording: {MEANT}")
    parser.add_argument("--profile", type=Path, help="the terminal's settings; TEST keys and plain settings without it")
    parser.add_argument("--ca-keys", action="append", metavar="LIST", help="a list of CA keys instead of the profile's")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 for a payment that was explained, whatever became of it; a fault names the line at fault."""
    from protocols.errors import DecodeError
    from terminal_agent.emv import Combination, EmvTerminal
    from terminal_agent.emv.replay import explain
    from terminal_agent.processes.profile import authorities, load

    voice = Voice("terminal-agent", as_json=options.json)
    recorded = read_recording(options.trace)
    if options.profile is not None:
        terminal, place = load(options.profile).emv, options.profile
    else:
        plain = Combination("A0000000031010", 500_000, 2_500)
        terminal, place = EmvTerminal("276", "978", "TRACE001", (plain,)), Path("explain.toml")
    keys = authorities(tuple(options.ca_keys or terminal.ca_keys), place)
    try:
        found = explain(((one.command, one.response) for one in recorded.exchanges), terminal, keys)
    except DecodeError as fault:
        hint = "record from the first SELECT to the last cryptogram: terminal-agent card trace --record FILE"
        raise Fault(f"{options.trace}: {fault}", hint, Exit.USAGE) from None
    outcome = found.outcome
    if recorded.masked:
        voice.tell(
            f"{options.trace}: account data are masked: what was signed over them fails here, whatever it did then"
        )
    voice.answer(
        {
            "trace": str(options.trace),
            "exchanges": found.exchanges,
            "decision": outcome.decision.value,
            "words": outcome.words,
            "cvm": outcome.cvm.value,
            "tvr": outcome.tvr.hex if outcome.tvr is not None else "",
            "tsi": outcome.tsi.hex if outcome.tsi is not None else "",
            "alerts": [alert.value for alert in outcome.alerts],
            "notes": [{"subject": note.subject, "words": note.words, "source": note.source} for note in found.notes],
            "differences": list(found.differences),
        },
        _text(found.notes, found.differences, [alert.value for alert in outcome.alerts]),
    )
    return 0


def _text(notes: tuple[object, ...], differences: tuple[str, ...], alerts: list[str]) -> str:
    lines = [str(note) for note in notes]
    lines += [f"alert: {alert}" for alert in alerts]
    if differences:
        lines += ["", "where this terminal would have gone another way than the recorded one:"]
        lines += [f"  {said}" for said in differences]
    return "\n".join(lines)
