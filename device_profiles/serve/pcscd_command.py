# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pcscd`: the real pcscd with virtual readers, apart from the system's. Its options and its run."""

import argparse
import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_profiles.serve.real_pcscd import VirtualReader

EPILOG = """examples:
  device-twin pcscd --reader "Till Contact"
  PCSCLITE_CSOCK_NAME=…/pcscd.comm pcsc_scan -r         (the path is in the ready line)
  device-twin card --vpcd 127.0.0.1:35963 --network-of PID --card test-visa-contact

Orders on stdin, a word a line: kill (as a crash would), start, stop. Or by signal: SIGUSR1 kills, SIGUSR2 starts.
Needs pcscd and vsmartcard-vpcd, and either root or user namespaces. Nothing is registered on the system.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--reader", action="append", metavar="NAME", help="name of a virtual reader; repeatable (Tillguard Contact)"
    )
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder for its socket and files (a fresh one)")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="also say what pcscd logs")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from device_profiles.serve import real_pcscd

    program = real_pcscd.find()
    with contextlib.ExitStack() as cleanup:
        folder: Path = args.dir or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tillguard-pcscd-")))
        readers = real_pcscd.prepare(folder, tuple(args.reader or ["Tillguard Contact"]))
        return asyncio.run(_serve(args, program, folder, readers))


async def _serve(args: argparse.Namespace, program: str, folder: Path, readers: "tuple[VirtualReader, ...]") -> int:
    import signal
    from dataclasses import asdict

    from device_profiles.serve.orders import STOP, Orders
    from device_profiles.serve.real_pcscd import Pcscd
    from tillguard.voice import Fault, Voice

    voice = Voice("device-twin", as_json=args.json)
    orders = Orders({signal.SIGUSR1: "kill", signal.SIGUSR2: "start"})
    said = voice.tell if args.trace else _nothing
    daemon = Pcscd(program, folder, readers, said, lambda: orders.give("ended"))
    try:
        await daemon.start()
        document: dict[str, object] = {"event": "ready", "twin": "pcscd", "socket": str(daemon.socket)}
        document |= {"pid": os.getpid(), "daemon": daemon.pid, "readers": [asdict(reader) for reader in readers]}
        where = ", ".join(f"{reader.name} at {reader.address}" for reader in readers)
        voice.answer(document, f"ready {daemon.socket} {where}; cards: --network-of {os.getpid()}")
        while (order := await orders.next()) != STOP:
            if order == "ended":
                raise Fault(f"pcscd ended: {daemon.last_words}", "start with --trace to see what it logs")
            if order == "kill" and daemon.runs:
                await daemon.kill()
                voice.answer({"event": "daemon.killed"}, "pcscd killed")
            elif order == "start" and not daemon.runs:
                await daemon.start()
                voice.answer({"event": "daemon.started", "daemon": daemon.pid}, "pcscd started")
    finally:
        orders.close()
        await daemon.stop()
    return 0


def _nothing(words: str) -> None:
    """Where nobody wants to hear the log."""
