# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A serial port or PTY by termios and the event loop's own readiness. No thread, no library between.

Two locks keep others out. ``flock`` is ours: a second agent sees that the port is in use, and the kernel lets go of it
when a process dies. ``TIOCEXCL`` keeps out programs that never heard of flock; it is not set on a PTY, where the flag
would outlive a killed process for as long as the other end stays open.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import termios
from collections import deque

from device_profiles.model import PTY_MAJORS, LineSettings, Parity
from terminal_agent.line.port import LineAbsent, LineBusy, LineError, LineGone

READ_OCTETS = 4096
HELD_OCTETS = 1 << 16  # unread or unsent octets beyond this: nobody reads, or the device stopped taking them

NAME_A_PORT = "name a port such as /dev/ttyUSB0 or socket://host:port"
CHECK_THE_PATH = "plug the device in, or check the path: terminal-agent line list shows what there is"

_PARITY = {Parity.NONE: 0, Parity.EVEN: termios.PARENB, Parity.ODD: termios.PARENB | termios.PARODD}
_SIZE = {7: termios.CS7, 8: termios.CS8}
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_HUNG_UP = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.EBADF)


class TtyLine:
    """An open port. Made by :func:`open_tty` inside a running event loop."""

    def __init__(self, name: str, descriptor: int, *, exclusive: bool) -> None:
        """Take over an open, non-blocking descriptor that is set to raw mode."""
        self._name = name
        self._descriptor = descriptor
        self._exclusive = exclusive
        self._loop = asyncio.get_running_loop()
        self._heard: deque[bytes] = deque()
        self._held = 0
        self._unsent = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._gone: str | None = None
        self._loop.add_reader(descriptor, self._readable)

    @property
    def name(self) -> str:
        """The path."""
        return self._name

    @property
    def ended(self) -> bool:
        """See :class:`terminal_agent.line.port.Line`."""
        return self._gone is not None

    async def read(self) -> bytes:
        """See :class:`terminal_agent.line.port.Line`."""
        while not self._heard:
            if self._gone is not None:
                raise LineGone(f"{self._name}: {self._gone}", "check the cable and the device's power")
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        octets = self._heard.popleft()
        if self._held >= HELD_OCTETS > self._held - len(octets) and self._gone is None:
            self._loop.add_reader(self._descriptor, self._readable)
        self._held -= len(octets)
        return octets

    def write(self, octets: bytes) -> None:
        """See :class:`terminal_agent.line.port.Line`."""
        if self._gone is None:
            if len(self._unsent) + len(octets) > HELD_OCTETS:
                self._end("the device takes no more octets")
            elif self._unsent:
                self._unsent += octets
            else:
                self._unsent += octets
                self._writable()
        if self._gone is not None:
            raise LineGone(f"{self._name}: {self._gone}", "check the cable and the device's power")

    async def close(self) -> None:
        """See :class:`terminal_agent.line.port.Line`."""
        self._end("closed")

    def _readable(self) -> None:
        try:
            octets = os.read(self._descriptor, READ_OCTETS)
        except BlockingIOError:
            return
        except OSError as fault:
            octets = b""
            reason = "hung up" if fault.errno in _HUNG_UP else os.strerror(fault.errno or 0)
        else:
            reason = "hung up"
        if not octets:
            self._end(reason)
            return
        self._heard.append(octets)
        self._held += len(octets)
        if self._held >= HELD_OCTETS:
            self._loop.remove_reader(self._descriptor)
        self._wake()

    def _writable(self) -> None:
        try:
            sent = os.write(self._descriptor, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as fault:
            self._end("hung up" if fault.errno in _HUNG_UP else os.strerror(fault.errno or 0))
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._descriptor, self._writable)
        else:
            self._loop.remove_writer(self._descriptor)

    def _end(self, reason: str) -> None:
        if self._gone is not None:
            return
        self._gone = reason
        self._unsent.clear()
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        if self._exclusive:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
        os.close(self._descriptor)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def open_tty(path: str, settings: LineSettings) -> TtyLine:
    """Open and lock a port in raw mode; :class:`LineAbsent`, :class:`LineBusy` or :class:`LineError` if that fails."""
    descriptor, exclusive = claim_tty(path, settings)
    return TtyLine(path, descriptor, exclusive=exclusive)


def claim_tty(path: str, settings: LineSettings) -> tuple[int, bool]:
    """The same without its event loop: an open descriptor, and whether the port was made exclusive."""
    descriptor = _opened(path)
    try:
        if not os.isatty(descriptor):
            raise LineError(f"{path}: not a serial port", NAME_A_PORT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _busy(path) from None
        device = os.fstat(descriptor).st_rdev
        exclusive = os.major(device) not in PTY_MAJORS
        try:
            if exclusive:
                fcntl.ioctl(descriptor, termios.TIOCEXCL)
            attributes = _raw(termios.tcgetattr(descriptor), settings.at(device))
            termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
            termios.tcflush(descriptor, termios.TCIOFLUSH)
        except (termios.error, OSError) as fault:  # OSError: pulled out while being opened
            raise LineError(f"{path}: cannot be set to {settings.baud} baud: {fault.args[-1]}") from None
        return descriptor, exclusive
    except BaseException:
        os.close(descriptor)
        raise


def _busy(path: str) -> LineBusy:
    return LineBusy(f"{path}: in use by another process", f"find it with: fuser -v {path}")


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        if fault.errno == errno.EBUSY:
            raise _busy(path) from None
        if fault.errno in _ABSENT:
            raise LineAbsent(f"{path or 'no path'}: no such port", CHECK_THE_PATH) from None
        if fault.errno == errno.EACCES:
            raise LineError(
                f"{path}: permission denied", "add the agent's user to the port's group, often dialout"
            ) from None
        raise LineError(f"{path}: cannot be opened: {os.strerror(fault.errno or 0)}", NAME_A_PORT) from None
    except ValueError:  # a zero octet in the path
        raise LineError("a path with a zero octet: no port", NAME_A_PORT) from None


_Attributes = list[int | list[bytes | int]]


def _raw(attributes: _Attributes, settings: LineSettings) -> _Attributes:
    """Raw mode at the profile's speed: no echo, no translation, no flow control, modem lines ignored."""
    speed = getattr(termios, f"B{settings.baud}")
    control = termios.CREAD | termios.CLOCAL | _SIZE[settings.data_bits] | _PARITY[settings.parity]
    if settings.stop_bits == 2:
        control |= termios.CSTOPB
    checked = termios.INPCK if settings.parity is not Parity.NONE else 0
    characters = attributes[6]
    assert isinstance(characters, list)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    return [checked, 0, control, 0, speed, speed, characters]
