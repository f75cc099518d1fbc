# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin keypad`: a local keypad on a pseudo terminal, with a person at its keys. Its options and its run."""

import argparse
from pathlib import Path

from device_profiles.serve.pinpad_command import BEHAVIOURS

EPILOG = """examples:
  device-twin keypad --cardholder test-visa-like --link ./keypad
  device-twin keypad --cardholder test-visa-like --behaviour cancel --json

Its octets are clear digits: the line belongs to the vault alone, and no trace of it is ever written.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--model", default="software", metavar="NAME", help="keypad profile (default software)")
    parser.add_argument("--cardholder", metavar="NAME", help="card profile of the person; without it nobody is there")
    parser.add_argument("--behaviour", choices=BEHAVIOURS, default="right-pin", help="what the person does")
    parser.add_argument("--link", type=Path, metavar="PATH", help="make a symbolic link to the line")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    from device_profiles.keypad import keypad
    from device_profiles.serve.pinpad_command import cardholder
    from device_profiles.serve.pty import PtyServer
    from device_profiles.serve.signals import until_signalled
    from device_profiles.twins.local_keypad import KeypadTwin
    from tillguard.voice import Voice

    voice = Voice("device-twin", as_json=args.json)
    profile = keypad(args.model)
    twin = KeypadTwin(profile, cardholder(args))

    def watch(direction: str, octets: bytes) -> None:
        for shown in twin.drain_shown():
            voice.answer({"event": "display", "text": shown}, f"keypad shows: {shown}")

    stop = until_signalled()
    server = PtyServer(twin, watch, args.link)
    link = str(args.link) if args.link else None
    ready = {"event": "ready", "twin": "keypad", "model": profile.model, "line": server.line, "link": link}
    voice.answer(ready, f"ready {args.link or server.line} {profile.title}")
    await server.run(stop)
    return 0
