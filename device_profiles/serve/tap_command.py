# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin tap`: records, plays again or alters what goes over a serial wire. Its options and its run."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_profiles.model import LineSettings
    from device_profiles.serve.pty import Watcher
    from device_profiles.twins.tap import Alteration, Recording
    from tillguard.voice import Voice

EPILOG = """examples:
  device-twin tap /dev/ttyUSB0 ./pad --model ipp-uic --record pad.tap
  device-twin tap ./reader ./tapped --model pn532 --trace
  device-twin tap pad.tap ./pad --model ipp-uic --replay
  device-twin tap ./reader ./tapped --model pn532 --alter attack.toml

A recording is byte-exact: made with a real card it holds card data. Keep it as you would keep the card.
attack.toml:  [[alter]]  to = "host"  find = "9000"  put = "6A82"  after = 2  most = 1
"""


@dataclass(frozen=True, slots=True)
class AlterData:
    """One alteration as the file has it: hexadecimal digits; an empty ``put`` takes the octets out."""

    to: str
    find: str
    put: str = ""
    after: int = 0
    most: int = 1


@dataclass(frozen=True, slots=True)
class AlterFile:
    """The whole file."""

    alter: tuple[AlterData, ...]


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("device", metavar="A", help="the device's line: a path, socket:// or rfc2217://; a recording")
    parser.add_argument("link", metavar="B", type=Path, help="symbolic link to make: the line for the host")
    parser.add_argument("--model", required=True, metavar="NAME", help="reader or PIN pad profile, or its path")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what goes over, byte-exact, to a new file")
    parser.add_argument("--replay", action="store_true", help="A is a recording: play its device")
    parser.add_argument("--alter", type=Path, metavar="FILE", help="be a man in the middle, by these rules (TOML)")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="say what goes over the wire, redacted")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from tillguard.exits import Exit
    from tillguard.voice import Fault, Voice

    if args.replay and (args.record or args.alter):
        raise Fault("--replay goes with neither --record nor --alter", "play first, then tap the player", Exit.USAGE)
    voice = Voice("device-twin", as_json=args.json)
    settings, words = _model(args.model, voice)
    watcher = words if args.trace else None
    return asyncio.run(_replay(args, watcher, voice) if args.replay else _tap(args, settings, watcher, voice))


async def _tap(args: argparse.Namespace, settings: "LineSettings", watcher: "Watcher | None", voice: "Voice") -> int:
    from device_profiles.serve.signals import until_signalled
    from device_profiles.serve.tap import Recorder, Tap

    rules = _rules(args.alter) if args.alter else []
    stop = until_signalled()
    recorder = Recorder(args.record, args.model) if args.record else None
    try:
        try:
            tap = Tap(args.device, settings, args.link, rules, recorder, watcher)
        except BaseException:
            if recorder is not None:
                recorder.discard()
            raise
        _ready(voice, args, tap.server.line)
        await tap.run(stop)
    finally:
        if recorder is not None:
            recorder.close()
    if rules:
        voice.answer({"event": "altered", "times": tap.altered}, f"altered {tap.altered} times")
    return 0


async def _replay(args: argparse.Namespace, watcher: "Watcher | None", voice: "Voice") -> int:
    from device_profiles.serve.pty import PtyServer
    from device_profiles.serve.signals import until_signalled
    from device_profiles.twins.tap import ReplayTwin
    from tillguard.exits import Exit

    twin = ReplayTwin(_recording(Path(args.device)))
    stop = until_signalled()
    server = PtyServer(twin, watcher, args.link)
    _ready(voice, args, server.line)
    await server.run(stop)
    told = twin.mismatch or ("played to its end" if twin.finished else "not played to its end")
    voice.answer({"event": "replayed", "finished": twin.finished, "mismatch": twin.mismatch}, told)
    return 0 if twin.finished and not twin.mismatch else int(Exit.FAILED)


def _recording(path: Path) -> "Recording":
    from device_profiles.twins.tap import LONGEST_LINE, read_recording
    from protocols.errors import DecodeError
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    try:
        with path.open(encoding="utf-8") as file:
            return read_recording(iter(lambda: file.readline(LONGEST_LINE + 1), ""))
    except OSError as fault:
        raise Fault(f"{path}: cannot be read: {fault.strerror}", "check the path", Exit.USAGE) from None
    except (DecodeError, UnicodeDecodeError) as fault:
        words = str(fault) if isinstance(fault, DecodeError) else "not text"
        raise Fault(f"{path}: {words}", "recordings are made with --record", Exit.USAGE) from None


def _ready(voice: "Voice", args: argparse.Namespace, line: str) -> None:
    document = {"event": "ready", "twin": "tap", "model": args.model, "line": line, "link": str(args.link)}
    voice.answer(document, f"ready {args.link} {'plays' if args.replay else 'taps'} {args.device}")


def _model(name: str, voice: "Voice") -> "tuple[LineSettings, Watcher]":
    """Line settings and words of a reader or PIN pad."""
    from device_profiles import catalog
    from device_profiles.model import ReaderProfile
    from device_profiles.serve.wire_words import pad_words, reader_words
    from tillguard.exits import Exit
    from tillguard.voice import Fault

    profile = catalog.device(name)
    if not isinstance(profile, ReaderProfile):
        return profile.line, pad_words(profile, voice)
    if profile.line is None:
        raise Fault(f"--model: {profile.model} is no reader on a serial line", "name one with a [line]", Exit.USAGE)
    return profile.line, reader_words(profile, voice)


def _rules(path: Path) -> "list[Alteration]":
    from device_profiles.twins.tap import LONGEST_FIND, Alteration, Side
    from tillguard.exits import Exit
    from tillguard.settings import load
    from tillguard.voice import Fault

    rules = []
    for number, data in enumerate(load(path, AlterFile).alter, start=1):
        where = f"{path}: alter {number}"
        if data.to not in ("device", "host"):
            raise Fault(f"{where}: to: not a side", "device or host", Exit.USAGE)
        try:
            find, put = bytes.fromhex(data.find), bytes.fromhex(data.put)
        except ValueError:
            raise Fault(f"{where}: find and put are hexadecimal digits", 'such as find = "9000"', Exit.USAGE) from None
        if not 0 < len(find) <= LONGEST_FIND or data.after < 0 or data.most < 1:
            raise Fault(
                f"{where}: find is empty or too long, or after and most are out of range",
                "1 to 4096 octets; 0 and 1 up",
                Exit.USAGE,
            )
        rules.append(Alteration(Side(data.to), find, put, data.after, data.most))
    return rules
