# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin pcscd --kind real`: the real pcscd as a child that obeys orders. Speaks no PC/SC."""

import os
import signal
from dataclasses import asdict
from pathlib import Path

from device_profiles.serve.orders import STOP, Orders
from device_profiles.serve.real_pcscd import Pcscd, VirtualReader
from tillguard.voice import Fault, Voice


async def serve(program: str, folder: Path, readers: tuple[VirtualReader, ...], *, as_json: bool, trace: bool) -> int:
    """Until SIGTERM, SIGINT or the order to stop."""
    voice = Voice("device-twin", as_json=as_json)
    orders = Orders({signal.SIGUSR1: "kill", signal.SIGUSR2: "start"})
    daemon = Pcscd(program, folder, readers, voice.tell if trace else _nothing, lambda: orders.give("ended"))
    try:
        await daemon.start()
        document: dict[str, object] = {"event": "ready", "twin": "pcscd", "kind": "real", "socket": str(daemon.socket)}
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
