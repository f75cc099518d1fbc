# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console enrol`: applications of terminals, the steps of their lives, their certificates. Decides nothing."""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fleet_console.arguments import verb_of
from fleet_console.authority import Authority
from fleet_console.enrolment import EnrolmentDesk, StepTaken
from fleet_console.files import octets_of, put
from fleet_console.isolation import Barrier
from fleet_console.life_steps import GRAVE, LONGEST_S, LifeStep
from fleet_console.persons import add_key, signing_key, trust_of
from fleet_console.renewals import Renewals
from fleet_console.settings import load, needed
from fleet_console.store.choose import open_store
from protocols.ed25519 import SigningKey, verify
from protocols.errors import DecodeError, ProtocolError
from protocols.identity.documents import open_document, read_activation
from protocols.identity.life import Step, open_steps
from protocols.signed import Envelope, read
from protocols.telemetry.topics import is_terminal_name
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console enrol list
  fleet-console enrol file application
  fleet-console enrol step accept --terminal TG000001 --application 3f2a… --key ada.key --answer answer
  fleet-console enrol step correct --terminal TG000001 --application 3f2a… --fault licence="ended" --key ada.key \\
      --answer answer
  fleet-console enrol step install --terminal TG000001 --application 3f2a… --key ada.key      prints the code, once
  fleet-console enrol activate activation --answer answer
  fleet-console enrol answer --terminal TG000001 --application 3f2a… --answer answer      once more
  fleet-console enrol step thaw --terminal TG000001 --key ada.key --out thaw.step
  fleet-console enrol step --file thaw.step --key ben.key
  fleet-console enrol renew renewal --answer answer
  fleet-console enrol renew --reported --key ada.key      what terminals applied for by order, answered by orders
  fleet-console enrol show TG000001
  fleet-console enrol crl --out revoked.pem
"""
Body = Callable[[EnrolmentDesk, argparse.Namespace, Voice], Awaitable[str | None]]
"""Does what a verb says; gives the terminal where the broker is to be told of it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, words: str) -> argparse.ArgumentParser:
        return verb_of(verbs, name, words, EXAMPLES)

    verb("list", "every terminal and where it stands")
    verb("show", "one terminal: life, bindings, steps, certificates").add_argument("terminal", metavar="TERMINAL")
    verb("file", "keep a terminal's application and say what is wrong with it").add_argument(
        "document", type=Path, metavar="FILE"
    )
    step = verb("step", "take a step of a terminal's life, signed by one person or two")
    steps = [one.value for one in Step if one is not Step.ACTIVATE]
    step.add_argument("step", nargs="?", choices=steps, metavar="STEP", help=f"one of {', '.join(steps)}")
    step.add_argument("--terminal", metavar="NAME", help="whose life")
    step.add_argument("--application", default="", metavar="DIGEST", help="as `file` said it; its beginning will do")
    step.add_argument("--fault", action="append", default=[], metavar="FIELD=WORDS", help="correct: what is wrong")
    step.add_argument("--reason", default="", metavar="WORDS", help="why, for the record")
    step.add_argument("--file", type=Path, metavar="FILE", help="a step that another person signed; sign it too")
    step.add_argument("--out", type=Path, metavar="FILE", help="where to leave it for the second person")
    step.add_argument("--answer", type=Path, metavar="FILE", help="where to write the answer for the terminal")
    add_key(step, needed=True)
    activate = verb("activate", "the certificate for a terminal whose merchant has the right code")
    activate.add_argument("document", type=Path, metavar="FILE")
    activate.add_argument("--answer", type=Path, required=True, metavar="FILE", help="where to write the answer")
    renew = verb("renew", "the next certificate, for which the one in use stands")
    renew.add_argument("document", nargs="?", type=Path, metavar="FILE", help="an application that somebody carried")
    renew.add_argument("--answer", type=Path, metavar="FILE", help="where to write the answer to it")
    renew.add_argument("--reported", action="store_true", help="all that terminals reported; answered by orders")
    add_key(renew, needed=False)
    again = verb("answer", "write once more what was answered to an application")
    again.add_argument("--terminal", required=True, metavar="NAME", help="whose application")
    again.add_argument(
        "--application", required=True, metavar="DIGEST", help="as `file` said it; its beginning will do"
    )
    again.add_argument("--answer", type=Path, required=True, metavar="FILE", help="where to write it")
    verb("crl", "the list of withdrawn certificates, for the broker").add_argument(
        "--out", type=Path, required=True, metavar="FILE"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    voice = Voice("fleet-console", as_json=args.json)
    try:
        asyncio.run(_within(args, voice))
    except ProtocolError as fault:
        raise Fault(str(fault), "is it the document that the terminal made?", Exit.INTEGRITY) from None
    return int(Exit.OK)


async def _within(args: argparse.Namespace, voice: Voice) -> None:
    settings = load(args.settings)
    files = needed(settings.enrolment, "enrolment", args.settings)
    try:
        authority = Authority(octets_of(files.certificate), octets_of(files.key))
    except DecodeError as fault:
        raise Fault(f"{args.settings}: enrolment: {fault}", "see docs/identity.md", Exit.USAGE) from None
    trust = trust_of(settings.trust, args.settings)
    database = await open_store(settings.store)
    try:
        desk = EnrolmentDesk(database, authority, trust, verify, _now_ms, os.urandom)
        if args.verb == "renew" and args.reported:
            await _renew_reported(Renewals(database, desk, trust, _by_orders(args), _now_ms, os.urandom), voice)
            return
        terminal = await _VERBS[args.verb](desk, args, voice)
        if terminal is not None and (barrier := Barrier.of(settings)) is not None:
            try:
                await barrier.follow(terminal, database)
            except Fault as fault:
                what = f"{terminal}: this is done, but the broker was not told: {fault.what}"
                raise Fault(what, "fleet-console broker sync", fault.exit_code) from None
    finally:
        await database.close()


async def _list(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> None:
    for terminal, life, version, serial in await desk.records.everybody():
        bound = f"  binding {version}  machine {serial}" if version else ""
        voice.answer(
            {"terminal": terminal, "life": life, "binding": version, "serial": serial},
            f"{terminal}  {life:<10}{bound}".rstrip(),
        )


async def _show(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> None:
    await desk.records.must_know(args.terminal)
    standing = await desk.records.standing(args.terminal)
    steps, bindings, certificates = await desk.records.history(args.terminal)
    document = {
        "terminal": args.terminal,
        "life": standing.life,
        "binding": standing.version,
        "steps": [{"step": step, "life": life, "persons": persons, "at": at} for step, life, persons, at in steps],
        "bindings": [dict(zip(_ELEMENTS, row, strict=True)) for row in bindings],
        "certificates": [
            {"serial": serial, "ends": ends, "revoked": revoked} for serial, ends, revoked in certificates
        ],
    }
    lines = [f"{args.terminal}: {standing.life}; binding {standing.version or 'none'}"]
    lines += [
        f"  {_day(at)}  {step} → {life}{f', by {persons}' if persons else ''}" for step, life, persons, at in steps
    ]
    lines += [f"  binding {row[0]} from {_day(row[6])}: {', '.join(map(str, row[1:6]))}" for row in bindings]
    lines += [
        f"  certificate {serial} until {_day(ends)}{f', withdrawn: {revoked}' if revoked else ''}"
        for serial, ends, revoked in certificates
    ]
    voice.answer(document, "\n".join(lines))


async def _file(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> None:
    filed = await desk.file(octets_of(args.document))
    document = {"terminal": filed.terminal, "application": filed.digest, "faults": filed.faults}
    faults = "".join(f"\n  {name}: {words}" for name, words in filed.faults.items()) or "\n  a machine finds no fault"
    voice.answer(document, f"{filed.terminal}: application {filed.digest}{faults}")


async def _step(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> str | None:
    if (args.step is None) == (args.file is None):
        raise Fault("enrol step: a step, or --file expected", "fleet-console enrol step --help", Exit.USAGE)
    if args.step in (Step.ACCEPT, Step.CORRECT) and args.answer is None:
        raise Fault(f"to {args.step}: --answer FILE expected", "the terminal waits for the answer", Exit.USAGE)
    envelope = read(octets_of(args.file)) if args.file is not None else await _drafted(desk, args)
    key = signing_key(args)
    signed = envelope.signed_by(key.public, key.sign)
    step = args.step or "the step"
    if args.step in GRAVE or (args.step == Step.RETIRE and args.out is not None):
        if args.out is None:
            raise Fault(f"to {step} takes two persons", "--out FILE leaves it for the second one", Exit.USAGE)
        put(args.out, signed.encode())
        voice.answer({"written": str(args.out)}, f"{args.out}: signed once; enrol step --file it, by another person")
        return None
    taken = await desk.step(signed.encode())
    _told(taken, args, voice)
    return taken.terminal if taken.barred else None


async def _drafted(desk: EnrolmentDesk, args: argparse.Namespace) -> Envelope:
    if not args.terminal or not is_terminal_name(args.terminal):
        raise Fault("enrol step: --terminal expected", "such as --terminal TG000001", Exit.USAGE)
    faults = dict(_fault(text) for text in args.fault)
    await desk.records.must_know(args.terminal)
    application = await desk.records.named(args.terminal, args.application) if args.application else ""
    step = LifeStep(Step(args.step), application, faults, args.reason)
    standing = await desk.records.standing(args.terminal)
    now_s = _now_ms() // 1000
    statement = step.statement(args.terminal, standing.steps + 1, now_s, now_s + LONGEST_S)
    return Envelope(statement.encode())


def _told(taken: StepTaken, args: argparse.Namespace, voice: Voice) -> None:
    steps = [one.value for one in open_steps(taken.life)]
    document: dict[str, object] = {"terminal": taken.terminal, "life": taken.life, "open": steps}
    words = f"{taken.terminal}: {taken.life}; open now: {', '.join(steps) or 'nothing'}"
    if taken.answer and args.answer is not None:
        put(args.answer, taken.answer)
        document["answer"] = str(args.answer)
        words += f"; answer for the terminal: {args.answer}"
    if taken.code:
        document["code"] = taken.code
        words += f"\nactivation code: {taken.code}\ngive it to the merchant, not to the terminal; it is shown this once"
    if order := _ORDERS.get(taken.step):
        document["order"] = order
        words += f"\nthe terminal does not know of it: fleet-console orders new {order} --terminal {taken.terminal}"
    voice.answer(document, words)


async def _activate(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> str | None:
    document = octets_of(args.document)
    put(args.answer, await desk.activate(document))
    voice.answer({"answer": str(args.answer)}, f"{args.answer}: the certificate; terminal-agent identity take it")
    return read_activation(open_document(document, "activation")).terminal


async def _renew(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> None:
    if args.document is None or args.answer is None:
        hint = "fleet-console enrol renew renewal --answer answer"
        raise Fault("enrol renew: FILE and --answer, or --reported and --key expected", hint, Exit.USAGE)
    put(args.answer, await desk.renew(octets_of(args.document)))
    voice.answer({"answer": str(args.answer)}, f"{args.answer}: the certificate; terminal-agent identity take it")


async def _renew_reported(renewals: Renewals, voice: Voice) -> None:
    failed = count = 0
    async for one in renewals.answer_all():
        count, failed = count + 1, failed + bool(one.fault)
        words = f"not renewed: {one.fault}" if one.fault else f"order {one.order} brings its certificate"
        voice.answer({"terminal": one.terminal, "order": one.order, "fault": one.fault}, f"{one.terminal}: {words}")
    if not count:
        voice.tell("no terminal waits for an answer")
    if failed:
        raise Fault(f"{failed} applications were not answered", "the reasons are above", Exit.REFUSED)


async def _again(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> None:
    put(args.answer, await desk.answer(await desk.records.named(args.terminal, args.application)))
    voice.answer({"answer": str(args.answer)}, f"{args.answer}: written; terminal-agent identity take it")


async def _crl(desk: EnrolmentDesk, args: argparse.Namespace, voice: Voice) -> None:
    put(args.out, await desk.revocation_list())
    voice.answer({"written": str(args.out)}, f"{args.out}: written; let the broker read it anew (SIGHUP)")


def _by_orders(args: argparse.Namespace) -> SigningKey:
    if args.key is None or args.document is not None or args.answer is not None:
        hint = "fleet-console enrol renew --reported --key ada.key"
        raise Fault("enrol renew --reported: --key and nothing else expected", hint, Exit.USAGE)
    return signing_key(args)


def _fault(text: str) -> tuple[str, str]:
    name, found, words = text.partition("=")
    if not found or not name or not words:
        raise Fault("--fault: FIELD=WORDS expected", 'such as --fault licence="ended on 2026-01-31"', Exit.USAGE)
    return name, words


def _day(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at_ms / 1000))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_ORDERS = {Step.SUSPEND: "lock", Step.RESUME: "unlock", Step.FREEZE: "freeze", Step.THAW: "thaw"}
"""What tells a terminal of a step that head office has recorded: its own standing changes by order alone."""
_ELEMENTS = ("version", "acquirer", "merchant", "licence", "serial", "location", "from")
_VERBS: dict[str, Body] = {
    "list": _list,
    "show": _show,
    "file": _file,
    "step": _step,
    "activate": _activate,
    "renew": _renew,
    "answer": _again,
    "crl": _crl,
}
