# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A tap between a serial device and its host: a port on one side, a pseudo terminal on the other. Interprets nothing.

The device's end is opened by pyserial, so a path, ``socket://`` and ``rfc2217://`` all do; its blocking reads have a
thread of their own. Octets go on at once; only what may begin an alteration waits, and no longer than a pause.
"""

import asyncio
import contextlib
import errno
import os
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import serial

from device_profiles.model import LineSettings
from device_profiles.serve.pty import PtyServer, Watcher
from device_profiles.twins.tap import Alteration, Middle, Piece, Side, head_line, piece_line
from tillguard.exits import Exit
from tillguard.voice import Fault

READ_S = 0.05
WRITE_S = 2.0
PAUSE_S = 0.02
_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_ARROWS = {Side.DEVICE: ">", Side.HOST: "<"}


class Recorder:
    """Appends to a recording; one line a piece, on disk when :meth:`keep` returns."""

    def __init__(self, path: Path, model: str) -> None:
        """A new file that only its owner can read; :class:`Fault` if there is one already."""
        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w")
        except FileExistsError:
            raise Fault(f"{path}: exists already", "recordings are not overwritten: choose another name") from None
        except OSError as fault:
            raise Fault(f"{path}: cannot be made: {fault.strerror}", "choose another --record") from None
        self._path = path
        self._start = time.monotonic()
        try:
            self._write(head_line(model))
        except Fault:
            self.discard()
            raise

    def keep(self, to: Side, octets: bytes) -> None:
        """One piece, as it came."""
        self._write(piece_line(Piece(round((time.monotonic() - self._start) * 1000), to, octets)))

    def close(self) -> None:
        """End the file; what could not be written before is not tried again."""
        with contextlib.suppress(OSError):
            self._file.close()

    def discard(self) -> None:
        """Take the file away: nothing was recorded."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as fault:
            hint = "what was recorded before is whole up to its last line end; give it room and begin a new one"
            raise Fault(f"{self._path}: cannot be written: {fault.strerror}", hint) from None


class Tap:
    """Stands between; made inside a running event loop."""

    def __init__(
        self,
        device: str,
        settings: LineSettings,
        link: Path,
        rules: Sequence[Alteration],
        recorder: Recorder | None,
        watcher: Watcher | None,
    ) -> None:
        """Open the device, make the line; :class:`Fault` where that cannot be."""
        self._loop = asyncio.get_running_loop()
        self._recorder = recorder
        self._watcher = watcher
        self._middles = {side: Middle(side, rules) for side in Side}
        self._timers: dict[Side, asyncio.TimerHandle] = {}
        self._port = _opened(device, settings)
        self._device = device
        self._closed = threading.Event()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        try:
            self.server = PtyServer(_Host(self._from_host), None, link)
        except BaseException:
            self._port.close()
            raise
        self._thread = threading.Thread(target=self._listen, name="tap", daemon=True)
        self._thread.start()

    @property
    def altered(self) -> int:
        """How often an alteration was made."""
        return sum(middle.altered for middle in self._middles.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``, or until the device hangs up, which is a :class:`Fault`."""
        serving = self._loop.create_task(self.server.run(stop))
        await asyncio.wait({serving, self.gone}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        self._closed.set()
        try:
            await serving
        finally:
            await self._loop.run_in_executor(None, self._thread.join)
            self._port.close()
        if self.gone.done():
            self.gone.result()

    def _from_host(self, octets: bytes) -> None:
        self._carry(Side.DEVICE, octets)

    def _from_device(self, octets: bytes) -> None:
        if not self._closed.is_set():
            self._carry(Side.HOST, octets)

    def _carry(self, to: Side, octets: bytes) -> None:
        middle = self._middles[to]
        self._deliver(to, middle.feed(octets))
        if (timer := self._timers.pop(to, None)) is not None:
            timer.cancel()
        if middle.holding:
            self._timers[to] = self._loop.call_later(PAUSE_S, self._lapsed, to)

    def _lapsed(self, to: Side) -> None:
        self._deliver(to, self._middles[to].lapse())

    def _deliver(self, to: Side, octets: bytes) -> None:
        if not octets or self._closed.is_set():
            return
        try:
            if self._recorder is not None:
                self._recorder.keep(to, octets)
            if self._watcher is not None:
                self._watcher(_ARROWS[to], octets)
        except Exception as fault:  # what cannot be told goes no further, and comes out of :meth:`run`
            self._end(fault)
            return
        if to is Side.HOST:
            self.server.say(octets)
            return
        try:
            self._port.write(octets)
        except (serial.SerialException, OSError):
            self._hung_up()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                octets = self._port.read(max(1, self._port.in_waiting))
            except (serial.SerialException, OSError, TypeError):  # TypeError: pyserial's, for a port that went
                self._loop.call_soon_threadsafe(self._hung_up)
                return
            if octets:
                self._loop.call_soon_threadsafe(self._from_device, octets)

    def _hung_up(self) -> None:
        self._end(Fault(f"{self._device}: the device hung up", "check its cable, power or server"))

    def _end(self, fault: Exception) -> None:
        self._closed.set()
        if not self.gone.done():
            self.gone.set_exception(fault)


class _Host:
    """The host's end as the far end of a pseudo terminal sees it."""

    due = None

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard

    def feed(self, octets: bytes, now: float) -> bytes:
        self._heard(octets)
        return b""

    def tick(self, now: float) -> bytes:
        return b""


def _opened(device: str, settings: LineSettings) -> serial.SerialBase:
    try:
        if "://" not in device:
            settings = settings.at(Path(device).stat().st_rdev)
        return serial.serial_for_url(
            device,
            baudrate=settings.baud,
            bytesize=settings.data_bits,
            parity=_PARITY[settings.parity.value],
            stopbits=settings.stop_bits,
            timeout=READ_S,
            write_timeout=WRITE_S,
        )
    except (serial.SerialException, OSError, ValueError, termios.error) as fault:
        reason, code = _reason(fault)
        hint = "a path, socket://host:port or rfc2217://host:port"
        raise Fault(f"{device}: cannot be opened: {reason}", hint, code) from None


def _reason(fault: Exception) -> tuple[str, Exit]:
    if isinstance(fault, OSError) and fault.errno:
        return os.strerror(fault.errno), Exit.ABSENT if fault.errno in _ABSENT else Exit.FAILED
    if isinstance(fault.__context__, OSError):  # pyserial's fault of a connection hides the socket's own
        return "nobody answers there", Exit.ABSENT
    return "not a port that is known", Exit.FAILED
