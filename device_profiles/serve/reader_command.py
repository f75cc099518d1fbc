# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin reader`: a card reader on a pseudo terminal, with a person who taps a card. Its options and its run."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_profiles.model import ReaderProfile
    from device_profiles.serve.pty import SerialTwin
    from device_profiles.twins.card_faults import Card
    from device_profiles.twins.reader import Hand

EPILOG = """examples:
  device-twin reader --model pn532 --card test-visa-like --link ./reader
  device-twin reader --model vivotech2 --card test-visa-like --link ./reader
  device-twin reader --card test-visa-like --fault tampered-arqc --json --trace
  device-twin reader --tag https://example.com/menu --tap-after 0
  device-twin reader --model swipe-hid --card test-visa-contact --link ./swipe
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--model", default="pn532", metavar="NAME", help="reader profile (default pn532)")
    parser.add_argument("--card", metavar="NAME", help="card profile, or path of a .toml; without it nobody taps")
    parser.add_argument("--tag", metavar="ADDRESS", help="tap a tag with this web address: a wrong card")
    parser.add_argument("--fault", default="none", metavar="NAME", help="what is wrong with the card (default none)")
    parser.add_argument("--tap-after", type=float, default=0.05, metavar="S", help="seconds until the tap (0.05)")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep the card's counter across restarts")
    parser.add_argument("--link", type=Path, metavar="PATH", help="make a symbolic link to the line")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="say what goes over the wire, redacted")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from device_profiles import catalog
    from device_profiles.model import ReaderProtocol

    profile = catalog.reader(args.model)
    if profile.protocol is ReaderProtocol.SWIPE:
        return asyncio.run(_serve(args, profile, _swiping(args, profile)))
    return asyncio.run(_serve(args, profile, _twin(profile, _hand(args))))


async def _serve(args: argparse.Namespace, profile: "ReaderProfile", twin: "SerialTwin") -> int:
    from device_profiles.serve.pty import PtyServer
    from device_profiles.serve.signals import until_signalled
    from device_profiles.serve.wire_words import reader_words
    from tillguard.voice import Voice

    voice = Voice("device-twin", as_json=args.json)
    stop = until_signalled()
    words = reader_words(profile, voice)
    server = PtyServer(twin, words if args.trace else None, args.link)
    voice.answer(
        {
            "event": "ready",
            "twin": "reader",
            "model": profile.model,
            "line": server.line,
            "link": str(args.link) if args.link else None,
        },
        f"ready {args.link or server.line} {profile.title}",
    )
    await server.run(stop)
    return 0


def _twin(profile: "ReaderProfile", hand: "Hand | None") -> "SerialTwin":
    """The twin that a profile names."""
    from device_profiles.model import ReaderProtocol

    if profile.protocol is ReaderProtocol.VIVOTECH2:
        from device_profiles.twins.vivotech2_reader import Vivotech2ReaderTwin

        return Vivotech2ReaderTwin(hand, profile.vivotech2.crc_high_first)
    from device_profiles.twins.reader import ReaderTwin

    return ReaderTwin(hand)


def _swiping(args: argparse.Namespace, profile: "ReaderProfile") -> "SerialTwin":
    """A head loaded with the TEST bank's key, and the card's stripe."""
    from device_profiles.card_profile import load_card
    from device_profiles.pinpad_load import load_pinpad
    from device_profiles.twins.swipe_reader import SwipeReaderTwin
    from protocols.dukpt.originator import TdesOriginator
    from protocols.emv.tags import Tag
    from protocols.pan import Track2

    load = load_pinpad("test-bank")
    track = None
    if args.card is not None:
        stripe = load_card(args.card).application.static_objects()[Tag.TRACK_2_EQUIVALENT]
        track = Track2.from_text(stripe.hex().upper())
    engine = TdesOriginator(load.test_initial_key, load.initial_ksn)
    return SwipeReaderTwin(engine, track, profile.swipe.report_octets, args.tap_after)


def _hand(args: argparse.Namespace) -> "Hand | None":
    from device_profiles.card_profile import load_card
    from device_profiles.serve.card_memory import RememberingCard, remembered
    from device_profiles.twins.card_faults import CARD_FAULTS, Card, FaultyCard
    from device_profiles.twins.contactless_card import contactless_card
    from device_profiles.twins.reader import Hand
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    if args.fault != "none" and args.fault not in CARD_FAULTS:
        raise Fault(f"--fault: no fault '{args.fault}'", f"one of: none, {', '.join(CARD_FAULTS)}", Exit.USAGE)
    if not 0 <= args.tap_after <= 3600:
        raise Fault("--tap-after: 0 to 3600 seconds expected", exit_code=Exit.USAGE)
    if args.tag is not None:
        return Hand(_tag(args), args.tap_after)
    if args.card is None:
        return None
    twin = contactless_card(load_card(args.card), os.urandom, remembered(args.state) if args.state else 0)
    card: Card = twin
    if args.state:
        card = RememberingCard(twin, args.state)
    if args.fault != "none":
        card = FaultyCard(card, CARD_FAULTS[args.fault]())
    return Hand(card, args.tap_after)


def _tag(args: argparse.Namespace) -> "Card":
    from device_profiles.twins.ndef_tag import NdefTag, uri_message
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    if args.card is not None or args.state is not None or args.fault != "none":
        raise Fault("--tag: goes with no --card, --state or --fault", "leave them out", Exit.USAGE)
    try:
        return NdefTag(uri_message(args.tag), os.urandom)
    except ValueError:
        hint = "an address such as https://example.com/"
        raise Fault("--tag: 1 to 250 ASCII characters expected", hint, Exit.USAGE) from None
