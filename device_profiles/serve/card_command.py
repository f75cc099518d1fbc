# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin card`: a card in a virtual reader of vpcd, and a person who puts it in and takes it out."""

import argparse
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_profiles.twins.card_t0 import ContactCard

EPILOG = """examples:
  device-twin card --vpcd 127.0.0.1:35963 --card test-visa-contact
  device-twin card --vpcd 127.0.0.1:35963 --network-of PID --card test-visa-contact --json
  device-twin card --vpcd 127.0.0.1:35963 --card test-visa-contact --transmission t0 --fault tampered-arqc

Orders on stdin, a word a line: insert, remove, stop. Or by signal: SIGUSR1 removes, SIGUSR2 inserts.
A contactless card profile is served as a contactless PC/SC reader would show it.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--vpcd", required=True, metavar="HOST:PORT", help="where the virtual reader waits for a card")
    parser.add_argument("--card", required=True, metavar="NAME", help="card profile, or path of a .toml")
    parser.add_argument(
        "--network-of", type=int, metavar="PID", help="first enter the network of this process (device-twin pcscd)"
    )
    parser.add_argument("--transmission", choices=("t0", "t1"), help="how a contact card speaks (default t1)")
    parser.add_argument("--fault", default="none", metavar="NAME", help="what is wrong with the card (default none)")
    parser.add_argument("--out", action="store_true", help="begin with the card out of the reader")
    parser.add_argument(
        "--after-use", choices=("stay", "leave", "return"), default="stay", help="once used and powered down (stay)"
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="say what goes over the wire, redacted")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from device_profiles.serve import namespaces
    from device_profiles.serve.card_choice import chosen
    from tillguard.address import host_port
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    try:
        host, port = host_port(args.vpcd)
    except ValueError as fault:
        raise Fault(f"--vpcd {args.vpcd}: {fault}", "write it as 127.0.0.1:35963", Exit.USAGE) from None
    card = chosen(args.card, args.fault, args.transmission)
    if args.network_of is not None:
        namespaces.enter_network_of(args.network_of)
    return asyncio.run(_serve(args, card, host, port))


async def _serve(args: argparse.Namespace, card: "ContactCard", host: str, port: int) -> int:
    import asyncio
    import signal

    from device_profiles.serve.orders import STOP, Orders
    from device_profiles.serve.vpcd import AfterUse, Slot
    from protocols.emv.redaction import redacted_command, redacted_response
    from tillguard.voice import Voice

    voice = Voice("device-twin", as_json=args.json)
    orders = Orders({signal.SIGUSR1: "remove", signal.SIGUSR2: "insert"})

    def tell(what: str) -> None:
        voice.answer({"event": f"card.{what}"}, f"card {what}")

    def trace(direction: str, octets: bytes) -> None:
        text = (redacted_command if direction == ">" else redacted_response)(octets)
        voice.answer(
            {"event": "traffic", "wire": "reader", "direction": direction, "text": text}, f"reader {direction} {text}"
        )

    slot = Slot(card, host, port, tell, trace if args.trace else None, after_use=AfterUse(args.after_use))
    holding = asyncio.create_task(slot.run())
    holding.add_done_callback(lambda task: orders.give(STOP))  # only a fault of the card ends it
    ready = {"event": "ready", "twin": "card", "card": args.card, "address": args.vpcd, "atr": card.atr.hex().upper()}
    voice.answer(ready, f"ready {args.vpcd} {args.card}")
    if not args.out:
        slot.insert()
    try:
        while (order := await orders.next()) != STOP:
            if order == "insert":
                slot.insert()
            elif order == "remove":
                slot.remove()
    finally:
        orders.close()
        if not holding.done():
            holding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await holding
    return 0
