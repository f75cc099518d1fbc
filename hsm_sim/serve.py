# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the simulator until it is told to stop: engine, host commands, signals, and what it says. Composition only."""

import asyncio
import errno
import os
import signal

from hsm_sim.config import Settings
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.requests import LmkCheckValue
from hsm_sim.engine.wrapping import VariantLmk
from hsm_sim.payshield.server import HostServer
from hsm_sim.payshield.session import Session, Trace
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

WIRE = "hsm"
TEST_KEYS_WARNING = (
    "WARNING: the master keys are the public TEST set: whatever is under them can be read by anyone. "
    "A simulator for tests and teaching, no security module."
)
OPEN_WARNING = "WARNING: it listens beyond this machine: anyone who reaches {address} can use these TEST keys."


def serve(settings: Settings, voice: Voice, *, trace: bool) -> int:
    """Serve host commands until SIGTERM or SIGINT."""
    return asyncio.run(_serve(settings, voice, trace=trace))


async def _serve(settings: Settings, voice: Voice, *, trace: bool) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    engine = Engine(VariantLmk.of_test_keys(), os.urandom)

    def session() -> Session:
        return Session(
            engine,
            settings.header_octets,
            largest=settings.largest_frame,
            trace=_trace(voice) if trace else None,
            bug=lambda kind: voice.tell(f"{voice.command}: bug while answering {kind}"),
        )

    server = HostServer(session, settings.connections)
    try:
        address, port = await server.start(settings.listen, settings.port)
    except OSError as fault:
        raise _cannot_listen(settings, fault) from None
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    # The warnings go to stderr whatever was asked for: no option leads around these lines.
    voice.tell(f"{voice.command}: {TEST_KEYS_WARNING}")
    if not settings.only_here:
        voice.tell(f"{voice.command}: {OPEN_WARNING.format(address=where)}")
    check_value = engine.perform(LmkCheckValue()).hex().upper()
    voice.answer(
        {
            "event": "ready",
            "address": where,
            "lmk": "TEST",
            "lmk_check_value": check_value,
            "header_octets": settings.header_octets,
        },
        f"ready {where}, TEST master keys {check_value}, header of {settings.header_octets} octets",
    )
    try:
        await stopping.wait()
    finally:
        await server.stop()
    return int(Exit.OK)


def _trace(voice: Voice) -> Trace:
    heard = True

    def trace(direction: str, text: str) -> None:
        nonlocal heard
        if not heard:
            return
        document = {"event": "traffic", "wire": WIRE, "direction": direction, "text": text}
        try:
            voice.answer(document, f"{WIRE} {direction} {text}")
        except OSError:
            heard = False  # nobody reads the trace any more: hosts are served all the same
            voice.tell(f"{voice.command}: the trace cannot be written and ends here")

    return trace


def _cannot_listen(settings: Settings, fault: OSError) -> Fault:
    where = f"{settings.listen} port {settings.port}"
    if fault.errno == errno.EADDRINUSE:
        return Fault(f"{where} is in use", "stop what listens there, or choose another with --port (0: any free one)")
    if fault.errno == errno.EACCES:
        return Fault(f"{where} may not be opened", "ports below 1024 need rights; choose a higher one with --port")
    if fault.errno == errno.EADDRNOTAVAIL:
        return Fault(f"{settings.listen} is no address of this machine", "choose one of its own with --listen")
    return Fault(f"{where} cannot be opened: {os.strerror(fault.errno or 0)}", "check --listen and --port")
