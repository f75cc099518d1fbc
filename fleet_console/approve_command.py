# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console approve`: another person's signature under an order that waits, or under one in a file."""

import argparse
import asyncio
from pathlib import Path

from fleet_console import orders
from fleet_console.arguments import common
from fleet_console.files import put
from fleet_console.orders_command import envelope_of, now_ms, show
from fleet_console.persons import add_key, signing_key, trust_of
from fleet_console.settings import OfficeSettings, load
from fleet_console.store.choose import open_store
from protocols.signed import Trust
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console orders show unlock-1a2b3c4d
  fleet-console approve unlock-1a2b3c4d --key ben.key
  fleet-console approve --file unlock.order --key ben.key
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("name", nargs="?", metavar="ORDER", help="the order's name")
    parser.add_argument("--file", type=Path, metavar="FILE", help="sign an order in a file; no store is needed")
    add_key(parser, needed=True)
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Sign it."""
    if (args.name is None) == (args.file is None):
        raise Fault("approve: an order's name or --file expected", "fleet-console orders", Exit.USAGE)
    voice = Voice("fleet-console", as_json=args.json)
    if args.file is not None:
        return _in_file(args, voice)
    settings = load(args.settings)
    return asyncio.run(_in_store(settings, trust_of(settings.trust, args.settings), args, voice))


def _in_file(args: argparse.Namespace, voice: Voice) -> int:
    envelope, key = envelope_of(args.file), signing_key(args)
    signed = envelope.signed_by(key.public, key.sign)
    put(args.file, signed.encode())
    count = len(signed.signatures)
    voice.answer({"event": "signed", "file": str(args.file), "signatures": count}, f"{args.file}: {count} signatures")
    return 0


async def _in_store(settings: OfficeSettings, trust: Trust, args: argparse.Namespace, voice: Voice) -> int:
    database = await open_store(settings.store, must_exist=True)
    try:
        kept = await orders.find(database, args.name)
        key = signing_key(args)
        signed = kept.envelope.signed_by(key.public, key.sign)
        show(await orders.approve(database, args.name, signed, trust, now_ms()), trust, voice)
    finally:
        await database.close()
    return 0
