# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A USB device in the kernel's usbfs: claimed so that no driver has it, its interrupt pipes read. Judges nothing.

By ctypes, since the kernel keeps the address of each transfer and writes there when it is done (linux/usbdevice_fs.h).
Only what comes in is read; nothing is ever sent to the device.
"""

import ctypes
import os
import select

from terminal_agent.errors import AgentError

CLAIM, RELEASE = 0x8004550F, 0x80045510
SUBMIT, REAP_NOW, DISCARD = 0x8038550A, 0x4008550D, 0x0000550B
INTERRUPT = 1  # USBDEVFS_URB_TYPE_INTERRUPT
LARGEST_REPORT = 1024  # an interrupt endpoint's packet at high speed (USB 2.0, 5.7.3)
DONE = select.POLLOUT
"""What poll(2) says of the descriptor when a transfer is done."""


class _Urb(ctypes.Structure):
    """struct usbdevfs_urb."""

    _fields_ = (
        ("type", ctypes.c_ubyte),
        ("endpoint", ctypes.c_ubyte),
        ("status", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("buffer", ctypes.c_void_p),
        ("buffer_length", ctypes.c_int),
        ("actual_length", ctypes.c_int),
        ("start_frame", ctypes.c_int),
        ("packets", ctypes.c_int),
        ("error_count", ctypes.c_int),
        ("signal", ctypes.c_uint),
        ("context", ctypes.c_void_p),
    )


class UsbfsError(AgentError):
    """The device cannot be claimed or read: it is gone, or somebody else has it."""


class Usbfs:
    """One device: ``path`` is its node, such as ``/dev/bus/usb/001/004``."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._library = ctypes.CDLL(None, use_errno=True)
        self._flying: dict[int, tuple[_Urb, ctypes.Array[ctypes.c_char]]] = {}
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as fault:
            raise UsbfsError(f"{path}: {fault.strerror}") from None

    def claim(self, interface: int) -> None:
        """Nobody else, and no driver, gets this interface until it is given back or this is closed."""
        self._call(CLAIM, ctypes.byref(ctypes.c_uint(interface)))

    def ask(self, endpoint: int, size: int) -> None:
        """Wait for the next report on an interrupt endpoint."""
        room = ctypes.create_string_buffer(min(size, LARGEST_REPORT))
        urb = _Urb(type=INTERRUPT, endpoint=endpoint, buffer=ctypes.addressof(room), buffer_length=len(room))
        self._call(SUBMIT, ctypes.byref(urb))
        self._flying[ctypes.addressof(urb)] = (urb, room)

    def take(self) -> tuple[int, bytes] | None:
        """A report and its endpoint, which is asked for the next one; None where none has come."""
        done = ctypes.c_void_p()
        try:
            self._call(REAP_NOW, ctypes.byref(done))
        except BlockingIOError:
            return None
        urb, room = self._flying.pop(done.value or 0)
        octets = room.raw[: urb.actual_length]
        if urb.status:
            raise UsbfsError(f"{self._path}: a transfer ended with status {urb.status}")
        self.ask(urb.endpoint, len(room))
        return urb.endpoint, octets

    def close(self) -> None:
        """Give everything back; the kernel takes back what is still waited for."""
        os.close(self.descriptor)
        self._flying.clear()

    def _call(self, request: int, argument: object) -> None:
        if self._library.ioctl(self.descriptor, ctypes.c_ulong(request), argument) < 0:
            number = ctypes.get_errno()
            if number in (11,):  # EAGAIN
                raise BlockingIOError(number, os.strerror(number))
            raise UsbfsError(f"{self._path}: {os.strerror(number)}")
