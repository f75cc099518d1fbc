# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An agent that kills itself with SIGKILL at a chosen step: the real process, its methods wrapped from outside.

Run as a program it has everything imported and forks one agent for each line it reads, so that a life costs no start of
Python. A line is ``{"profile": path, "printed": path, "hasty": bool, "death": {"point": …, "when": …, "count": …}}``,
the death or null; it answers ``{"pid": …}`` and, when that agent has ended, ``{"ended": wait status}``.
"""

import contextlib
import ctypes
import functools
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

POINTS: dict[str, tuple[str, str, bool]] = {
    "journal.begin": ("terminal_agent.host.journal:Journal", "begin", False),
    "journal.record": ("terminal_agent.host.journal:Journal", "record", False),
    "host.exchange": ("terminal_agent.host.tcp:AcquirerLink", "exchange", True),
    "host.answer": ("terminal_agent.host.tcp:AcquirerLink", "_answer", True),  # before it: sent, no answer yet
    "journal.answered": ("terminal_agent.host.journal:Journal", "answered", False),
    "journal.conclude": ("terminal_agent.host.journal:Journal", "conclude", False),
    "journal.must_reverse": ("terminal_agent.host.journal:Journal", "must_reverse", False),
    "journal.reversal_sending": ("terminal_agent.host.journal:Journal", "reversal_sending", False),
    "journal.reversal_answered": ("terminal_agent.host.journal:Journal", "reversal_answered", False),
    "journal.recover": ("terminal_agent.host.journal:Journal", "recover", False),
    "journal.told": ("terminal_agent.host.journal:Journal", "told", False),
    "audit.append": ("terminal_agent.audit:AuditLog", "append", False),
    "outbox.put": ("terminal_agent.report.outbox:Outbox", "put", False),
    "worker.emv": ("terminal_agent.flows.payment:Payment", "_show", False),
    "worker.pin": ("terminal_agent.flows.payment:Payment", "_enter_pin", True),
    "worker.record": ("terminal_agent.flows.remote:RemoteLedger", "record", False),
    "worker.exchange": ("terminal_agent.host.tcp:AcquirerLink", "exchange", True),
    "worker.answer": ("terminal_agent.host.tcp:AcquirerLink", "_answer", True),
    "worker.answered": ("terminal_agent.flows.remote:RemoteLedger", "answered", False),
    "worker.conclude": ("terminal_agent.flows.remote:RemoteBooks", "conclude", False),
}
"""Where an agent can die: class, method, whether it is awaited. Before it or after it; an audit record also torn.

At a point of a worker the worker dies, and the agent lives on; at the others the agent dies, whoever comes there.
"""
WORKERS = "worker."
WHEN = ("before", "after")
_PR_SET_PDEATHSIG = 1  # prctl(2)
TORN = "torn"


@dataclass(frozen=True)
class Death:
    """At the ``count``-th passing of a point."""

    point: str
    when: str
    count: int

    def line(self) -> dict[str, Any]:
        return asdict(self)


class Left:
    """Passings until a death, counted by an agent and all its workers together."""

    def __init__(self, count: int) -> None:
        self._memory = mmap.mmap(-1, 4)
        struct.pack_into("=i", self._memory, 0, count)

    def passed(self) -> bool:
        """One more passing; whether it is the one."""
        left = struct.unpack_from("=i", self._memory)[0] - 1
        struct.pack_into("=i", self._memory, 0, left)
        return bool(left == 0)


KILLED = 137  # as a shell says it


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Hangman:
    """Kills an agent for those who may signal nobody: a worker is behind its fences, and may write and end."""

    def __init__(self) -> None:
        agent = os.getpid()
        waits, self._asks = os.pipe()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.close(self._asks)
            if os.read(waits, 1):
                os.kill(agent, signal.SIGKILL)
            os._exit(0)
        os.close(waits)

    def kill(self) -> None:
        """The agent dies, and its worker with it."""
        os.write(self._asks, b"x")
        while True:
            time.sleep(1)


def arrange(death: Death) -> None:
    """Wrap the point's method in this process, and so in those that it forks."""
    hangman, left = Hangman(), Left(death.count)
    place, name, awaited = POINTS[death.point]
    module, _, owner_name = place.partition(":")
    owner = getattr(__import__(module, fromlist=[owner_name]), owner_name)
    method = getattr(owner, name)

    def here(when: str) -> None:
        if death.when == when and left.passed():
            if death.point.startswith(WORKERS):
                os._exit(KILLED)
            hangman.kill()

    @functools.wraps(method)
    def wrapped(*args: Any, **more: Any) -> Any:
        here("before")
        result = method(*args, **more)
        here("after")
        return result

    @functools.wraps(method)
    async def awaiting(*args: Any, **more: Any) -> Any:
        here("before")
        result = await method(*args, **more)
        here("after")
        return result

    if death.when == TORN:
        _tear(left)
    else:
        setattr(owner, name, awaiting if awaited else wrapped)


def _tear(left: Left) -> None:
    """Die in the middle of writing an audit record."""
    from terminal_agent import audit

    write = audit.os.write

    def torn(descriptor: int, octets: bytes) -> int:
        if left.passed():
            write(descriptor, octets[: len(octets) // 2])
            _die()
        return write(descriptor, octets)

    audit.os.write = torn  # type: ignore[assignment]


def _mislead(off_by: Path) -> None:
    """The machine's wall clock is wrong by as many milliseconds as the file says, at every moment."""
    from terminal_agent.clock import SystemClock

    right = SystemClock.now_ms

    def now_ms(clock: SystemClock) -> int:
        return right(clock) + int(off_by.read_text())

    if off_by.exists():
        SystemClock.now_ms = now_ms  # type: ignore[method-assign]


def _live(order: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # no agent outlives its test
    from terminal_agent.flows import acquiring, books, devices
    from terminal_agent.processes import worker_child
    from terminal_agent.processes.agent import serve
    from tillguard.voice import Fault

    worker_child.start = _fork_source
    if order["hasty"]:  # what is away in these tests is never away for long
        acquiring.REVERSAL_PAUSE_S = books.RETRY_S = devices.LONGEST_PAUSE_S = 0.05
    _mislead(Path(order["profile"]).with_name("clock-is-off-by"))
    if order["death"] is not None:
        arrange(Death(**order["death"]))
    printed = os.open(order["printed"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(printed, 1)
    try:
        code = serve(Path(order["profile"]), as_json=True, trace=False)
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        code = 1
    with contextlib.suppress(OSError):  # the disk may still be full
        sys.stdout.flush()
    os._exit(code)


def _fork_source(profile: Path, *, trace: bool, text: str | None = None) -> Any:
    """In place of a start of Python: a source of workers as a fork of this process, which has seen no card either."""
    from terminal_agent.processes import worker_source
    from terminal_agent.processes.profile import load, load_text, models
    from terminal_agent.processes.worker_child import SourceChild

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        worker_source.end_with(parent)
        try:
            found = load(profile) if text is None else load_text(text, profile)
            os._exit(worker_source.serve(theirs, found, models(found, profile), trace=trace))
        finally:
            os._exit(70)
    theirs.close()
    return SourceChild(pid, ours, None, lambda: _fork_source(profile, trace=trace, text=text))


def main() -> None:
    """Fork an agent for each line."""
    import terminal_agent.flows.payment
    import terminal_agent.processes.agent
    import terminal_agent.processes.worker_source
    import terminal_agent.report.mqtt  # noqa: F401

    say: Callable[[dict[str, int]], None] = lambda document: print(json.dumps(document), flush=True)  # noqa: E731
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                _live(json.loads(line))
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(70)
        say({"pid": pid})
        say({"ended": os.waitpid(pid, 0)[1]})


if __name__ == "__main__":
    main()
