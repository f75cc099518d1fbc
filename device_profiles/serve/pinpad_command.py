# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pinpad`: a PIN pad on a pseudo terminal, with a person at its keys. Its options and its run."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_profiles.model import PadProfile
    from device_profiles.pinpad_load import PinpadLoad
    from device_profiles.twins.pinpad_cardholder import Cardholder

LONGEST_TAMPER_S = 86400.0
BEHAVIOURS = ("right-pin", "wrong-pin", "cancel", "silent")
EPILOG = """examples:
  device-twin pinpad --model ipp-uic --cardholder test-visa-like --link ./pad --state ./pad.state
  device-twin pinpad --cardholder test-visa-like --behaviour wrong-pin --json --trace
  device-twin pinpad --load test-bank-masters --cardholder test-visa-like --tamper-after 10 --state ./pad.state
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--model", default="ipp-uic", metavar="NAME", help="PIN pad profile (default ipp-uic)")
    parser.add_argument("--load", default="test-bank", metavar="NAME", help="TEST keys in the pad (default test-bank)")
    parser.add_argument("--cardholder", metavar="NAME", help="card profile of the person; without it nobody is there")
    parser.add_argument("--behaviour", choices=BEHAVIOURS, default="right-pin", help="what the person does")
    parser.add_argument("--fault", default="none", metavar="NAME", help="what is wrong with the pad: none, replay")
    parser.add_argument(
        "--tamper-after", type=float, metavar="S", help="after S seconds somebody opens the case: all secrets go"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep keys, counters and throttle across restarts")
    parser.add_argument("--link", type=Path, metavar="PATH", help="make a symbolic link to the line")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="say what goes over the wire, redacted")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from device_profiles import catalog
    from device_profiles.model import AbecsProfile
    from device_profiles.pinpad_load import load_pinpad
    from device_profiles.twins.pinpad_faults import PINPAD_FAULTS
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    if args.fault not in PINPAD_FAULTS:
        raise Fault(f"--fault: no fault '{args.fault}'", f"one of: {', '.join(PINPAD_FAULTS)}", Exit.USAGE)
    if args.tamper_after is not None and not 0 <= args.tamper_after <= LONGEST_TAMPER_S:
        raise Fault("--tamper-after: out of range", f"0 to {LONGEST_TAMPER_S:.0f} seconds", Exit.USAGE)
    profile, load = catalog.pinpad(args.model), load_pinpad(args.load)
    if args.tamper_after is not None and isinstance(profile, AbecsProfile):
        raise Fault("--tamper-after: the ABECS twin has no tamper switches", "use --model ipp-uic", Exit.USAGE)
    return asyncio.run(_serve(args, profile, load, cardholder(args)))


async def _serve(
    args: argparse.Namespace, profile: "PadProfile", load: "PinpadLoad", cardholder: "Cardholder | None"
) -> int:
    import asyncio

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
        AbecsPadTwin(profile, load.serial, keys, engine, cardholder)
        if isinstance(profile, AbecsProfile)
        else PinpadTwin(profile, load, keys, engine, cardholder)
    )
    tracer = pad_words(profile, voice) if args.trace else None

    def tell_notes() -> None:
        for noted in twin.drain_noted() if isinstance(twin, PinpadTwin) else ():
            voice.answer({"event": "noted", "text": noted.text}, f"pad notes: {noted.text}")

    def open_case() -> None:
        if isinstance(twin, PinpadTwin):
            said = twin.tamper(loop.time())
            if memory is not None:
                memory.save()
            tell_notes()
            server.say(said)

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
    if isinstance(twin, PinpadTwin):
        twin.power_on(loop.time())
    server = PtyServer(twin, watch, args.link)
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
    await server.run(stop)
    return 0


def cardholder(args: argparse.Namespace) -> "Cardholder | None":
    """The person that ``--cardholder`` and ``--behaviour`` describe."""
    from device_profiles.card_profile import load_card
    from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
    from protocols.secret import Pin

    if args.cardholder is None:
        return None
    return Cardholder(Pin.from_text(load_card(args.cardholder).cardholder.test_pin), Behaviour(args.behaviour))
