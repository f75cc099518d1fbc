# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console statement`: what persons sign beside orders: a terminal's profile, a list of persons. Holds no key.

A profile travels inside an order. A list of persons is no order, since the new persons stand for it too: from here it
is handed to all terminals that have not told that they took it, as often as it takes.
"""

import argparse
import asyncio
import time
from pathlib import Path

from fleet_console import office_audit
from fleet_console.arguments import verb_of
from fleet_console.containment import reached
from fleet_console.files import octets_of, put
from fleet_console.orders_command import envelope_of, now_ms
from fleet_console.persons import add_key, signing_key, trust_of
from fleet_console.register import State
from fleet_console.settings import BrokerAccess, load, needed
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from protocols import ed25519
from protocols.errors import DecodeError, EncodeError
from protocols.signed import EVERY_TERMINAL, Envelope, Refused, Statement, Trust, believe, signers
from protocols.telemetry.envelope import decode
from protocols.telemetry.fields import LONGEST_ENVELOPE
from protocols.telemetry.orders import LARGEST_ORDER, PROFILE_KIND, TRUST_KIND, read_trust, trust_statement
from protocols.telemetry.topics import is_terminal_name, order_topic
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice, plain

EXAMPLES = """\
examples:
  fleet-console statement profile terminal.toml --terminal TG000001 --version 2 --key ada.key --out profile.signed
  fleet-console statement show profile.signed
  fleet-console approve --file profile.signed --key ben.key
  fleet-console orders new profile --terminal TG000001 --set statement=@profile.signed --key ada.key
  fleet-console statement persons next.json --version 1 --key ada.key --out persons.signed
  fleet-console statement send persons.signed
"""
MOST_DAYS = 90
_DAY_S = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, words: str, file: str) -> argparse.ArgumentParser:
        made = verb_of(verbs, name, words, EXAMPLES)
        made.add_argument("file", type=Path, metavar="FILE", help=file)
        return made

    for name, words, file in (
        ("profile", "sign a terminal's profile", "the profile, TOML"),
        ("persons", "sign a new list of persons", "the list, JSON, as trust of the settings"),
    ):
        signing = verb(name, words, file)
        signing.add_argument("--terminal", metavar="NAME", help="for which terminal (persons: for all of them)")
        signing.add_argument("--version", type=int, required=True, metavar="N", help="above that in force; persons: +1")
        signing.add_argument(
            "--days", type=int, default=7, metavar="N", help=f"may be taken so long, 1 to {MOST_DAYS} (7)"
        )
        signing.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write it")
        add_key(signing, needed=True)
    verb("show", "what a signed statement or order in a file says, and who signed it", "what persons signed")
    verb("send", "hand a list of persons to the terminals that have not taken it", "the list, signed by enough persons")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    voice = Voice("fleet-console", as_json=args.json)
    if args.verb in ("profile", "persons"):
        return _sign(args, voice)
    if args.verb == "show":
        return _show(args, voice)
    return asyncio.run(_send(args, voice))


def _sign(args: argparse.Namespace, voice: Voice) -> int:
    if (args.terminal is None and args.verb == "profile") or (args.terminal and not is_terminal_name(args.terminal)):
        raise Fault(f"statement {args.verb}: --terminal expected", "such as --terminal TG000001", Exit.USAGE)
    if not 1 <= args.days <= MOST_DAYS:
        raise Fault(f"--days: 1 to {MOST_DAYS} expected", "7 is the default", Exit.USAGE)
    now_s = now_ms() // 1000
    until_s = now_s + args.days * _DAY_S
    try:
        text = octets_of(args.file).decode("utf-8")
        if args.verb == "profile":
            statement = Statement(PROFILE_KIND, args.terminal, args.version, now_s, until_s, text)
        else:
            fresh = read_trust(text)
            statement = trust_statement(fresh, args.version, now_s, until_s, args.terminal or EVERY_TERMINAL)
        envelope = Envelope(statement.encode())
    except (DecodeError, EncodeError, UnicodeDecodeError) as fault:
        words = "not UTF-8 text" if isinstance(fault, UnicodeDecodeError) else str(fault)
        raise Fault(f"{args.file}: {words}", "fleet-console statement --help", Exit.USAGE) from None
    key = signing_key(args)
    octets = envelope.signed_by(key.public, key.sign).encode()
    if len(octets) > LONGEST_ENVELOPE:
        what = f"{args.file}: {len(octets)} octets once signed, at most {LONGEST_ENVELOPE} go to a terminal"
        raise Fault(what, "a shorter file", Exit.USAGE)
    put(args.out, octets)
    words = f"{args.out}: signed once; fleet-console approve --file {args.out}, by another person"
    voice.answer({"event": "written", "file": str(args.out), "signatures": 1}, words)
    return 0


def _show(args: argparse.Namespace, voice: Voice) -> int:
    envelope = envelope_of(args.file)
    statement, names = _unverified(envelope, args.file), _names(envelope, args)
    until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(statement.until_s))
    document = {
        "event": "statement", "kind": statement.kind, "for": statement.audience, "version": statement.version,
        "from_s": statement.from_s, "until_s": statement.until_s, "signed": names, "body": statement.body,
    }  # fmt: skip
    head = f"{statement.kind} {statement.version} for {statement.audience}, until {until} UTC"
    voice.answer(document, f"{head}\nsigned by {', '.join(names) or 'nobody'}\n{plain(statement.body)}")
    return 0


def _unverified(envelope: Envelope, path: Path) -> Statement:
    try:
        return envelope.unverified
    except DecodeError as fault:
        raise Fault(f"{path}: {fault}", "is it what persons signed?", Exit.USAGE) from None


def _names(envelope: Envelope, args: argparse.Namespace) -> list[str]:
    """Of known persons the name, of others the key's."""
    trust = Trust((), {})
    if args.settings.exists() and (path := load(args.settings).trust) is not None:
        trust = trust_of(path, args.settings)
    found = []
    for one in envelope.signatures:
        persons = signers(Envelope(envelope.statement, (one,)), trust, ed25519.verify)
        found.append(persons[0].name if persons else f"key {one.key_id}, of nobody known here")
    return found


async def _send(args: argparse.Namespace, voice: Voice) -> int:
    settings = load(args.settings)
    access = needed(settings.broker, "broker", args.settings).access
    envelope = envelope_of(args.file)
    statement = _unverified(envelope, args.file)
    _check(envelope, statement, trust_of(settings.trust, args.settings))
    database = await open_store(settings.store, must_exist=True)
    try:
        version, has = statement.version, await _lists(database, await _terminals(database, statement.audience))
        have = [name for name, newest in has.items() if newest >= version]
        away = [name for name, newest in has.items() if newest == version - 1]
        behind = [name for name, newest in has.items() if newest < version - 1]
        await _hand_over(access, away, envelope, statement.until_s)
        await office_audit.append(database, now_ms(), "persons.sent", {"version": version, "terminals": len(away)})
    finally:
        await database.close()
    document = {"event": "sent", "version": version, "sent": away, "have": have, "behind": behind}
    words = f"list {version} handed to {len(away)} terminals, {len(have)} have it already"
    if behind:
        words += (
            f"; not to {len(behind)} that have not told that they took list {version - 1}, since they would refuse it"
        )
    voice.answer(document, f"{words}; again until all have it" if away or behind else words)
    return 0


def _check(envelope: Envelope, statement: Statement, trust: Trust) -> None:
    """Only spares the terminals' time: each of them judges by its own list."""
    if statement.kind != TRUST_KIND:
        what = f"a list of persons expected, not a statement of kind {statement.kind}"
        raise Fault(what, "a profile goes with: fleet-console orders new profile", Exit.USAGE)
    try:
        lists = (("now", trust), ("in the new list", read_trust(statement.body)))
    except DecodeError as fault:
        raise Fault(str(fault), "fleet-console statement persons makes one", Exit.USAGE) from None
    for whose, one in lists:
        try:
            believe(envelope, one, ed25519.verify, kind=TRUST_KIND, terminal=statement.audience, now_s=now_ms() // 1000)
        except Refused as fault:
            what = f"by those who are persons {whose}: {fault}"
            raise Fault(
                what, "fleet-console approve --file, by persons of the old list and of the new", Exit.REFUSED
            ) from None


async def _terminals(database: Database, audience: str) -> list[str]:
    rows = await database.read("SELECT terminal FROM terminals WHERE state = $1 ORDER BY terminal", State.ACTIVE.value)
    found = [str(name) for (name,) in rows if audience in (EVERY_TERMINAL, name)]
    if not found:
        raise Fault("no active terminal that it is for", "fleet-console terminals", Exit.ABSENT)
    return found


async def _lists(database: Database, terminals: list[str]) -> dict[str, int]:
    """The newest list that each terminal told that it took; 0 is that which it was installed with."""
    found = dict.fromkeys(terminals, 0)
    for (octets,) in await database.read("SELECT octets FROM reports WHERE event = 'trust.rotated'"):
        told = decode(bytes(octets))
        if told.terminal in found:
            found[told.terminal] = max(found[told.terminal], int(told.event.fields["version"]))
    return found


async def _hand_over(access: BrokerAccess, terminals: list[str], envelope: Envelope, until_s: int) -> None:
    octets = envelope.encode()
    if len(octets) > LARGEST_ORDER:
        raise Fault(f"{len(octets)} octets, at most {LARGEST_ORDER} go to a terminal", "fewer signatures", Exit.USAGE)
    async with reached(access, "statements") as talk:
        for name in terminals:
            refused = await talk.publish(order_topic(name), octets, until_s - now_ms() // 1000)
            if refused:
                what = f"{name}: the broker does not take it: {refused}"
                raise Fault(what, "fleet-console broker check", Exit.REFUSED)
