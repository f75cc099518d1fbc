# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin ccid`: a CCID reader on a pseudo terminal, for pcscd with libccidtwin. Its options and run."""

import argparse
from pathlib import Path

KINDS = ("GemPCTwin", "GemPCPinPad", "GemCorePOSPro")
EPILOG = """examples:
  device-twin ccid --kind GemPCPinPad --card test-visa-contact --link ./pad
  device-twin pcscd --kind real --serial "Till Pad=./pad:GemPCPinPad"

Start it before pcscd: the driver speaks to the reader at once. Orders on stdin, one a line:
  insert [SLOT=]CARD[;fault=NAME][;transmission=t0|t1]   remove [SLOT]   turn [SLOT]   stop
Slots are 0, of the GemCore POS Pro 0 to 4: the cardholder's card and four SAMs.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--kind", choices=KINDS, default="GemPCTwin", help="which reader (default GemPCTwin)")
    parser.add_argument("--card", metavar="CARD", help="the card in slot 0 at the beginning, as in the order insert")
    parser.add_argument(
        "--behaviour", default="right-pin", choices=("right-pin", "wrong-pin", "cancel", "silent"),
        help="what the person at the reader's own keypad does (right-pin)",
    )  # fmt: skip
    parser.add_argument(
        "--link", type=Path, required=True, metavar="PATH", help="symbolic link to the line, to be made"
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    import asyncio

    from device_profiles.card_profile import load_card
    from device_profiles.serve.card_choice import made
    from device_profiles.serve.orders import STOP, Orders
    from device_profiles.serve.pty import PtyServer
    from device_profiles.twins.card_t0 import ContactCard
    from device_profiles.twins.ccid_reader import CcidReader, Kind
    from device_profiles.twins.keypad import Keypad
    from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
    from protocols.secret import Pin
    from tillguard.voice import Fault, Voice

    voice = Voice("device-twin", as_json=args.json)
    keypad = Keypad()
    held: dict[int, ContactCard] = {}

    def told(what: str, slot: int) -> None:
        voice.answer({"event": f"card.{what}", "slot": slot}, f"card {what} {slot}")

    reader = CcidReader(Kind(args.kind), keypad, lambda slot: told("removed", slot))

    def card_of(words: str) -> ContactCard:
        name, *more = words.split(";")
        pairs = dict(one.partition("=")[::2] for one in more)
        if not set(pairs) <= {"fault", "transmission"}:
            raise ValueError("behind a card's name: ;fault=NAME and ;transmission=t0|t1")
        profile = load_card(name)
        keypad.person = Cardholder(Pin.from_text(profile.cardholder.test_pin), Behaviour(args.behaviour), 0.002)
        return made(profile, name, pairs.get("fault", "none"), pairs.get("transmission"))

    def obey(order: str) -> None:
        word, _, words = order.partition(" ")
        first, found, rest = words.partition("=")
        slot = int(first) if first.isdecimal() else 0
        if slot >= reader.shape.slots:
            raise ValueError(f"slots are 0 to {reader.shape.slots - 1}")
        if word == "insert":
            card = rest if found and first.isdecimal() else "" if first.isdecimal() else words
            if card:
                held[slot] = card_of(card)
            if slot not in held:
                raise ValueError("which card? insert [SLOT=]CARD")
            reader.insert(held[slot], slot)
            told("inserted", slot)
        elif word == "remove":
            reader.remove(slot)
            told("removed", slot)
        elif word == "turn":
            reader.insert(None, slot)
            told("turned", slot)
        else:
            raise ValueError("orders are insert, remove, turn, stop")

    orders = Orders({})
    if args.card:
        held[0] = card_of(args.card)
        reader.insert(held[0])
    server = PtyServer(reader, None, args.link)
    stop = asyncio.Event()
    serving = asyncio.create_task(server.run(stop))
    ready = {"event": "ready", "twin": "ccid", "kind": args.kind, "line": server.line, "link": str(args.link)}
    voice.answer(ready, f"ready {args.link} {args.kind}")
    try:
        while (order := await orders.next()) != STOP:
            try:
                obey(order)
            except (ValueError, Fault) as fault:
                voice.answer({"event": "order.refused", "order": order, "why": str(fault)}, f"refused {order}: {fault}")
    finally:
        orders.close()
        stop.set()
        await serving
    return 0
