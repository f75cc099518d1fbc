# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Stands a serial twin on a pseudo terminal: moves octets and time. Decides nothing about what they mean.

The server keeps the terminal's own end open besides the controlling one, so that a driver may close and open it again
as often as it likes, like a cable that stays plugged in. Ending the server is pulling the cable.
"""

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tillguard.exits import Exit
from tillguard.voice import Fault

READ_OCTETS = 4096


class SerialTwin(Protocol):
    """A device as a pure machine: octets and time in, octets out."""

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the driver; returns what the device says at once."""
        ...

    def tick(self, now: float) -> bytes:
        """What became due by ``now``."""
        ...

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        ...


Watcher = Callable[[str, bytes], None]
"""Told ``>`` with octets to the device and ``<`` with octets from it, before these go out."""


class PtyServer:
    """One twin on one pseudo terminal, inside a running event loop, until :meth:`close`."""

    def __init__(self, twin: SerialTwin, watcher: Watcher | None = None, link: Path | None = None) -> None:
        """``watcher`` may raise: what the device says is then not said. ``link`` becomes a symbolic link to it."""
        self._twin = twin
        self._watcher = watcher
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._ours, self._theirs = os.openpty()
        self.line = os.ttyname(self._theirs)
        tty.setraw(self._theirs, termios.TCSANOW)
        os.set_blocking(self._ours, False)
        try:
            if link is not None:
                _make_link(link, self.line)
        except BaseException:
            self._shut()
            raise
        self._loop.add_reader(self._ours, self._readable)
        self._arm()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``; a fault of the twin or watcher comes out here."""
        waiting = self._loop.create_task(stop.wait())
        ends: set[asyncio.Future[Any]] = {waiting, self._failed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
        finally:
            waiting.cancel()
            self.close()

    def close(self) -> None:
        """Hang up and take the link away."""
        if self._ours < 0:
            return
        self._loop.remove_reader(self._ours)
        if self._timer is not None:
            self._timer.cancel()
        if not self._failed.done():
            self._failed.cancel()
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.line:
            with contextlib.suppress(OSError):
                self._link.unlink()
        self._shut()

    def _shut(self) -> None:
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = -1

    def _readable(self) -> None:
        try:
            octets = os.read(self._ours, READ_OCTETS)
        except BlockingIOError:
            return
        self._turn(octets)

    def _due(self) -> None:
        self._timer = None
        self._turn(b"")

    def _turn(self, octets: bytes) -> None:
        def answered(now: float) -> bytes:
            if octets and self._watcher is not None:
                self._watcher(">", octets)
            return self._twin.feed(octets, now) if octets else self._twin.tick(now)

        self.act(answered)

    def act(self, deed: Callable[[float], bytes]) -> None:
        """Something happens to the device, such as a key that a person presses; told the time, returns what it says.

        A fault of the twin or watcher ends the server and comes out of :meth:`run`.
        """
        if self._ours < 0:
            return
        try:
            answer = deed(self._loop.time())
            if self._watcher is not None:
                self._watcher("<", answer)
            self.say(answer)
            self._arm()
        except Exception as fault:
            self._loop.remove_reader(self._ours)
            if not self._failed.done():
                self._failed.set_exception(fault)

    def say(self, octets: bytes) -> None:
        """Octets that the device says unasked."""
        # A line without a listener loses what it cannot hold; so does this one.
        with contextlib.suppress(BlockingIOError):
            if octets:
                os.write(self._ours, octets)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._twin.due
        if due is not None:
            self._timer = self._loop.call_at(due, self._due)


def _make_link(link: Path, line: str) -> None:
    """A symbolic link to the line; one that an ended run left dangling is replaced, anything else is not touched."""
    if link.exists() or (os.path.lexists(link) and not link.is_symlink()):
        raise Fault(f"{link}: exists already", "stop the twin that made it, or choose another --link", Exit.FAILED)
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(line)
    except OSError as fault:
        raise Fault(f"{link}: cannot be made: {fault.strerror}", "choose another --link", Exit.FAILED) from None
