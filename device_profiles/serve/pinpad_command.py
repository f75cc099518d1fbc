# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pinpad`: a PIN pad on a pseudo terminal, with a person at its keys. Its options and its run."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from device_profiles.model import PadProfile
    from device_profiles.pinpad_load import PinpadLoad
    from device_profiles.serve.pty import PtyServer
    from device_profiles.twins.abecs_pad import AbecsPadTwin
    from device_profiles.twins.card_t0 import ContactCard
    from device_profiles.twins.pinpad import PinpadTwin
    from device_profiles.twins.pinpad_cardholder import Cardholder

LONGEST_TAMPER_S = 86400.0
BEHAVIOURS = ("right-pin", "wrong-pin", "cancel", "silent")
EPILOG = """examples:
  device-twin pinpad --model ipp-uic --cardholder test-visa-like --link ./pad --state ./pad.state
  device-twin pinpad --cardholder test-visa-like --behaviour wrong-pin --json --trace
  device-twin pinpad --link ./pad --tui
  device-twin pinpad --model abecs --cardholder test-visa-contact --card test-visa-contact
  device-twin pinpad --load test-bank-masters --cardholder test-visa-like --tamper-after 10 --state ./pad.state
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--model", default="ipp-uic", metavar="NAME", help="PIN pad profile (default ipp-uic)")
    parser.add_argument("--load", metavar="NAME", help="TEST keys in the pad (default: the test bank's for the model)")
    parser.add_argument("--cardholder", metavar="NAME", help="card profile of the person; without it nobody is there")
    parser.add_argument("--card", metavar="NAME", help="contact card that the person puts into the pad's slot (ABECS)")
    parser.add_argument("--behaviour", choices=BEHAVIOURS, default="right-pin", help="what the person does")
    parser.add_argument("--fault", default="none", metavar="NAME", help="what is wrong with the pad: none, replay")
    parser.add_argument(
        "--tamper-after", type=float, metavar="S", help="after S seconds somebody opens the case: all secrets go"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep keys, counters and throttle across restarts")
    parser.add_argument("--link", type=Path, metavar="PATH", help="make a symbolic link to the line")
    parser.add_argument("--tui", action="store_true", help="show display and keypad here, for a person to press keys")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="say what goes over the wire, redacted")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from device_profiles import catalog
    from device_profiles.model import AbecsProfile
    from device_profiles.pinpad_load import fitting_load, load_pinpad
    from device_profiles.twins.pinpad_faults import PINPAD_FAULTS
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    if args.fault not in PINPAD_FAULTS:
        raise Fault(f"--fault: no fault '{args.fault}'", f"one of: {', '.join(PINPAD_FAULTS)}", Exit.USAGE)
    if args.tamper_after is not None and not 0 <= args.tamper_after <= LONGEST_TAMPER_S:
        raise Fault("--tamper-after: out of range", f"0 to {LONGEST_TAMPER_S:.0f} seconds", Exit.USAGE)
    profile = catalog.pinpad(args.model)
    load = load_pinpad(fitting_load(profile) if args.load is None else args.load)
    if args.card is not None and not isinstance(profile, AbecsProfile):
        raise Fault("--card: pads of the IPP family have no slot", "use --model abecs", Exit.USAGE)
    if args.tui:
        _check_screen(args)
    return asyncio.run(_serve(args, profile, load, cardholder(args)))


async def _serve(
    args: argparse.Namespace, profile: "PadProfile", load: "PinpadLoad", cardholder: "Cardholder | None"
) -> int:
    import asyncio
    import os

    from device_profiles.model import AbecsProfile
    from device_profiles.serve.pad_memory import PadMemory
    from device_profiles.serve.pty import PtyServer
    from device_profiles.serve.signals import until_signalled
    from device_profiles.serve.wire_words import pad_words
    from device_profiles.twins.abecs_pad import AbecsPadTwin
    from device_profiles.twins.pinpad import PinpadTwin
    from device_profiles.twins.pinpad_faults import PINPAD_FAULTS
    from device_profiles.twins.pinpad_keys import PinpadKeys
    from tillguard.voice import Voice

    voice = Voice("device-twin", as_json=args.json)
    keys = PinpadKeys(load)
    memory = PadMemory(args.state, keys) if args.state else None
    engine = PINPAD_FAULTS[args.fault](keys)
    twin = (
        AbecsPadTwin(profile, load, keys, engine, cardholder, os.urandom, _card(args))
        if isinstance(profile, AbecsProfile)
        else PinpadTwin(profile, load, keys, engine, cardholder)
    )
    whose = None if isinstance(twin, PinpadTwin) else twin
    tracer = pad_words(profile, voice, whose) if args.trace else None

    def tell_notes() -> None:
        if args.tui:
            return
        for noted in twin.drain_noted():
            voice.answer({"event": "noted", "text": noted.text}, f"pad notes: {noted.text}")

    def open_case() -> None:
        server.act(twin.tamper)

    def watch(direction: str, octets: bytes) -> None:
        if direction == "<" and memory is not None:
            memory.save()
        tell_notes()
        if tracer is not None:
            tracer(direction, octets)
            for shown in twin.drain_shown():
                voice.answer({"event": "display", "text": shown.text}, f"pad shows: {shown.text}")

    stop = until_signalled()
    loop = asyncio.get_running_loop()
    twin.power_on(loop.time())
    server = PtyServer(twin, watch, args.link)
    if not args.tui:
        voice.answer(
            {
                "event": "ready",
                "twin": "pinpad",
                "model": profile.model,
                "line": server.line,
                "link": str(args.link) if args.link else None,
                "serial": load.serial,
            },
            f"ready {args.link or server.line} {profile.title}, serial {load.serial}, TEST keys",
        )
    if args.tamper_after is not None:
        loop.call_later(args.tamper_after, open_case)
    if args.tui:
        await _on_screen(f"{profile.title} on {args.link or server.line}", twin, server, open_case, stop)
    else:
        await server.run(stop)
    return 0


async def _on_screen(
    title: str,
    twin: "PinpadTwin | AbecsPadTwin",
    server: "PtyServer",
    open_case: Callable[[], None],
    stop: "asyncio.Event",
) -> None:
    """The screen lasts as long as the server, and the server as long as the screen."""
    import asyncio

    from device_profiles.serve.pinpad_screen import PinpadScreen

    def press(key: int) -> None:
        server.act(lambda now: twin.press(key, now))

    def news() -> tuple[list[str], list[str]]:
        return [one.text for one in twin.drain_shown()], [one.text for one in twin.drain_noted()]

    screen = PinpadScreen(title, press, open_case, news)
    serving = asyncio.create_task(server.run(stop))
    serving.add_done_callback(lambda _: screen.exit())
    try:
        await screen.run_async()
    finally:
        stop.set()
        await serving


def _card(args: argparse.Namespace) -> "ContactCard | None":
    from device_profiles.card_profile import load_card
    from device_profiles.twins.contact_card import ContactCardTwin

    return None if args.card is None else ContactCardTwin(load_card(args.card))


def _check_screen(args: argparse.Namespace) -> None:
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    if args.json or args.trace:
        raise Fault("--tui: the screen leaves no place for --json or --trace", "drop one of them", Exit.USAGE)
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.__stderr__)):
        raise Fault("--tui: no terminal is here to show it in", "run it in one, or leave --tui out", Exit.USAGE)
    try:
        import textual  # noqa: F401  # only whether it is there
    except ImportError:
        raise Fault("--tui: Textual is not installed", "pip install 'tillguard[tui]'", Exit.FAILED) from None


def cardholder(args: argparse.Namespace) -> "Cardholder | None":
    """The person that ``--cardholder`` and ``--behaviour`` describe."""
    from device_profiles.card_profile import load_card
    from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
    from protocols.secret import Pin

    if args.cardholder is None:
        return None
    return Cardholder(Pin.from_text(load_card(args.cardholder).cardholder.test_pin), Behaviour(args.behaviour))
