# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console persons`: whose signatures count, and another list of them for the terminals. Believes none itself.

A new list is a statement that enough persons of the old list and of the new one have signed; each terminal judges that
itself. It travels as orders do, and a terminal that has taken it reports so (``trust.rotated``). So nothing of it is
kept here but the record that it was sent: whom it has not reached yet is read from the reports, and it is sent again.
"""

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from fleet_console import office_audit
from fleet_console.arguments import common
from fleet_console.line import ANSWER_S, line
from fleet_console.orders_command import envelope_of, now_ms
from fleet_console.persons import add_key, signing_key, trust_of
from fleet_console.register import Register, State
from fleet_console.settings import BrokerAccess, OfficeSettings, load, needed
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from fleet_console.wire_faults import words_of
from protocols import ed25519
from protocols.errors import DecodeError, EncodeError
from protocols.signed import EVERY_TERMINAL, Believed, Envelope, Floor, Refused, Trust
from protocols.telemetry.envelope import decode
from protocols.telemetry.orders import LARGEST_ORDER, rotate, trust_statement
from protocols.telemetry.topics import is_terminal_name, order_topic
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console persons
  fleet-console persons new fresh.json --key ada.key --out fresh.persons
  fleet-console approve --file fresh.persons --key ben.key
  fleet-console persons send fresh.persons
"""
DAY_S = 86_400
MOST_DAYS = 365
ROTATED = "trust.rotated"
_LATEST = (
    "SELECT terminal, octets FROM reports WHERE event = $1 AND number IN "
    "(SELECT max(number) FROM reports WHERE event = $1 GROUP BY terminal)"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("verb", nargs="?", choices=("list", "new", "send"), default="list", help="what to do (list)")
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="new: the new list, JSON; send: what new made"
    )
    parser.add_argument("--terminal", metavar="NAME", help="new: for this terminal alone (default: for every one)")
    parser.add_argument("--version", type=int, metavar="N", help="new: the list's number (default: the next one)")
    parser.add_argument("--days", type=int, default=30, metavar="N", help="new: how long terminals may take it (30)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="new: where to write it for the other persons")
    add_key(parser, needed=False)
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    if args.verb != "list" and args.file is None:
        raise Fault(f"persons {args.verb}: a file expected", "fleet-console persons --help", Exit.USAGE)
    settings = load(args.settings)
    return asyncio.run(_within(settings, trust_of(settings.trust, args.settings), args))


async def _within(settings: OfficeSettings, trust: Trust, args: argparse.Namespace) -> int:
    voice = Voice("fleet-console", as_json=args.json)
    database = await open_store(settings.store, must_exist=True)
    try:
        held = await versions(database)
        if args.verb == "new":
            _new(args, max(held.values(), default=0) + 1, voice)
        elif args.verb == "send":
            access = needed(settings.broker, "broker", args.settings).access
            await _send(database, access, trust, held, args.file, voice)
        else:
            await _list(database, trust, held, voice)
    finally:
        await database.close()
    return 0


async def versions(database: Database) -> dict[str, int]:
    """The number of the list that each terminal reported last; none of those that never took one."""
    rows = await database.read(_LATEST, ROTATED)
    return {terminal: int(decode(bytes(octets)).event.fields["version"]) for terminal, octets in rows}


async def _list(database: Database, trust: Trust, held: dict[str, int], voice: Voice) -> None:
    for one in trust.persons:
        kinds = sorted(one.kinds)
        voice.answer({"event": "person", "name": one.name, "kinds": kinds}, f"{one.name:<24}{', '.join(kinds)}")
    for kind, count in sorted(trust.thresholds.items()):
        voice.answer({"event": "threshold", "kind": kind, "persons": count}, f"{kind} takes {count}")
    for name in await _active(database):
        version = held.get(name, 0)
        told = f"list {version}" if version else "the list of its profile"
        voice.answer({"event": "terminal", "terminal": name, "version": version}, f"{name:<24}{told}")


def _new(args: argparse.Namespace, following: int, voice: Voice) -> None:
    if args.key is None or args.out is None:
        raise Fault("persons new: --key and --out expected", "the other persons sign the file", Exit.USAGE)
    if not 1 <= args.days <= MOST_DAYS:
        raise Fault(f"--days: 1 to {MOST_DAYS} expected", "30 is the default", Exit.USAGE)
    if args.terminal is not None and not is_terminal_name(args.terminal):
        raise Fault("--terminal: a terminal's name expected", "such as TG000001", Exit.USAGE)
    version, now_s = args.version or following, now_ms() // 1000
    try:
        statement = trust_statement(
            trust_of(args.file, args.settings), version, now_s, now_s + args.days * DAY_S,
            args.terminal or EVERY_TERMINAL,
        )  # fmt: skip
        octets = statement.encode()
    except EncodeError as fault:
        raise Fault(str(fault), "see docs/head-office.md, Persons", Exit.USAGE) from None
    key = signing_key(args)
    try:
        args.out.write_bytes(Envelope(octets).signed_by(key.public, key.sign).encode())
    except OSError as fault:
        raise Fault(f"{args.out}: {(fault.strerror or '').lower()}", "name a file that can be written") from None
    document = {"event": "written", "file": str(args.out), "version": version}
    voice.answer(document, f"{args.out}: list {version}, signed once; fleet-console approve --file it, by the others")


async def _send(
    database: Database, access: BrokerAccess, trust: Trust, held: dict[str, int], file: Path, voice: Voice
) -> None:
    envelope = envelope_of(file)
    believed = _judged(envelope, trust, file)
    statement = believed.statement
    meant = [one for one in await _active(database) if statement.audience in (EVERY_TERMINAL, one)]
    lacking = [one for one in meant if held.get(one, 0) < statement.version]
    due = [one for one in lacking if held.get(one, 0) == statement.version - 1]
    if due:
        told: dict[str, str | int | bool] = {
            "version": statement.version, "digest": believed.digest, "terminals": len(due),
        }  # fmt: skip
        await office_audit.append(database, now_ms(), "persons.sent", told)
        await _publish(access, due, envelope.encode(), statement.until_s - now_ms() // 1000)
    behind = sorted(set(lacking) - set(due))
    document = {
        "event": "sent", "version": statement.version, "terminals": due, "have_it": len(meant) - len(lacking),
        "behind": behind,
    }  # fmt: skip
    words = f"list {statement.version} sent to {len(due)} terminals; {len(meant) - len(lacking)} have it"
    late = f"; these lack the list before it: {', '.join(behind)}" if behind else ""
    voice.answer(document, f"{words}{late}")


def _judged(envelope: Envelope, trust: Trust, file: Path) -> Believed:
    """As a terminal judges it that has the list before; raises :class:`Fault` for what none would take."""
    try:
        statement = envelope.unverified
        before = Floor(statement.version - 1, "")
        now_s = now_ms() // 1000
        _, found = rotate(envelope, trust, ed25519.verify, terminal=statement.audience, now_s=now_s, floor=before)
    except DecodeError as fault:
        raise Fault(f"{file}: {fault}", "fleet-console persons new makes one", Exit.USAGE) from None
    except Refused as fault:
        hint = "enough persons of the old list and of the new one sign it: fleet-console approve --file"
        raise Fault(f"{file}: {fault}", hint, Exit.REFUSED) from None
    if len(envelope.encode()) > LARGEST_ORDER:
        raise Fault(f"{file}: more than {LARGEST_ORDER} octets", "fewer persons, or fewer kinds each", Exit.USAGE)
    return found


async def _active(database: Database) -> list[str]:
    known = (await Register.load(database)).terminals
    return sorted(name for name, one in known.items() if one.state is State.ACTIVE)


async def _publish(access: BrokerAccess, terminals: Sequence[str], octets: bytes, expiry_s: int) -> None:
    where = f"{access.host}:{access.port}"
    try:
        async with line(access, f"persons-{os.uname().nodename}-{os.getpid()}") as talk:
            if not await talk.open():
                raise Fault(f"{where}: {talk.ended}", "head office's certificate, at its own port?", Exit.REFUSED)
            for name in terminals:
                if refused := await talk.publish(order_topic(name), octets, expiry_s):
                    raise Fault(f"{where}: {name}: {refused}", "fleet-console broker check", Exit.REFUSED)
    except (OSError, TimeoutError) as fault:
        what = f"{where}: {words_of(fault, ANSWER_S)}"
        raise Fault(
            what, "is the broker running there? send it again: whoever has it gets none", Exit.UNREACHABLE
        ) from None
