# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console orders` and the words of an order. Signs with the key file of whoever runs it, and with no other."""

import argparse
import asyncio
import secrets
import time
from pathlib import Path

from fleet_console import orders, register
from fleet_console.arguments import common
from fleet_console.files import octets_of, put
from fleet_console.persons import add_key, signing_key, trust_of
from fleet_console.settings import OfficeSettings, load
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from protocols.errors import DecodeError, EncodeError
from protocols.signed import Envelope, Trust, read
from protocols.telemetry import fields as of
from protocols.telemetry.orders import LONGEST_ORDER_S, ORDERS, Argument
from protocols.telemetry.topics import is_terminal_name
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice, plain

EXAMPLES = """\
examples:
  fleet-console orders
  fleet-console orders new lock --terminal TG000001 --set reason="stolen" --key ada.key
  fleet-console orders new unlock --terminal TG000001 --set reason="found" --key ada.key
  fleet-console approve unlock-1a2b3c4d --key ben.key
  fleet-console orders new ping --terminal TG000001 --sequence 7 --key ada.key --out ping.order
  fleet-console orders submit ping.order
"""

LONGEST_COUNT = 19  # digits: boot and sequence numbers stay below 2**63


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("verb", nargs="?", choices=("list", "show", "new", "submit"), default="list", help="(list)")
    parser.add_argument("what", nargs="?", metavar="NAME|FILE", help="show: an order's name; new: which; submit: file")
    parser.add_argument("--terminal", metavar="NAME", help="new: for which terminal")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="given",
                        help="new: an argument; =@FILE takes a file's text; repeatable")  # fmt: skip
    parser.add_argument("--minutes", type=int, default=60, metavar="N", help="new: how long it may be carried out (60)")
    parser.add_argument("--sequence", type=int, metavar="N", help="new --out: its number, where no store is at hand")
    parser.add_argument("--out", type=Path, metavar="FILE", help="new: write it to a file instead of the store")
    add_key(parser, needed=False)
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    if args.verb != "list" and not args.what:
        raise Fault(f"orders {args.verb}: a name or file expected", "fleet-console orders --help", Exit.USAGE)
    voice = Voice("fleet-console", as_json=args.json)
    if args.verb == "new" and args.out is not None and args.sequence is not None:
        _write(args, _signed(args, args.sequence), voice)
        return 0
    settings = load(args.settings)
    return asyncio.run(_within(settings, trust_of(settings.trust, args.settings), args, voice))


async def _within(settings: OfficeSettings, trust: Trust, args: argparse.Namespace, voice: Voice) -> int:
    database = await open_store(settings.store, must_exist=True)
    try:
        if args.verb == "list":
            for kept in await orders.listed(database):
                show(kept, trust, voice)
        elif args.verb == "show":
            show(await orders.find(database, args.what), trust, voice, whole=True)
        elif args.verb == "submit":
            await _submit(database, envelope_of(Path(args.what)), trust, voice)
        else:
            await _new(database, trust, args, voice)
    finally:
        await database.close()
    return 0


async def _new(database: Database, trust: Trust, args: argparse.Namespace, voice: Voice) -> None:
    sequence = args.sequence or await orders.next_sequence(database, args.terminal or "")
    envelope = _signed(args, sequence)
    if args.out is not None:
        _write(args, envelope, voice)
    else:
        await _submit(database, envelope, trust, voice)


async def _submit(database: Database, envelope: Envelope, trust: Trust, voice: Voice) -> None:
    """Keep it, and say where nobody will hear it: a name that was mistyped must not pass for a terminal that obeys."""
    kept = await orders.submit(database, envelope, trust, now_ms())
    show(kept, trust, voice)
    found = await database.read("SELECT state FROM terminals WHERE terminal = $1", kept.terminal)
    if not found:
        voice.tell(f"no terminal {kept.terminal} is known here, so nobody may hear this; fleet-console terminals")
    elif found[0][0] == register.State.ISOLATED:
        voice.tell(f"{kept.terminal} is isolated: it hears nothing until fleet-console terminals release")


def _signed(args: argparse.Namespace, sequence: int) -> Envelope:
    if not args.terminal or not is_terminal_name(args.terminal):
        raise Fault("orders new: --terminal expected", "such as --terminal TG000001", Exit.USAGE)
    if args.key is None:
        raise Fault("orders new: --key expected", "an order is signed by a person", Exit.USAGE)
    if not 1 <= args.minutes <= LONGEST_ORDER_S // 60:
        raise Fault(f"--minutes: 1 to {LONGEST_ORDER_S // 60} expected", "60 is the default", Exit.USAGE)
    kind = ORDERS.get(args.what)
    if kind is None:
        raise Fault("orders new: not an order", f"one of: {', '.join(ORDERS)}", Exit.USAGE)
    now = time.time_ns() // 1_000_000_000
    identifier = f"{kind.name}-{secrets.token_hex(4)}"
    try:
        arguments = dict(_argument(text, kind.arguments) for text in args.given)
        envelope = orders.draft(args.terminal, sequence, now, now + args.minutes * 60, identifier, kind.name, arguments)
    except EncodeError as fault:
        raise Fault(str(fault), f"{kind.name}: {kind.words}", Exit.USAGE) from None
    key = signing_key(args)
    return envelope.signed_by(key.public, key.sign)


def _argument(text: str, known: tuple[Argument, ...]) -> tuple[str, of.Value]:
    name, found, value = text.partition("=")
    argument = next((one for one in known if one.name == name), None)
    if argument is None or not found:
        raise EncodeError(f"--set: {', '.join(f'{one.name}=…' for one in known) or 'no argument'} expected")
    if value.startswith("@"):
        octets = octets_of(Path(value[1:]))
        value = of.document_text(octets) if argument.kind is of.DOCUMENT else octets.decode("utf-8", "replace").strip()
    if argument.kind is of.COUNT:
        if not value.isascii() or not value.isdigit() or len(value) > LONGEST_COUNT:
            raise EncodeError(f"--set {name}: a whole number of at most {LONGEST_COUNT} digits expected")
        return name, int(value)
    return name, value


def envelope_of(path: Path) -> Envelope:
    """A signed order in a file."""
    try:
        return read(octets_of(path))
    except DecodeError as fault:
        raise Fault(f"{path}: {fault}", "fleet-console orders new --out writes one", Exit.USAGE) from None


def _write(args: argparse.Namespace, envelope: Envelope, voice: Voice) -> None:
    put(args.out, envelope.encode())
    voice.answer({"event": "written", "file": str(args.out)}, f"{args.out}: signed; fleet-console orders submit it")


def show(kept: orders.Kept, trust: Trust, voice: Voice, *, whole: bool = False) -> None:
    """An order, and who has signed it."""
    names, needed = orders.needed(kept, trust)
    document = {
        "event": "order", "id": kept.id, "order": kept.name, "terminal": kept.terminal, "sequence": kept.sequence,
        "state": kept.state.value, "signed": list(names), "needed": needed, "until_s": kept.until_s,
        "result": kept.result,
    }  # fmt: skip
    statement = kept.envelope.unverified
    if whole:
        document |= {"body": statement.body, "from_s": statement.from_s}
    signed = f"signed by {', '.join(names) or 'nobody'} ({len(names)} of {needed})"
    text = f"{kept.id:<24}{kept.terminal:<20}{kept.state:<9}{signed}{f'  {kept.result}' if kept.result else ''}"
    voice.answer(document, f"{text}\n  {plain(statement.body)}" if whole else text)


def now_ms() -> int:
    """Head office's clock, in milliseconds of Unix time."""
    return time.time_ns() // 1_000_000
