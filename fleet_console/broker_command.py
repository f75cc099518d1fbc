# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console broker`: mosquitto's configuration written, its access list proved from outside, kept in step."""

import argparse
import asyncio
import os
from pathlib import Path

from fleet_console import broker_check
from fleet_console.arguments import common
from fleet_console.broker_access import PLUGIN, Plan, configuration, dynamic_security
from fleet_console.containment import Control
from fleet_console.files import octets_of
from fleet_console.isolation import revocation_list
from fleet_console.register import Register, State
from fleet_console.settings import BrokerAccess, load, needed
from fleet_console.store.choose import open_store
from protocols.telemetry.topics import is_terminal_name
from tillguard.address import PORTS
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console broker config --dir /etc/mosquitto/tillguard --ca ca.pem --office-ca office-ca.pem \\
      --certificate broker.pem --key broker.key
  fleet-console broker check --terminals 127.0.0.1:8883 --one TG000001.pem --other TG000002.pem
  fleet-console broker sync
"""
_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib")

_IN_CONFIGURATION = ("ca", "office_ca", "certificate", "key", "crl", "plugin", "address", "office_address", "user")


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("verb", choices=("config", "check", "sync"), help="what to do")
    config = parser.add_argument_group("config")
    config.add_argument("--dir", type=Path, metavar="DIR", help="where the two files go")
    config.add_argument("--ca", type=Path, metavar="FILE", help="authority of the terminals, PEM")
    config.add_argument("--office-ca", type=Path, metavar="FILE", help="authority of head office, another one, PEM")
    config.add_argument("--certificate", type=Path, metavar="FILE", help="of the broker, PEM")
    config.add_argument("--key", type=Path, metavar="FILE", help="of the broker, PEM")
    config.add_argument("--crl", type=Path, metavar="FILE", help="revoked terminals' certificates, PEM")
    config.add_argument("--port", type=int, default=8883, metavar="N", help="for terminals (8883)")
    config.add_argument("--office-port", type=int, default=8884, metavar="N", help="for head office (8884)")
    config.add_argument("--address", default="0.0.0.0", metavar="IP", help="for terminals (0.0.0.0)")
    config.add_argument("--office-address", default="127.0.0.1", metavar="IP", help="for head office (127.0.0.1)")
    config.add_argument("--plugin", type=Path, metavar="FILE", help="mosquitto_dynamic_security.so")
    config.add_argument("--user", metavar="NAME", help="whom mosquitto becomes (mosquitto)")
    config.add_argument("--terminal", action="append", default=[], metavar="NAME", help="may speak from the start")
    config.add_argument("--admit", type=Path, metavar="DIR", help="a folder of NAME.pem: TG* may speak from the start")
    check = parser.add_argument_group("check")
    check.add_argument("--terminals", metavar="HOST:PORT", help="the terminals' listener")
    check.add_argument(
        "--one", type=Path, metavar="FILE", help="a terminal's certificate, NAME.pem, NAME.key beside it"
    )
    check.add_argument("--other", type=Path, metavar="FILE", help="another terminal's")
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    voice = Voice("fleet-console", as_json=args.json)
    if args.verb == "config":
        return _config(args, voice)
    return asyncio.run(_check(args, voice) if args.verb == "check" else _sync(args, voice))


def _config(args: argparse.Namespace, voice: Voice) -> int:
    files = {name: getattr(args, name) for name in ("dir", "ca", "office_ca", "certificate", "key")}
    for name, path in files.items():
        if path is None:
            raise Fault(f"broker config: --{name.replace('_', '-')} expected", "see --help", Exit.USAGE)
        if name != "dir" and not path.is_file():
            raise Fault(f"{path}: no such file", "TEST certificates: device-twin pki --dir DIR", Exit.USAGE)
    if octets_of(files["ca"]) == octets_of(files["office_ca"]):
        what = "--ca and --office-ca are the same authority"
        raise Fault(what, "with one, a terminal's certificate gets in at head office's port", Exit.REFUSED)
    if args.admit is not None and not args.admit.is_dir():
        raise Fault(f"{args.admit}: no such folder", "--admit takes a folder of NAME.pem", Exit.USAGE)
    for name, port in (("--port", args.port), ("--office-port", args.office_port)):
        if port not in PORTS:
            raise Fault(f"{name}: 1 to 65535 expected", "8883 for terminals, 8884 for head office", Exit.USAGE)
    admitted = [*args.terminal, *(path.stem for path in (args.admit.glob("TG*.pem") if args.admit else ()))]
    bad = [name for name in admitted if not is_terminal_name(name)]
    if bad:
        raise Fault("--terminal: 1 to 32 letters, digits and hyphens expected", "such as TG000001", Exit.USAGE)
    folder: Path = args.dir.absolute()
    if not all(map(str.isprintable, map(str, (folder, *(vars(args)[name] for name in _IN_CONFIGURATION))))):
        raise Fault("a path, address or user that mosquitto.conf cannot hold", "one line, printable", Exit.USAGE)
    plan = Plan(
        folder, args.plugin or _plugin(), f"{args.port} {args.address}", f"{args.office_port} {args.office_address}",
        args.ca.absolute(), args.office_ca.absolute(), args.certificate.absolute(), args.key.absolute(),
        args.crl.absolute() if args.crl else None, args.user,
    )  # fmt: skip
    written = [str(_write(folder / "mosquitto.conf", configuration(plan)))]
    security = folder / "dynamic-security.json"
    if not security.exists():  # mosquitto keeps in it whom it was told to admit and isolate
        written.append(str(_write(security, dynamic_security(admitted))))
    voice.answer({"event": "written", "files": written}, f"written: {', '.join(written)}")
    return 0


async def _check(args: argparse.Namespace, voice: Voice) -> int:
    if not args.terminals or args.one is None or args.other is None:
        raise Fault("broker check: --terminals, --one and --other expected", "see --help", Exit.USAGE)
    office = needed(load(args.settings).broker, "broker", args.settings).access
    names = [path.stem for path in (args.one, args.other)]
    if not all(map(is_terminal_name, names)) or names[0] == names[1]:
        raise Fault("--one, --other: two files NAME.pem expected", "named as the certificates' names", Exit.USAGE)
    accesses = [
        BrokerAccess.of(args.terminals, office.ca, path, path.with_suffix(".key"), "--terminals")
        for path in (args.one, args.other)
    ]
    subjects = broker_check.Subjects(office, names[0], accesses[0], names[1], accesses[1])
    broken = 0
    async for verdict in broker_check.checks(subjects):
        broken += not verdict.holds
        mark = voice.paint("holds", "green") if verdict.holds else voice.paint("BROKEN", "red")
        document = {"event": "check", "name": verdict.name, "holds": verdict.holds, "words": verdict.words}
        voice.answer(document, f"{mark}  {verdict.name}: {verdict.words}")
    if broken:
        hint = "compare the broker's files with: fleet-console broker config"
        raise Fault(f"{broken} checks are broken", hint, Exit.REFUSED)
    return 0


async def _sync(args: argparse.Namespace, voice: Voice) -> int:
    """Tell the broker of every terminal of the store: who may speak, and who may not."""
    settings = load(args.settings)
    access = needed(settings.broker, "broker", args.settings).access
    database = await open_store(settings.store, must_exist=True)
    try:
        known = (await Register.load(database)).terminals
        barred = [name for name, one in known.items() if one.state is not State.ACTIVE]
        async with Control(access) as control:
            await control.admit(known)
            for name in barred:
                await control.isolate(name)
            released = sorted(await control.mute() & (known.keys() - set(barred)))
            for name in released:  # of these alone: to be given a role ends a connection
                await control.release(name)
        revoked = revocation_list(settings)
        listed = revoked is not None and await revoked.publish(database)
    finally:
        await database.close()
    document = {"event": "synced", "terminals": len(known), "isolated": len(barred), "released": len(released),
                "listed": listed}  # fmt: skip
    words = f"the broker knows {len(known)} terminals, {len(barred)} of them isolated"
    voice.answer(document, f"{words}; let in again: {len(released)}")
    return 0


def _plugin() -> Path:
    for folder in _FOLDERS:
        if (found := Path(folder) / PLUGIN).exists():
            return found
    return Path(_FOLDERS[0]) / PLUGIN  # mosquitto may run on another machine than this


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as fault:
        words = (fault.strerror or "cannot be written").lower()
        raise Fault(f"{path}: {words}", "choose a folder that can be written", Exit.USAGE) from None
    return path
