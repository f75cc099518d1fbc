# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent card``: look into a card on the bench, send it commands, record and replay. Pays nothing."""

import argparse
import asyncio
from pathlib import Path

from protocols.emv import status
from protocols.emv.apdu import Command
from protocols.emv.masking import account_numbers
from protocols.emv.redaction import redacted_response, shown_value
from protocols.emv.telling import lines, name_of, words_of
from protocols.errors import DecodeError
from terminal_agent.card import recording
from terminal_agent.card.port import CardError, CardPresence, converse
from terminal_agent.card.reading import AID_OCTETS, COMMON_AIDS, Card, Section, read_card
from terminal_agent.card.recording import Exchange, Recording, masked
from terminal_agent.cli import card_trial
from terminal_agent.cli.bench_reader import add_reader_options, chained, read_recording, test_accounts, with_card
from terminal_agent.emv import EmvOutcome
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  terminal-agent card read
  terminal-agent card read --reader ACR39U --json
  terminal-agent card apdu 00A404000E315041592E5359532E444446303100
  terminal-agent card trace --record card.jsonl
  terminal-agent card trace --record payment.jsonl --amount 42.00
  terminal-agent card trace --replay card.jsonl
  terminal-agent card tell 95=0480008000
  terminal-agent card read --reader replay:card.jsonl

Account data are masked. Reading a payment card raises its transaction counter by one for each application.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    read = verbs.add_parser("read", help="applications, records, every tag in words", allow_abbrev=False)
    read.add_argument(
        "--aid", action="append", metavar="HEX", help="an application to try where the card has no directory"
    )
    add_reader_options(read)
    apdu = verbs.add_parser("apdu", help="send commands, print the answers", allow_abbrev=False)
    apdu.add_argument("command_apdu", nargs="+", metavar="HEX", help="a command APDU")
    apdu.add_argument("--raw", action="store_true", help="do not fetch what 61xx and 6Cxx announce")
    add_reader_options(apdu)
    trace = verbs.add_parser("trace", help="record what a card says, or play a recording to it", allow_abbrev=False)
    trace.add_argument("--amount", help="with --record: a whole contact payment without acquirer, such as 42.00")
    trace.add_argument("--currency", default="EUR", help="of the amount, a code of ISO 4217 (EUR)")
    trace.add_argument("--profile", type=Path, metavar="FILE", help="terminal profile for --amount (plain settings)")
    what = trace.add_mutually_exclusive_group(required=True)
    what.add_argument("--record", type=Path, metavar="FILE", help="read the card and keep every exchange")
    what.add_argument("--replay", type=Path, metavar="FILE", help="send the recorded commands and compare the answers")
    add_reader_options(trace)
    tell = verbs.add_parser("tell", help="a data object in words, such as a TVR", allow_abbrev=False)
    tell.add_argument("objects", nargs="+", metavar="TAG=HEX", help="tag and value, in hexadecimal")
    tell.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0; 1 where a replay differs; 3 where there is no reader."""
    return _VERBS[options.verb](options)


def _read(options: argparse.Namespace) -> int:
    aids = [_aid(text) for text in options.aid or ()] or list(COMMON_AIDS)

    async def work(recorder: Recording, presence: CardPresence) -> tuple[str, Card]:
        return presence.identity, await converse(chained(recorder), read_card(aids))

    identity, card = with_card(options, work)
    voice = Voice("terminal-agent", as_json=options.json)
    if options.json:
        voice.data(
            {
                "card": identity,
                "directory": [_document(section) for section in card.directory],
                "applications": [
                    {"aid": one.aid.hex().upper(), "sections": [_document(section) for section in one.sections]}
                    for one in card.applications
                ],
            }
        )
        return 0
    voice.say(identity)
    for section in card.directory:
        _say(voice, section)
    for application in card.applications:
        voice.say(f"\napplication {application.aid.hex().upper()}")
        for section in application.sections:
            _say(voice, section)
    if not card.applications:
        voice.say("no payment application answered; try: --aid HEX")
    return 0


def _say(voice: Voice, section: Section) -> None:
    voice.say(f"\n{section.title}" + (f": {section.refused}" if section.refused else ""))
    for line in lines(section.objects, "  "):
        voice.say(line)


def _document(section: Section) -> dict[str, object]:
    said: dict[str, object] = {"title": section.title}
    if section.refused:
        said["refused"] = section.refused
    said["objects"] = [
        {"tag": f"{tag:X}", "name": name_of(tag), "value": shown_value(tag, value), "words": list(words_of(tag, value))}
        for tag, value in section.objects.leaves()
    ]
    return said


def _apdu(options: argparse.Namespace) -> int:
    commands = [_command(text) for text in options.command_apdu]

    async def work(recorder: Recording, presence: CardPresence) -> list[Exchange]:
        reader = recorder if options.raw else chained(recorder)
        kept = [Exchange(command, await reader.transmit(command)) for command in commands]
        if recorder.result(accounts).exact:
            return kept
        return [masked(one) for one in kept]

    accounts = test_accounts()
    voice = Voice("terminal-agent", as_json=options.json)
    for one in with_card(options, work):
        said = status.words(int.from_bytes(one.response[-2:], "big"))
        document = {"command": one.command.hex().upper(), "answer": one.response.hex().upper()}
        document |= {"status": said, "words": redacted_response(one.response)}
        voice.answer(document, f"> {document['command']}\n< {document['answer']}\n  {document['words']}")
    return 0


def _trace(options: argparse.Namespace) -> int:
    return _replay(options) if options.replay else _record(options)


def _record(options: argparse.Namespace) -> int:
    path: Path = options.record
    if path.exists():
        raise Fault(f"{path}: exists already", "choose another name, or remove it", Exit.USAGE)

    if options.amount is None and options.profile is not None:
        raise Fault("--profile: only with --amount", "add --amount 42.00", Exit.USAGE)

    request = None if options.amount is None else card_trial.request_of(options.amount, options.currency)
    voice, accounts = Voice("terminal-agent", as_json=options.json), test_accounts()

    async def work(recorder: Recording, presence: CardPresence) -> tuple[recording.Recorded, EmvOutcome | None]:
        outcome = None
        try:
            if request is None:
                await converse(chained(recorder), read_card())
            else:
                outcome = await card_trial.run(chained(recorder), recorder.typed, options.profile, request)
        except (CardError, asyncio.CancelledError):  # how far it came is what a person wants to look at
            until = recorder.result(accounts)
            if until.exchanges:
                _write(until, path)
                voice.tell(f"{path}: {len(until.exchanges)} exchanges, up to here")
            raise
        return recorder.result(accounts), outcome

    kept, outcome = with_card(options, work)
    _write(kept, path)
    how = "octets as they were: a TEST card" if kept.exact else "account data masked: not one of our TEST cards"
    document = {"file": str(path), "exchanges": len(kept.exchanges), "exact": kept.exact, "card": kept.identity}
    if outcome is not None:
        voice.answer(card_trial.document(outcome), "\n".join(card_trial.lines(outcome)))
    voice.answer(document, f"{path}: {len(kept.exchanges)} exchanges, {how}")
    return 0


def _write(kept: recording.Recorded, path: Path) -> None:
    try:
        recording.write(kept, path)
    except OSError as fault:
        raise Fault(f"{path}: cannot be written: {fault.strerror}", "choose another place") from None


def _replay(options: argparse.Namespace) -> int:
    recorded = read_recording(options.replay)
    sent = [one for one in recorded.exchanges if not one.typed]  # a PIN that nobody types would count as a wrong one

    async def work(recorder: Recording, presence: CardPresence) -> list[Exchange]:
        return [Exchange(one.command, await recorder.transmit(one.command)) for one in sent]

    answered = with_card(options, work)
    accounts = test_accounts()
    voice = Voice("terminal-agent", as_json=options.json)
    differing = 0
    for number, (then, now) in enumerate(zip(sent, answered, strict=True), 1):
        compared = now if recorded.exact else masked(now)
        if compared.response == then.response:
            continue
        differing += 1
        shown = [then.response, now.response] if recorded.exact and _is_test(now, accounts) else [
            masked(then).response, masked(now).response
        ]  # fmt: skip
        document = {"exchange": number, "command": masked(then).command.hex().upper()}
        document |= {"recorded": shown[0].hex().upper(), "now": shown[1].hex().upper()}
        voice.answer(document, f"exchange {number}\n  > {document['command']}\n  < {document['recorded']} recorded\n"
                               f"  < {document['now']} now")  # fmt: skip
    total = len(sent)
    voice.answer({"exchanges": total, "differing": differing}, f"{total} exchanges, {differing} answered differently")
    return int(Exit.FAILED if differing else Exit.OK)


def _tell(options: argparse.Namespace) -> int:
    voice = Voice("terminal-agent", as_json=options.json)
    for text in options.objects:
        tag, _, value = text.partition("=")
        if not tag or not value:
            raise Fault("TAG=HEX expected: a tag, and its value behind it", "such as 95=0480008000", Exit.USAGE)
        number, octets = int.from_bytes(_octets(tag, "TAG"), "big"), _octets(value, "HEX")
        said = words_of(number, octets)
        document = {
            "tag": f"{number:X}",
            "name": name_of(number),
            "value": shown_value(number, octets),
            "words": list(said),
        }
        voice.answer(document, "\n    ".join([f"{number:X}  {name_of(number)}: {document['value']}", *said]))
    return 0


def _is_test(one: Exchange, accounts: frozenset[str]) -> bool:
    return account_numbers(one.response) <= accounts


def _aid(text: str) -> bytes:
    octets = _octets(text, "--aid")
    if len(octets) not in AID_OCTETS:
        raise Fault("--aid: 5 to 16 octets in hexadecimal expected", "such as A0000000031010", Exit.USAGE)
    return octets


def _octets(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Fault(f"{what} {text}: octets in hexadecimal expected", "such as A0000000031010", Exit.USAGE) from None


def _command(text: str) -> bytes:
    octets = _octets(text, "HEX")
    try:
        Command.decode(octets)
    except DecodeError as fault:
        raise Fault(
            f"{text[:8]}…: {fault}", "write header, length, data and Le: 00A4040007A000000003101000", Exit.USAGE
        ) from None
    return octets


_VERBS = {"read": _read, "apdu": _apdu, "trace": _trace, "tell": _tell}
