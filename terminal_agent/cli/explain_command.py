# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent explain``: a recorded contact payment, decision by decision. Reaches no card and no agent."""

import argparse
import json
from pathlib import Path

from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

LARGEST = 1 << 20  # octets: a payment's trace has some ten thousand
MEANT = "a line for each exchange such as " + '{"c": "00A40400...", "r": "6F...9000"}'


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

    recorded = _read(options.trace)
    if options.profile is not None:
        terminal, place = load(options.profile).emv, options.profile
    else:
        plain = Combination("A0000000031010", 500_000, 2_500)
        terminal, place = EmvTerminal("276", "978", "TRACE001", (plain,)), Path("explain.toml")
    keys = authorities(tuple(options.ca_keys or terminal.ca_keys), place)
    try:
        found = explain(recorded, terminal, keys)
    except DecodeError as fault:
        hint = "record from the first SELECT to the last cryptogram: terminal-agent card trace --record FILE"
        raise Fault(f"{options.trace}: {fault}", hint, Exit.USAGE) from None
    outcome = found.outcome
    Voice("terminal-agent", as_json=options.json).answer(
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


def _read(path: Path) -> list[tuple[bytes, bytes]]:
    """Commands and answers of a trace file."""
    try:
        if path.stat().st_size > LARGEST:
            raise Fault(f"{path}: larger than 1 MiB", "is this the right file?", Exit.USAGE)
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise Fault(f"{path}: no such file", "check the path", Exit.USAGE) from None
    except (OSError, UnicodeDecodeError):
        raise Fault(f"{path}: cannot be read", "check the file's type and rights", Exit.USAGE) from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError
            if "c" in entry or "r" in entry:
                found.append((_octets(entry["c"], 4), _octets(entry["r"], 2)))
        except (ValueError, KeyError, TypeError):
            hint = f"{MEANT} expected; a redacted trace cannot be replayed: record with a TEST card"
            raise Fault(f"{path}, line {number}: not an exchange", hint, Exit.USAGE) from None
    return found


def _octets(text: str, least: int) -> bytes:
    octets = bytes.fromhex(text)
    if len(octets) < least:
        raise ValueError
    return octets
