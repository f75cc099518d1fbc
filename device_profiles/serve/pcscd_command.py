# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pcscd`: a PC/SC service with virtual readers, our own or the real one. Its options and their choice."""

import argparse
import contextlib
import tempfile
from pathlib import Path

EPILOG = """examples:
  device-twin pcscd --reader "Till Contact=test-visa-contact"
  device-twin pcscd --keypad "Till Pad=test-visa-contact" --reader "Sam Box" --json
  PCSCLITE_CSOCK_NAME=…/pcscd.comm pcsc_scan -r         (the path is in the ready line)
  device-twin pcscd --kind real --reader "Till Contact"

Orders on stdin, one a line; names as given, without the service's numbers:
  insert READER[=CARD]   remove READER   turn READER (the card is in the wrong way round)
  plug NAME[=CARD]       plug-keypad NAME[=CARD]       unplug NAME
  kill (as a crash would)   start   stop
Or by signal: SIGUSR1 kills, SIGUSR2 starts.
Behind a card's name: ;fault=NAME  ;transmission=t0|t1  ;after-use=stay|leave|return  ;behaviour=NAME

--kind real: pcscd itself with vpcd's readers, in mounts and a network of its own; needs pcscd and vsmartcard-vpcd, and
root or user namespaces. Its cards are further commands, and it knows the orders kill, start and stop:
  device-twin card --vpcd 127.0.0.1:35963 --network-of PID --card test-visa-contact
With --serial "NAME=PATH:KIND" it drives a reader of device-twin ccid with Debian's libccidtwin instead.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--kind", choices=("twin", "real"), default="twin", help="our own service or pcscd (twin)")
    parser.add_argument(
        "--reader", action="append", default=[], metavar="NAME[=CARD]",
        help="a virtual reader, and a card in it; repeatable (Tillguard Contact)",
    )  # fmt: skip
    parser.add_argument(
        "--keypad",
        action="append",
        default=[],
        metavar="NAME[=CARD]",
        help="the same with a PIN pad; not with --kind real",
    )
    parser.add_argument(
        "--serial", action="append", default=[], metavar="NAME=PATH:KIND",
        help="with --kind real: a serial reader of device-twin ccid",
    )  # fmt: skip
    parser.add_argument(
        "--behaviour", default="right-pin", choices=("right-pin", "wrong-pin", "cancel", "silent"),
        help="what the person at the PIN pads does (right-pin)",
    )  # fmt: skip
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder for its socket and files (a fresh one)")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="say what goes over the cards, redacted; or pcscd's log")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from tillguard.exits import Exit
    from tillguard.voice import Fault

    with contextlib.ExitStack() as cleanup:
        if args.kind == "real":
            from device_profiles.serve import pcscd_real, real_pcscd

            if args.keypad or any("=" in name for name in args.reader):
                hint = "its cards are inserted with device-twin card; readers with PIN pads: device-twin ccid"
                raise Fault("--kind real: readers of vpcd have no PIN pad and no card at start", hint, Exit.USAGE)
            program = real_pcscd.find()
            folder = args.dir or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tillguard-pcscd-")))
            serial = tuple(real_pcscd.SerialReader.parse(words) for words in args.serial)
            names = tuple(args.reader or ([] if serial else ["Tillguard Contact"]))
            readers = real_pcscd.prepare(folder, names, serial)
            return asyncio.run(pcscd_real.serve(program, folder, readers, as_json=args.json, trace=args.trace))
        from device_profiles.serve import pcscd_desk

        if args.serial:
            raise Fault("--serial: only the real pcscd has drivers", "add --kind real", Exit.USAGE)

        folder = args.dir or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tillguard-pcscd-")))
        options = pcscd_desk.Options(args.behaviour, as_json=args.json, trace=args.trace)
        desk = pcscd_desk.Desk(options)
        readers_ = [desk.reader(name, keypad=False) for name in args.reader]
        readers_ += [desk.reader(name, keypad=True) for name in args.keypad]
        if not readers_:
            readers_ = [desk.reader("Tillguard Contact", keypad=False)]
        return asyncio.run(desk.serve(folder, tuple(readers_)))
