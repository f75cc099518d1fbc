# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of a demonstration: start, wait until ready, read their JSON lines, stop cleanly. Knows no payment."""

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_WITHIN_S = 30.0  # a machine that is busy takes its time; a process that ended is told at once
STOP_WITHIN_S = 10.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StationFailed(Exception):
    """A process did not become ready; its own words are in the message."""


def command(name: str) -> str:
    """One of the distribution's commands, from the environment that runs this."""
    return str(Path(sys.executable).with_name(name))


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """An interruption comes before the block or after it: a process started here is known to whoever stops it.

    That process inherits the wait: start it with :func:`die_with_parent`, which ends it there.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with_parent() -> None:
    """Runs in the child, as ``preexec_fn``: even if this orchestrator is killed -9, nothing stays behind."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)


class Station:
    """One process that prints JSON lines; the first one with event ``ready`` says where it can be reached."""

    def __init__(
        self, name: str, argv: list[str], on_line: Callable[[str, dict[str, Any]], None], *, obeys: bool = False
    ) -> None:
        """``obeys``: it takes orders on its stdin, see :meth:`order`."""
        self.name = name
        self.ready: dict[str, Any] = {}
        self.started = time.monotonic()
        self.ready_after_ms = 0.0
        self.lines: list[dict[str, Any]] = []
        self._on_line = on_line
        self._ready = threading.Event()
        self._arrivals: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._talk: list[str] = []
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if obeys else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the orchestrator alone, which stops the stations in order
            preexec_fn=die_with_parent,
        )
        self._threads = [
            threading.Thread(target=self._read_data, daemon=True),
            threading.Thread(target=self._read_talk, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def wait_ready(self) -> dict[str, Any]:
        """The ready line; raises :class:`StationFailed` with the process's own words."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._ready.wait(0.01):
            if self.process.poll() is not None:
                self._threads[1].join(1)
                words = "\n".join(self._talk[-6:]) or f"exit code {self.process.returncode}"
                raise StationFailed(f"{self.name} did not start:\n{words}")
            if time.monotonic() > deadline:
                raise StationFailed(f"{self.name} was not ready within {READY_WITHIN_S:.0f} s")
        return self.ready

    def next_line(self, timeout_s: float) -> dict[str, Any] | None:
        """The next JSON line after ``ready``, or None when none came in time or the process ended."""
        try:
            return self._arrivals.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def order(self, words: str) -> None:
        """Tell it something; only to one that obeys."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()

    @property
    def talk(self) -> str:
        """What it has said on stderr so far."""
        return "\n".join(self._talk)

    def stop(self) -> None:
        """SIGTERM, then a wait; only a process that ignores it is killed."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for thread in self._threads:
            thread.join(STOP_WITHIN_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _read_data(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                document = json.loads(line)
                self.lines.append(document)
                if document.get("event") == "ready" and not self._ready.is_set():
                    self.ready = document
                    self.ready_after_ms = (time.monotonic() - self.started) * 1000
                    self._ready.set()
                else:
                    self._arrivals.put(document)
                self._on_line(self.name, document)
        self._arrivals.put(None)

    def _read_talk(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._talk.append(line.rstrip())


class Stations:
    """All processes of one demonstration, stopped in reverse order however it ends."""

    def __init__(self, on_line: Callable[[str, dict[str, Any]], None]) -> None:
        self._on_line = on_line
        self.running: list[Station] = []

    def start(self, name: str, *argv: str) -> Station:
        """Start one process; it is not ready yet."""
        with uninterrupted():
            station = Station(name, [command(argv[0]), *argv[1:]], self._on_line)
            self.running.append(station)
        return station

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, _as_interrupt)
        signal.signal(signal.SIGHUP, _as_interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them running
        for station in reversed(self.running):
            station.stop()


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def environment_says_no_colour() -> bool:
    """Whether output should be bare."""
    return "NO_COLOR" in os.environ or not sys.stdout.isatty()
