# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The kernel's socket of device events (netlink, NETLINK_KOBJECT_UEVENT). Checks the sender; decides nothing.

Anybody on the machine may send to a netlink socket, so an event counts only if the kernel sent it: the credentials
beside it say process 0, user 0. When events came faster than they were read the kernel says so once (ENOBUFS); that,
like an event that cannot be read, is a loss, after which everything is to be looked at anew.
"""

import errno
import socket
import struct
from collections.abc import Callable
from enum import Enum

from protocols.errors import DecodeError
from protocols.usb.uevent import LARGEST, Uevent, decode
from terminal_agent.errors import AgentError

KOBJECT_UEVENT = 15  # NETLINK_KOBJECT_UEVENT
KERNEL_GROUP = 1  # the kernel's own events; udev's are group 2
RECEIVE_OCTETS = 1 << 20  # about 2,000 events: a storm of a hundred devices with all their interfaces
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


class Missed(Enum):
    """What came instead of an event that can be used."""

    NOTHING = "nothing has come"
    STRANGER = "not the kernel sent it"
    LOSS = "events were lost, or one could not be read"


def from_kernel(process: int, user: int) -> bool:
    """Whether the sender of an event is the kernel."""
    return process == 0 and user == 0


class KernelEvents:
    """The socket. ``trusted`` says of a sender's process and user whether to believe it."""

    def __init__(self, trusted: Callable[[int, int], bool] = from_kernel) -> None:
        self._trusted = trusted
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, KOBJECT_UEVENT
            )
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_OCTETS)
            except PermissionError:  # without CAP_NET_ADMIN the machine's own limit holds, and storms end in a rescan
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
            self._socket.bind((0, KERNEL_GROUP))
        except OSError as fault:
            raise AgentError(f"the kernel's socket of device events: {fault.strerror}", "is this Linux?") from None

    def fileno(self) -> int:
        """For whoever waits for it to become readable."""
        return self._socket.fileno()

    def receive(self) -> Uevent | Missed:
        """The next event, or what is instead of it. Does not wait."""
        try:
            datagram, beside, flags, _ = self._socket.recvmsg(LARGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
        except BlockingIOError:
            return Missed.NOTHING
        except OSError as fault:
            if fault.errno == errno.ENOBUFS:
                return Missed.LOSS
            raise AgentError(f"the kernel's socket of device events: {fault.strerror}", "restart the warden") from None
        if not self._believed(beside):
            return Missed.STRANGER
        if flags & socket.MSG_TRUNC:
            return Missed.LOSS
        try:
            return decode(datagram)
        except DecodeError:
            return Missed.LOSS

    def close(self) -> None:
        """No more events."""
        self._socket.close()

    def _believed(self, beside: list[tuple[int, int, bytes]]) -> bool:
        for level, kind, data in beside:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
                process, user, _ = _CREDENTIALS.unpack_from(data)
                return self._trusted(process, user)
        return False
