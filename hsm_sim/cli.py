# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The command `hsm-sim`: reads arguments and prints answers. What it runs is imported only when it runs."""

import argparse
import sys
from pathlib import Path

from tillguard.exits import Exit
from tillguard.voice import Fault, Voice, run

COMMAND = "hsm-sim"
EXAMPLES = """examples:
  hsm-sim serve                            host commands on 127.0.0.1 port 1500, TEST master keys
  hsm-sim serve --port 0 --json            any free port; says which as JSON
  hsm-sim serve --trace                    every command and answer in words, redacted
  hsm-sim commands                         what it answers, and how well each layout is attested
  hsm-sim tool pinblock --help             a calculator for TEST data: PIN blocks, DUKPT, MACs, card codes
"""


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; gives the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["tool"]:  # it parses for itself: its errors never quote what may be a secret
        from hsm_sim.tool.command import main as calculate

        return calculate(words[1:])
    given = _parser().parse_args(words)
    return run(COMMAND, lambda: _run(given), as_json=given.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="A payment HSM simulator with TEST master keys: it computes for real and protects nothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    nouns = parser.add_subparsers(dest="noun", metavar="COMMAND", required=True)

    serve = nouns.add_parser("serve", help="answer host commands over TCP until stopped")
    serve.add_argument("--port", type=int, metavar="N", help="TCP port, 0 for any free one (default 1500)")
    serve.add_argument("--listen", metavar="ADDRESS", help="IP address to listen on (default 127.0.0.1)")
    serve.add_argument("--header-octets", type=int, metavar="N", help="length of the message header (default 4)")
    serve.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML; options here come on top")
    serve.add_argument("--trace", action="store_true", help="print every command and answer in redacted words")
    serve.add_argument("--json", action="store_true", help="print JSON lines")

    commands = nouns.add_parser("commands", help="list the host commands with layout and evidence")
    commands.add_argument("code", nargs="?", metavar="CODE", help="one command only")
    commands.add_argument("--json", action="store_true", help="print one JSON document")

    nouns.add_parser("tool", help="calculate with TEST keys, PINs and cards: hsm-sim tool --help")
    return parser


def _run(given: argparse.Namespace) -> int:
    voice = Voice(COMMAND, as_json=given.json)
    if given.noun == "serve":
        return _serve(given, voice)
    return _commands(given, voice)


def _serve(given: argparse.Namespace, voice: Voice) -> int:
    from dataclasses import replace

    from hsm_sim.config import Settings
    from hsm_sim.serve import serve
    from tillguard.settings import load

    settings = load(given.config, Settings) if given.config is not None else Settings()
    chosen = {
        name: value
        for name, value in (
            ("port", given.port),
            ("listen", given.listen),
            ("header_octets", given.header_octets),
        )
        if value is not None
    }
    try:
        settings = replace(settings, **chosen)
    except ValueError as fault:
        raise Fault(str(fault), f"see: {COMMAND} serve --help", Exit.USAGE) from None
    return serve(settings, voice, trace=given.trace)


def _commands(given: argparse.Namespace, voice: Voice) -> int:
    from hsm_sim.listing import command_rows

    rows = command_rows(given.code)
    if not rows:
        raise Fault("no such command", f"run: {COMMAND} commands", Exit.USAGE)
    if voice.as_json:
        voice.data({"commands": [row.document() for row in rows]})
        return int(Exit.OK)
    for row in rows:
        voice.say(f"{voice.paint(f'{row.code} → {row.response}', 'bold')}  {row.title}  ({row.evidence})")
        voice.say(f"    request   {row.request_layout}")
        voice.say(f"    response  {row.response_layout}")
        if row.note:
            voice.say(f"    note      {row.note}")
    return int(Exit.OK)


if __name__ == "__main__":
    sys.exit(main())
