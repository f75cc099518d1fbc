# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console terminals`: which there are, how they stand; add one by its certificate, isolate and release one."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fleet_console import office_audit, presence, register
from fleet_console.arguments import common
from fleet_console.authority import serial_of
from fleet_console.containment import Control
from fleet_console.files import octets_of
from fleet_console.isolation import Barrier
from fleet_console.register import State
from fleet_console.settings import OfficeSettings, load
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database, Step
from protocols.errors import DecodeError
from protocols.telemetry.fields import TEXT
from protocols.telemetry.keys import PublicKey, from_certificate, from_public_pem
from protocols.telemetry.topics import is_terminal_name
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console terminals
  fleet-console terminals show TG000001
  fleet-console terminals add TG000001 --certificate TG000001.pem
  fleet-console terminals import --certificates ./pki
  fleet-console terminals isolate TG000001 --reason "stolen on Monday"
  fleet-console terminals release TG000001 --reason "found, sealed and checked"
"""
_STYLES = {State.ISOLATED.value: "red", presence.Presence.ONLINE.value: "green", presence.Presence.LOST.value: "yellow"}
_ROWS = (
    "SELECT terminal, shard, state, reason, presence, deadline_ms, boot, seq, event, heard_ms FROM terminals "
    "LEFT JOIN terminal_latest USING (terminal)"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("verb", nargs="?", choices=tuple(_VERBS), default="list", help="what to do (list)")
    parser.add_argument("name", nargs="?", metavar="TERMINAL", help="which terminal")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="add: its certificate, PEM")
    parser.add_argument("--certificates", type=Path, metavar="DIR", help="import: a folder of NAME.pem; see --only")
    parser.add_argument("--only", default="TG*", metavar="PATTERN", help="import: which names (TG*)")
    parser.add_argument("--report-key", type=Path, metavar="FILE", help="add: a report key of its own, public, PEM")
    parser.add_argument("--reason", metavar="WORDS", help="isolate, release: why, for the audit chain")
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    settings = load(args.settings)
    if args.verb not in ("list", "import") and (args.name is None or not is_terminal_name(args.name)):
        raise Fault(f"terminals {args.verb}: a terminal's name expected", "such as TG000001", Exit.USAGE)
    if args.verb in ("isolate", "release") and not args.reason:
        raise Fault(f"terminals {args.verb}: --reason expected", "it stands in the audit chain", Exit.USAGE)
    if args.reason and (expected := TEXT.refusal(args.reason)):
        raise Fault(f"--reason: {expected} expected", "it stands in the audit chain", Exit.USAGE)
    voice = Voice("fleet-console", as_json=args.json)
    return asyncio.run(_within(settings, args, voice))


async def _within(settings: OfficeSettings, args: argparse.Namespace, voice: Voice) -> int:
    database = await open_store(settings.store, must_exist=args.verb not in ("add", "import"))
    try:
        await _VERBS[args.verb](database, settings, args, voice)
    finally:
        await database.close()
    return 0


async def _list(database: Database, _: OfficeSettings, args: argparse.Namespace, voice: Voice) -> None:
    for row in await database.read(f"{_ROWS} ORDER BY terminal"):
        _show_row(row, voice)


async def _show(database: Database, _: OfficeSettings, args: argparse.Namespace, voice: Voice) -> None:
    _show_row(await _row(database, args.name), voice)
    for key_id, added in await database.read(
        "SELECT key_id, added_ms FROM report_keys WHERE terminal = $1 ORDER BY added_ms", args.name
    ):
        voice.answer({"event": "report key", "key": key_id, "added_ms": added}, f"  report key {key_id}")
    for boot, upto in await database.read(
        "SELECT boot, upto FROM stories WHERE terminal = $1 ORDER BY boot", args.name
    ):
        voice.answer({"event": "boot", "boot": boot, "upto": upto}, f"  boot {boot}: whole up to report {upto}")


async def _add(database: Database, settings: OfficeSettings, args: argparse.Namespace, voice: Voice) -> None:
    keys, now = _keys(args), _now_ms()
    serials = (serial_of(octets_of(args.certificate)),) if args.certificate is not None else ()
    fields = {"terminal": args.name, "keys": ", ".join(key.key_id for key in keys)}
    await office_audit.append(database, now, "terminal.added", fields, register.addition(args.name, keys, now, serials))
    at_broker = settings.broker is not None
    if settings.broker is not None:
        try:
            await Control(settings.broker.access).admit([args.name])
        except Fault as fault:
            what = f"{args.name} is added, but the broker was not told: {fault.what}"
            raise Fault(what, "fleet-console broker sync", fault.exit_code) from None
    words = f"{args.name} added with report key {fields['keys']}"
    voice.answer({"event": "added", **fields, "at_broker": at_broker}, words)


async def _import(database: Database, settings: OfficeSettings, args: argparse.Namespace, voice: Voice) -> None:
    """Many at once, with one record; the broker is told by ``fleet-console broker sync``."""
    if args.certificates is None or not args.certificates.is_dir():
        raise Fault("terminals import: --certificates with a folder expected", "of files NAME.pem", Exit.USAGE)
    paths = [path for path in sorted(args.certificates.iterdir()) if fnmatchcase(path.name, f"{args.only}.pem")]
    paths = [path for path in paths if is_terminal_name(path.stem)]
    if not paths:
        raise Fault(f"{args.certificates}: no terminal's certificate", f"{args.only}.pem; see --only", Exit.ABSENT)
    now = _now_ms()
    steps: list[Step] = []
    for path in paths:
        try:
            pem = octets_of(path)
            steps += register.addition(path.stem, (from_certificate(pem, str(path)),), now, (serial_of(pem),))
        except DecodeError as fault:
            raise Fault(str(fault), "P-256 or Ed25519, in PEM", Exit.USAGE) from None
    await office_audit.append(database, now, "terminals.imported", {"terminals": len(paths)}, steps)
    words = f"{len(paths)} terminals imported; the broker hears of new ones by: fleet-console broker sync"
    voice.answer({"event": "imported", "terminals": len(paths)}, words)


async def _isolate(database: Database, settings: OfficeSettings, args: argparse.Namespace, voice: Voice) -> None:
    await _change(database, args, State.ISOLATED)
    await _at_broker(settings, args.name, voice, lambda barrier: barrier.bar(args.name, database), "isolated")


async def _release(database: Database, settings: OfficeSettings, args: argparse.Namespace, voice: Voice) -> None:
    await _change(database, args, State.ACTIVE)
    await _at_broker(settings, args.name, voice, lambda barrier: barrier.lift(args.name, database), "released")


async def _change(database: Database, args: argparse.Namespace, state: State) -> None:
    """The store first: from this commit on nothing of it is taken, whatever the broker does."""
    await _row(database, args.name)
    now = _now_ms()
    name = "terminal.isolated" if state is State.ISOLATED else "terminal.released"
    fields = {"terminal": args.name, "reason": args.reason}
    await office_audit.append(database, now, name, fields, register.change(args.name, state, args.reason, now))


async def _at_broker(
    settings: OfficeSettings, name: str, voice: Voice, act: Callable[[Barrier], Awaitable[bool]], done: str
) -> None:
    try:
        barrier = Barrier.of(settings)
        listed = barrier is not None and await act(barrier)
    except Fault as fault:
        what = f"{name} is {done} at the ingest, but the broker was not told: {fault.what}"
        raise Fault(what, f"{fault.hint}; then: fleet-console broker sync", fault.exit_code) from None
    document = {"event": done, "terminal": name, "at_broker": barrier is not None, "listed": listed}
    where = "at the ingest and at the broker" if barrier is not None else "at the ingest alone"
    words = ", and on its list of withdrawn certificates" if done == "isolated" else ", and taken off its list"
    voice.answer(document, f"{name} {done} {where}{words if listed else ''}")


async def _row(database: Database, name: str) -> tuple[Any, ...]:
    found = await database.read(f"{_ROWS} WHERE terminal = $1", name)
    if not found:
        raise Fault(f"no terminal {name} here", "fleet-console terminals", Exit.ABSENT)
    return found[0]


def _show_row(row: tuple[Any, ...], voice: Voice) -> None:
    name, number, state, reason, kept, deadline, boot, seq, event, heard = row
    there = presence.now(kept, deadline, _now_ms()).value
    document = {
        "event": "terminal", "terminal": name, "shard": number, "state": state, "reason": reason, "presence": there,
        "boot": boot, "seq": seq, "latest": event, "heard_ms": heard,
    }  # fmt: skip
    shown = [voice.paint(f"{words:<12}", _STYLES.get(words, "")) if words in _STYLES else f"{words:<12}"
             for words in (state, there)]  # fmt: skip
    latest = f"boot {boot} report {seq} {event}" if boot is not None else ""
    voice.answer(document, f"{name:<20}{shown[0]}{shown[1]}{latest}{f'  {reason}' if reason else ''}")


def _keys(args: argparse.Namespace) -> tuple[PublicKey, ...]:
    if args.certificate is None and args.report_key is None:
        raise Fault("terminals add: --certificate or --report-key expected", "its certificate in PEM", Exit.USAGE)
    found = []
    for path, read in ((args.certificate, from_certificate), (args.report_key, from_public_pem)):
        if path is None:
            continue
        try:
            found.append(read(octets_of(path), str(path)))
        except DecodeError as fault:
            raise Fault(str(fault), "P-256 or Ed25519, in PEM", Exit.USAGE) from None
    return tuple(found)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_VERBS = {"list": _list, "show": _show, "add": _add, "import": _import, "isolate": _isolate, "release": _release}
