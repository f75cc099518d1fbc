# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The command `hsm-sim`: reads arguments and prints answers. What it runs is imported only when it runs."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tillguard.arguments import Parser
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice, run

COMMAND = "hsm-sim"
EXAMPLES = """examples:
  hsm-sim serve                            host commands on 127.0.0.1 port 1500, TEST master keys
  hsm-sim serve --port 0 --json            any free port; says which as JSON
  hsm-sim serve --trace                    every command and answer in words, redacted
  hsm-sim serve --state ~/hsm --passphrase-file ~/hsm.pass
                                           keeps keys, counters and its audit in that folder
  hsm-sim console --state ~/hsm            give orders to that unit: authorise, settings, keys, audit
  hsm-sim audit ~/hsm/audit.jsonl          verify an audit that no unit has open
  hsm-sim rewrap --config old.toml --new-config new.toml
                                           another passphrase or token for the vault of a stopped unit
  hsm-sim commands                         what it answers, and how well each layout is attested
  hsm-sim tool pinblock --help             a calculator for TEST data: PIN blocks, DUKPT, MACs, card codes
"""
ABOUT = """
A payment HSM simulator with TEST master keys: it computes for real and protects nothing.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; gives the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["tool"]:  # it parses for itself: its errors never quote what may be a secret
        from hsm_sim.tool.command import main as calculate

        return calculate(words[1:])
    parser = _parser()
    given = parser.parse_args(words)
    if given.noun is None:
        parser.print_help(sys.stderr)
        return int(Exit.USAGE)
    return run(COMMAND, lambda: _run(given), as_json=given.json)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=COMMAND,
        description=EXAMPLES + ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    nouns = parser.add_subparsers(dest="noun", metavar="COMMAND")

    def noun(name: str, summary: str) -> argparse.ArgumentParser:
        lines = [line for line in EXAMPLES.splitlines() if line.startswith(f"  hsm-sim {name}")]
        return nouns.add_parser(
            name,
            help=summary,
            description="\n".join(["examples:", *lines, "", summary]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    serve = noun("serve", "answer host commands over TCP until stopped")
    serve.add_argument("--port", type=int, metavar="N", help="TCP port, 0 for any free one (default 1500)")
    serve.add_argument("--listen", metavar="ADDRESS", help="IP address to listen on (default 127.0.0.1)")
    serve.add_argument("--header-octets", type=int, metavar="N", help="length of the message header (default 4)")
    serve.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML; options here come on top")
    serve.add_argument("--state", type=Path, metavar="FOLDER", help="folder for vault, audit and console")
    serve.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="what opens the vault; 12 characters or more"
    )
    serve.add_argument("--faults", type=Path, metavar="FILE", help="script of faults on purpose, as TOML")
    serve.add_argument("--metrics-port", type=int, metavar="N", help="loopback port for Prometheus, 0 for any free one")
    serve.add_argument("--trace", action="store_true", help="print every command and answer in redacted words")
    serve.add_argument("--json", action="store_true", help="print JSON lines")

    commands = noun("commands", "list the host commands with layout and evidence")
    commands.add_argument("code", nargs="?", metavar="CODE", help="one command only")
    commands.add_argument("--json", action="store_true", help="print one JSON document")

    console = noun("console", "give orders to a running unit; without words: a prompt, or a script on standard input")
    console.add_argument("--state", type=Path, metavar="FOLDER", required=True, help="the unit's state folder")
    console.add_argument("--json", action="store_true", help="print one JSON document for each order")
    console.add_argument("words", nargs="*", metavar="WORD", help="an order; see: hsm-sim console --state FOLDER help")

    audit = noun("audit", "verify an audit file, also against a head that was remembered elsewhere")
    audit.add_argument("file", type=Path, metavar="FILE")
    audit.add_argument("--remembered", metavar="HEAD", help="as `audit verify` showed it: name:records:hash")
    audit.add_argument("--json", action="store_true", help="print one JSON document")

    rewrap = noun("rewrap", "let another passphrase or token open the vault of a stopped unit")
    rewrap.add_argument("--config", type=Path, metavar="FILE", required=True, help="the settings that open it now")
    rewrap.add_argument("--new-config", type=Path, metavar="FILE", required=True, help="the settings that shall")
    rewrap.add_argument("--json", action="store_true", help="print one JSON document")

    nouns.add_parser("tool", help="calculate with TEST keys, PINs and cards: hsm-sim tool --help")
    return parser


def _run(given: argparse.Namespace) -> int:
    return _NOUNS[given.noun](given, Voice(COMMAND, as_json=given.json))


def _serve(given: argparse.Namespace, voice: Voice) -> int:
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):  # until the event loop listens: a stop during the start is clean too
        signal.signal(number, lambda *_: sys.exit(int(Exit.OK)))
    from dataclasses import replace

    from hsm_sim.config import Settings, Vault
    from hsm_sim.serve import serve
    from tillguard.settings import load

    settings = load(given.config, Settings) if given.config is not None else Settings()
    chosen: dict[str, Any] = {
        name: value
        for name, value in (
            ("port", given.port),
            ("listen", given.listen),
            ("header_octets", given.header_octets),
            ("state", given.state),
            ("vault", Vault(given.passphrase_file) if given.passphrase_file is not None else None),
            ("faults", given.faults),
            ("metrics_port", given.metrics_port),
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


def _console(given: argparse.Namespace, voice: Voice) -> int:
    from hsm_sim.console import run_console, socket_in

    return run_console(socket_in(given.state), given.words, voice)


def _audit(given: argparse.Namespace, voice: Voice) -> int:
    from hsm_sim.audit import AuditError, verify_file
    from protocols.audit_chain import Head
    from protocols.errors import DecodeError

    try:
        summary = verify_file(given.file, Head.from_text(given.remembered) if given.remembered else None)
    except AuditError as fault:
        if not fault.damaged:
            raise Fault(str(fault), fault.hint, Exit.USAGE) from None
        hint = "records before that one are whole; keep the file as it is for the inquiry"
        raise Fault(str(fault), hint, Exit.INTEGRITY) from None
    except DecodeError as fault:
        raise Fault(str(fault), "write it as `hsm-sim audit` showed it", Exit.USAGE) from None
    head = summary.head.text()
    voice.answer({"records": summary.records, "head": head}, f"{summary.records} records hold; head {head}")
    return int(Exit.OK)


def _rewrap(given: argparse.Namespace, voice: Voice) -> int:
    from hsm_sim.config import Settings
    from hsm_sim.serve_state import rewrap
    from tillguard.settings import load

    rewrap(load(given.config, Settings), load(given.new_config, Settings))
    voice.answer({"rewrapped": True}, "the vault opens by the new settings only")
    return int(Exit.OK)


_NOUNS = {"serve": _serve, "commands": _commands, "console": _console, "audit": _audit, "rewrap": _rewrap}


if __name__ == "__main__":
    sys.exit(main())
