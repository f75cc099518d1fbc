# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin`: chooses the twin's command and runs it. Each command is a module of its own, read only when chosen."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from tillguard.arguments import Parser

COMMANDS: dict[str, tuple[str, str]] = {
    "reader": ("device_profiles.serve.reader_command", "a card reader on a pseudo terminal, and a card to tap"),
    "pinpad": ("device_profiles.serve.pinpad_command", "a PIN pad on a pseudo terminal, and a person at its keys"),
    "tap": ("device_profiles.serve.tap_command", "records, plays again or alters what goes over a serial wire"),
    "keypad": ("device_profiles.serve.keypad_command", "a local keypad for software PIN entry, and a person at it"),
    "card": ("device_profiles.serve.card_command", "a card in a virtual PC/SC reader (vpcd)"),
    "pcscd": ("device_profiles.serve.pcscd_command", "a PC/SC service with virtual readers, our own or the real pcscd"),
    "ccid": ("device_profiles.serve.ccid_command", "a CCID reader on a pseudo terminal, for pcscd's own driver"),
    "acquirer": ("device_profiles.serve.acquirer_command", "an acquirer and issuer host, ISO 8583 over TCP"),
    "broker": ("device_profiles.serve.broker_command", "an MQTT broker with mutual TLS"),
    "fleet": ("device_profiles.serve.fleet_command", "many terminals at the wire of head office"),
    "pki": ("device_profiles.serve.pki_command", "TEST certificates for every end of every TLS line"),
}
EXAMPLES = """examples:
  device-twin reader --card test-visa-like --link ./reader
  device-twin pinpad --cardholder test-visa-like --link ./pad
  device-twin reader --help

twins:
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in COMMANDS:
        return _without_command(words)

    from tillguard.voice import interruptible

    return interruptible("device-twin", lambda: _command(words))


def _command(words: list[str]) -> int:
    module_name, summary = COMMANDS[words[0]]
    module = importlib.import_module(module_name)
    parser = Parser(
        prog=f"device-twin {words[0]}", description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.configure(parser)
    if parser.epilog:  # examples come first
        parser.description, parser.epilog = f"{parser.epilog.rstrip()}\n\n{summary}", None
    args = parser.parse_args(words[1:])

    from tillguard.voice import run

    return run("device-twin", lambda: int(module.run(args)), as_json=bool(getattr(args, "json", False)))


def _without_command(words: list[str]) -> int:
    listed = "\n".join(f"  {name:<10}{summary}" for name, (_, summary) in COMMANDS.items())
    parser = Parser(
        prog="device-twin",
        description=EXAMPLES + listed + "\n\nVirtual devices and far ends of every wire of a terminal.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("twin", choices=COMMANDS, metavar="TWIN", help="which twin; see below")
    parser.parse_args(words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
