# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A USB twin plugged into this machine's kernel as a real device: vhci_hcd, spoken to over a socket pair. As root.

The kernel takes one end of a stream socket (``attach`` in sysfs) and sends each transfer as a USBIP_CMD_SUBMIT of 48
octets and its data; what is due is answered at once, what is not waits until the device has something to send or the
kernel takes the transfer back (Documentation/usb/usbip_protocol.rst). No network and no usbip program is involved.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from device_profiles.twins.usb_function import UsbFunction
from tillguard.exits import Exit
from tillguard.voice import Fault

VHCI = Path("/sys/devices/platform/vhci_hcd.0")
SUBMIT, UNLINK, RETURNED, UNLINKED = 1, 2, 3, 4
FULL_SPEED = 2
STALL, UNLINKED_STATUS = -32, -104  # -EPIPE, -ECONNRESET
FREE = "004"  # VDEV_ST_NULL in the table of ports
_HEAD = struct.Struct(">IIIII")
_SUBMIT = struct.Struct(">IiIII8s")
_RETURN = struct.Struct(">IIIIIiiiii8x")


class Plug:
    """One device in one port, served by a thread until :meth:`pull`."""

    def __init__(self, device: UsbFunction, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.port = port
        self._device = device
        self._clock = clock
        self._waiting: list[tuple[int, int]] = []
        ours, theirs = socket.socketpair()
        self._link = ours
        try:
            (VHCI / "attach").write_text(f"{port} {theirs.fileno()} {0x00010000 | port + 1} {FULL_SPEED}")
        except OSError as fault:
            ours.close()
            hint = "as root, with the module vhci_hcd loaded and the port free"
            raise Fault(f"{VHCI}/attach: {fault.strerror}", hint, Exit.ABSENT) from None
        finally:
            theirs.close()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def pull(self) -> None:
        """Out of the port."""
        with contextlib.suppress(OSError):
            (VHCI / "detach").write_text(str(self.port))
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._link.close()

    def _serve(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                due_in = self._device.function.due_in(self._clock()) if self._waiting else None
                if select.select([self._link], [], [], due_in)[0]:
                    self._take()
                self._send_due()

    def _take(self) -> None:
        command, number, _, inward, endpoint = _HEAD.unpack(self._read(_HEAD.size))
        _, length, _, _, _, setup = _SUBMIT.unpack(rest := self._read(_SUBMIT.size))
        if command == UNLINK:
            self._unlink(number, struct.unpack(">I", rest[:4])[0])
            return
        data = self._read(length) if not inward and length > 0 else b""
        if endpoint == 0:
            answer = self._device.control(setup)
            if answer is None:
                self._return(number, STALL)
            else:
                self._return(number, 0, answer if inward else b"", len(answer) if inward else length)
        elif inward:
            self._waiting.append((number, endpoint))
        else:
            self._device.function.out(endpoint, data, self._clock())
            self._return(number, 0, b"", length)

    def _send_due(self) -> None:
        for one in list(self._waiting):
            data = self._device.function.next(one[1], self._clock())
            if data is not None:
                self._waiting.remove(one)
                self._return(one[0], 0, data, len(data))

    def _unlink(self, number: int, victim: int) -> None:
        found = [one for one in self._waiting if one[0] == victim]
        self._waiting = [one for one in self._waiting if one[0] != victim]
        status = UNLINKED_STATUS if found else 0
        self._link.sendall(_HEAD.pack(UNLINKED, number, 0, 0, 0) + struct.pack(">i24x", status))

    def _return(self, number: int, status: int, data: bytes = b"", size: int = 0) -> None:
        self._link.sendall(_RETURN.pack(RETURNED, number, 0, 0, 0, status, size, 0, 0, 0) + data)

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self._link.recv(size - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found


def free_port() -> int:
    """The first port of the virtual controller that has nothing in it and takes devices of full speed."""
    for line in (VHCI / "status").read_text().splitlines()[1:]:
        hub, number, status, *_ = line.split()
        if hub == "hs" and status == FREE:
            return int(number)
    raise Fault("no port of vhci_hcd is free", "pull one of the devices", Exit.ABSENT)
