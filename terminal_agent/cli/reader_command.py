# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent reader``: which PC/SC readers there are, what happens at them, and what is wrong. Pays nothing."""

import argparse
import asyncio
import signal
from pathlib import Path

from device_profiles.catalog import named, reader, reader_of
from protocols.pcsc.features import ESCAPE
from terminal_agent.card.inspecting import ReaderFacts, inspect
from terminal_agent.card.pcsc_codes import HANGING, PcscFault, as_card_error, words
from terminal_agent.card.pcsc_events import between
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.pcsc_watch import Slot, Table
from terminal_agent.card.port import CardError, ReaderAbsent
from terminal_agent.card.scard import Context, must_be_installed
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  terminal-agent reader list
  terminal-agent reader watch --json
  terminal-agent reader doctor
  terminal-agent reader doctor --capture report.tar.gz
  terminal-agent reader signal buzzer-off --reader ACR122

doctor prints one report to paste; --capture makes a bundle to send: no account data, no serial numbers.
"""
FIRST_S = 3.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, summary in (
        ("list", "readers that are plugged in, their cards, models and keypads"),
        ("watch", "print cards and readers as they come and go, until interrupted"),
        ("doctor", "find out what is wrong between this program and a card"),
    ):
        sub = verbs.add_parser(verb, help=summary, allow_abbrev=False)
        sub.add_argument("--json", action="store_true", help="answers as JSON")
        if verb == "doctor":
            sub.add_argument("--capture", type=Path, metavar="FILE", help="also write a bundle (.tar.gz) to send")
    light = verbs.add_parser("signal", help="a reader's light or buzzer, by its profile", allow_abbrev=False)
    light.add_argument("name", help="what to do, such as buzzer-off; a wrong name lists what the profile has")
    light.add_argument("--reader", default="*", metavar="NAME", help="part of the reader's name")
    light.add_argument("--model", metavar="NAME", help="reader profile, where the reader's name does not tell it")
    light.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0; 3 where there is no service or no reader; 1 where doctor found something wrong."""
    voice = Voice("terminal-agent", as_json=options.json)
    if options.verb == "doctor":
        from terminal_agent.cli import reader_doctor

        return reader_doctor.run(voice, options.capture)
    try:
        must_be_installed()
        if options.verb == "signal":
            return asyncio.run(_signal(voice, options))
        return asyncio.run(_VERBS[options.verb](voice))
    except ReaderAbsent as absent:
        raise Fault(absent.what, absent.hint, Exit.ABSENT) from None
    except CardError as error:
        raise Fault(error.what, error.hint) from None


async def first_table(service: PcscService) -> Table:
    """What is plugged in now."""
    view = service.view()
    try:
        async with asyncio.timeout(FIRST_S):
            await view.changed()
        return view.look()
    except TimeoutError:
        return Table(HANGING)
    finally:
        await service.give_back(view)


async def _list(voice: Voice) -> int:
    table = await first_table(PcscService())
    if table.fault is not None:
        raise absent(table.fault)
    found = await asyncio.to_thread(facts, tuple(table.slots))
    documents = [describe(one, table.slots[one.name]) for one in found]
    if voice.as_json:
        voice.data({"readers": documents})
        return 0
    if not documents:
        raise Fault("no reader is plugged in", "plug one in, then: terminal-agent reader doctor", Exit.ABSENT)
    for document in documents:
        voice.say(f"{document['name']}")
        for key in ("card", "model", "tier", "keypad", "serial", "problem"):
            if document[key]:
                voice.say(f"  {key:<9}{document[key]}")
    return 0


def facts(names: tuple[str, ...]) -> list[ReaderFacts]:
    """What the readers say of themselves; blocks."""
    context = Context()
    try:
        return [inspect(context, name) for name in names]
    finally:
        context.release()


def describe(found: ReaderFacts, slot: Slot) -> dict[str, object]:
    """One reader as data."""
    profile = reader_of(found.name)
    card = "none" if not slot.present else "mute" if slot.mute else f"ATR {slot.atr.hex().upper()}"
    return {
        "name": found.name,
        "card": card,
        "model": profile.title if profile else "no profile of ours: used as any reader",
        "profile": profile.model if profile else "pcsc",
        "tier": profile.tier.value if profile else "",
        "keypad": "takes PINs" if found.keypad else "",
        "serial": found.serial,
        "vendor": found.vendor,
        "version": found.version,
        "features": list(found.features),
        "properties": dict(found.properties),
        "quirks": list(profile.quirks) if profile else [],
        "problem": found.problem,
    }


def absent(fault: int) -> Fault:
    """The service's absence, with the cure."""
    return Fault(words(fault), as_card_error(fault).hint, Exit.ABSENT)


async def _watch(voice: Voice) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if (pipe := voice.pipe) is not None:
        loop.add_reader(pipe, stop.set)
    service = PcscService()
    view = service.view()
    stopping = asyncio.create_task(stop.wait())
    seen: Table | None = None
    try:
        while not stop.is_set():
            changed = asyncio.create_task(view.changed())
            await asyncio.wait({changed, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                changed.cancel()
                break
            table = view.look()
            for event in between(seen, table):
                document = {"event": event.what.value, "reader": event.reader, "detail": event.detail}
                voice.answer(document, " ".join(word for word in (event.what, event.reader, event.detail) if word))
            seen = table
    finally:
        stopping.cancel()
        await service.give_back(view)
    return 0


async def _signal(voice: Voice, options: argparse.Namespace) -> int:
    table = await first_table(PcscService())
    if table.fault is not None:
        raise absent(table.fault)
    found = [name for name in table.slots if named(options.reader, name)]
    if len(found) != 1:
        listed = ", ".join(f"'{name}'" for name in found or table.slots)
        raise Fault(
            f"{len(found)} readers match '{options.reader}'", f"--reader with a part of one: {listed}", Exit.ABSENT
        )
    profile = reader(options.model) if options.model else reader_of(found[0])
    escapes = profile.escapes if profile is not None else {}
    if options.name not in escapes:
        known = ", ".join(escapes) or "none: give --model, or the reader has no lights of its own"
        raise Fault(f"{found[0]}: no signal '{options.name}'", f"known: {known}", Exit.USAGE)

    def tell() -> bytes:
        context = Context()
        try:
            direct = context.direct(found[0])
            try:
                return direct.control(ESCAPE, bytes.fromhex(escapes[options.name]))
            finally:
                direct.let_go()
        except PcscFault as fault:
            hint = "libccid refuses escapes unless ifdDriverOptions has 0x0001 in its Info.plist"
            raise Fault(f"{found[0]}: {fault}", hint) from None
        finally:
            context.release()

    answer = await asyncio.to_thread(tell)
    document = {"reader": found[0], "signal": options.name, "answer": answer.hex().upper()}
    voice.answer(document, f"{found[0]}: {options.name}, answered {answer.hex().upper() or 'nothing'}")
    return 0


_VERBS = {"list": _list, "watch": _watch}
