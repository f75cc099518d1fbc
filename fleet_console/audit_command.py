# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console audit`: head office's own chain shown, verified, its head countersigned. Repairs nothing."""

import argparse
import asyncio
import secrets
import time
from pathlib import Path

from fleet_console import countersign, office_audit
from fleet_console.arguments import common
from fleet_console.files import octets_of
from fleet_console.look_events import LARGEST_LIMIT
from fleet_console.settings import AuditSettings, OfficeSettings, load
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from protocols.audit_chain import ChainError, Head, parse, verify
from protocols.errors import DecodeError
from protocols.telemetry.keys import PublicKey, from_public_pem, signer_from_pem
from protocols.telemetry.seal import Signer
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console audit show --limit 20
  fleet-console audit verify --public audit.pub
  fleet-console audit verify --remembered head-office:812:6b1f…
  fleet-console audit countersign
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("verb", choices=("show", "verify", "countersign"), help="what to do")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="show: the latest N (50)")
    parser.add_argument("--public", type=Path, metavar="FILE", help="verify: the audit key's public half, PEM")
    parser.add_argument("--remembered", metavar="HEAD", help="verify: a head kept elsewhere, as verify prints it")
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    if not 1 <= args.limit <= LARGEST_LIMIT:
        raise Fault(f"--limit: 1 to {LARGEST_LIMIT} expected", "50 is the default", Exit.USAGE)
    return asyncio.run(_within(load(args.settings), args, Voice("fleet-console", as_json=args.json)))


async def _within(settings: OfficeSettings, args: argparse.Namespace, voice: Voice) -> int:
    database = await open_store(settings.store, must_exist=True)
    try:
        if args.verb == "show":
            await _show(database, args.limit, voice)
        elif args.verb == "verify":
            await _verify(database, settings.audit, args, voice)
        else:
            await _countersign(database, settings.audit, voice)
    finally:
        await database.close()
    return 0


async def _show(database: Database, limit: int, voice: Voice) -> None:
    for (line,) in (await database.read("SELECT line FROM audit ORDER BY seq DESC LIMIT $1", limit))[::-1]:
        record = parse(bytes(line), office_audit.CHAIN)
        document = {
            "event": "record", "seq": record.seq, "at_ms": record.at_ms, "name": record.name,
            "fields": dict(record.fields),
        }  # fmt: skip
        stamp = time.strftime("%F %T", time.localtime(record.at_ms / 1000))
        told = ", ".join(f"{name} {value}" for name, value in record.fields.items())
        voice.answer(document, f"{record.seq:>6} {stamp} {record.name}: {told}")


async def _verify(database: Database, settings: AuditSettings, args: argparse.Namespace, voice: Voice) -> None:
    remembered = _head(args.remembered)
    lines = [bytes(line) for (line,) in await database.read("SELECT line FROM audit ORDER BY seq")]
    try:
        summary = verify(office_audit.CHAIN, lines, remembered)
    except (ChainError, DecodeError) as fault:
        raise Fault(f"audit: {fault}", "compare it with a copy of the store", Exit.INTEGRITY) from None

    def hash_of(seq: int) -> bytes | None:
        return parse(lines[seq - 1], office_audit.CHAIN).head.hash if 1 <= seq <= len(lines) else None

    faults = list(await countersign.verify(database, hash_of, _public(args.public), settings.tsa_ca))
    if faults:
        raise Fault(f"audit: {faults[0]}", f"{len(faults)} faults; compare it with a copy of the store", Exit.INTEGRITY)
    count = (await database.read("SELECT count(*) FROM countersignatures"))[0][0]
    checked = [] if args.public else ["keys were not checked: give --public"]
    checked += ["tokens were not checked: tsa-ca is not set"] if settings.tsa and not settings.tsa_ca else []
    document = {
        "event": "verified", "records": summary.records, "head": summary.head.text(), "countersignatures": count,
        "unchecked": checked,
    }  # fmt: skip
    text = f"{summary.records} records hold, {count} countersignatures fit\nhead {summary.head.text()}"
    voice.answer(document, "\n".join([text, *checked]))


async def _countersign(database: Database, settings: AuditSettings, voice: Voice) -> None:
    kinds = await once(database, settings)
    if not kinds:
        raise Fault("audit countersign: neither key nor tsa is set", "add them under [audit]", Exit.USAGE)
    head = await office_audit.head(database)
    voice.answer(
        {"event": "countersigned", "by": kinds, "head": head.text()},
        f"countersigned by {', '.join(kinds)}: {head.text()}",
    )


async def once(database: Database, settings: AuditSettings) -> list[str]:
    """Countersign the head now, by whatever the settings name; returns by what."""
    head, now = await office_audit.head(database), time.time_ns() // 1_000_000
    kinds = []
    if settings.key is not None:
        await database.write([countersign.by_key(head, now, signing_key_of(settings.key))])
        kinds.append("key")
    if settings.tsa is not None:
        authority, nonce = countersign.StampingAuthority(settings.tsa, settings.tsa_ca), secrets.randbits(63)
        step = await asyncio.to_thread(countersign.by_authority, head, now, authority, nonce)
        await database.write([step])
        kinds.append("rfc3161")
    return kinds


def signing_key_of(path: Path) -> Signer:
    """A private key of head office's own; raises :class:`Fault` with the cure."""
    try:
        return signer_from_pem(octets_of(path), str(path))
    except DecodeError as fault:
        raise Fault(str(fault), "openssl genpkey -algorithm ed25519 makes one", Exit.USAGE) from None


def _public(path: Path | None) -> PublicKey | None:
    try:
        return None if path is None else from_public_pem(octets_of(path), str(path))
    except DecodeError as fault:
        raise Fault(str(fault), "openssl pkey -in audit.key -pubout", Exit.USAGE) from None


def _head(text: str | None) -> Head | None:
    try:
        return None if text is None else Head.from_text(text)
    except DecodeError as fault:
        raise Fault(f"--remembered: {fault}", "a head as audit verify prints it", Exit.USAGE) from None
