# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the simulator until it is told to stop: listeners, timers, signals, and what it says. Composition only."""

import asyncio
import errno
import os
import resource
import signal
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

from hsm_sim.audit import COMMIT_S, AuditError
from hsm_sim.config import LOOPBACK, Loop, Settings
from hsm_sim.payshield.server import Hosts, HostServer
from hsm_sim.payshield.session import Session, Trace
from hsm_sim.serve_state import assemble, tls_context
from hsm_sim.simulator import Simulator
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

WIRE = "hsm"
REFUSALS_S = 1.0
SPARE_FILES = 64  # beside the connections: listeners, vault, audit, the interpreter's own
TEST_KEYS_WARNING = (
    "WARNING: the master keys are the public TEST set: whatever is under them can be read by anyone. "
    "A simulator for tests and teaching, no security module."
)
OWN_KEYS_WARNING = (
    "WARNING: a simulator for tests and teaching, no security module: its master keys lie in this process's memory."
)
OPEN_WARNING = "WARNING: it listens beyond this machine: anyone who reaches {address} can use {whose} keys."


def serve(settings: Settings, voice: Voice, *, trace: bool) -> int:
    """Serve host commands until SIGTERM or SIGINT."""
    _prepare_process(settings.connections + SPARE_FILES)
    with asyncio.Runner(loop_factory=_loop_factory(settings.event_loop)) as runner:
        return runner.run(_serve(settings, voice, trace=trace))


async def _serve(settings: Settings, voice: Voice, *, trace: bool) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    trouble: list[Fault] = []

    def stop(what: str, hint: str) -> None:
        trouble.append(Fault(what, hint))
        stopping.set()

    def tell(words: str) -> None:
        voice.tell(f"{voice.command}: {words}")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    simulator = assemble(settings, stop, tell)
    simulator.unit.rsa_keys.ahead = True  # the server has a thread for what takes long
    told = _trace(voice) if trace else None

    def session() -> Session:
        return Session(simulator.unit, largest=settings.largest_frame, trace=told, injector=simulator.injector)

    hosts = Hosts(settings.connections)
    server = HostServer(session, hosts, unfinished_s=settings.unfinished_s)
    async with AsyncExitStack() as open_ways:
        open_ways.callback(_close, simulator)
        open_ways.push_async_callback(server.stop)
        ready = await _listen(settings, server)
        if settings.metrics_port is not None:
            metrics = await _metrics(settings.metrics_port, simulator, hosts)
            open_ways.callback(metrics.close)
            ready["metrics"] = _where(*metrics.sockets[0].getsockname()[:2])
        if settings.state is not None:
            from hsm_sim.console_server import ConsoleServer  # imported at need: most tests start without it

            console = ConsoleServer(simulator, stop, tell)
            ready["console"] = str(await console.start(settings.state))
            open_ways.push_async_callback(console.stop)
        _say_ready(settings, voice, simulator, ready)
        timers = [
            asyncio.create_task(_every(COMMIT_S / 2, simulator.audit.commit, simulator.fail)),
            asyncio.create_task(_every(REFUSALS_S, simulator.report_refusals, simulator.fail)),
        ]
        await stopping.wait()
        for timer in timers:
            timer.cancel()
    if trouble:
        raise trouble[0]
    return int(Exit.OK)


def _close(simulator: Simulator) -> None:
    with suppress(AuditError):  # it was said already
        simulator.close()


async def _listen(settings: Settings, server: HostServer) -> dict[str, str]:
    """Open every way in for hosts; gives what the readiness line says of them."""
    ready: dict[str, str] = {}
    if settings.plain:
        ready["address"] = await _open(server, settings.listen, settings.port, None, "--port")
    if settings.tls is not None:
        context = tls_context(settings.tls)
        ready["tls_address"] = await _open(server, settings.listen, settings.tls.port, context, "[tls] port")
    return ready


async def _metrics(port: int, simulator: Simulator, hosts: Hosts) -> asyncio.Server:
    from hsm_sim.metrics import serve_metrics, text_of  # imported at need

    started = time.monotonic()
    try:
        return await serve_metrics(lambda: text_of(simulator, hosts, time.monotonic() - started), LOOPBACK, port)
    except OSError as fault:
        raise _cannot_listen(LOOPBACK, port, fault, "--metrics-port") from None


async def _open(server: HostServer, listen: str, port: int, tls: ssl.SSLContext | None, knob: str) -> str:
    try:
        return _where(*await server.start(listen, port, tls))
    except OSError as fault:
        raise _cannot_listen(listen, port, fault, knob) from None


async def _every(seconds: float, step: Callable[[], object], fail: Callable[[AuditError], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            step()
        except AuditError as fault:
            fail(fault)
            return


def _say_ready(settings: Settings, voice: Voice, simulator: Simulator, ready: dict[str, str]) -> None:
    where = ready.get("address") or ready["tls_address"]
    # The warnings go to stderr whatever was asked for: no option leads around these lines.
    voice.tell(f"{voice.command}: {TEST_KEYS_WARNING if simulator.test_keys else OWN_KEYS_WARNING}")
    if not settings.only_here:
        whose = "these TEST" if simulator.test_keys else "its"
        voice.tell(f"{voice.command}: {OPEN_WARNING.format(address=where, whose=whose)}")
    check_value = simulator.lmks["00"].check_value().hex().upper()
    kind = "TEST" if simulator.lmks["00"].test else "own"
    further = ", ".join(f"{name} {at}" for name, at in ready.items() if at != where)
    voice.answer(
        {
            "event": "ready",
            "address": where,
            **ready,
            "lmk": kind,
            "lmk_check_value": check_value,
            "lmks": sorted(simulator.lmks),
            "header_octets": settings.header_octets,
        },
        f"ready {where}, {kind} master keys {check_value}, header of {settings.header_octets} octets"
        + (f"; {further}" if further else ""),
    )


def _where(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _loop_factory(wanted: Loop) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if wanted is Loop.ASYNCIO:
        return None
    try:
        import uvloop
    except ImportError:
        if wanted is Loop.UVLOOP:
            raise Fault("uvloop is not installed", "pip install tillguard[fast], or event-loop = 'auto'") from None
        return None
    return uvloop.new_event_loop


def _prepare_process(files: int) -> None:
    """Open files for all connections, and no core dump: it would hold keys."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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


def _cannot_listen(listen: str, port: int, fault: OSError, knob: str) -> Fault:
    where = f"{listen} port {port}"
    if fault.errno == errno.EADDRINUSE:
        return Fault(f"{where} is in use", f"stop what listens there, or choose another with {knob} (0: any free one)")
    if fault.errno == errno.EACCES:
        return Fault(f"{where} may not be opened", f"ports below 1024 need rights; choose a higher one with {knob}")
    if fault.errno == errno.EADDRNOTAVAIL:
        return Fault(f"{listen} is no address of this machine", "choose one of its own with --listen")
    return Fault(f"{where} cannot be opened: {os.strerror(fault.errno or 0)}", f"check --listen and {knob}")
