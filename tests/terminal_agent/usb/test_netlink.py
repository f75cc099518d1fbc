# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The kernel's socket of device events: who is believed, and what counts as a loss. umockdev's rung plays the rest."""

import errno
import socket
import struct

import pytest

from protocols.usb.uevent import Uevent
from terminal_agent.errors import AgentError
from terminal_agent.usb.netlink import KernelEvents, Missed, from_kernel

ADD = b"add@/devices/usb1/1-4\0ACTION=add\0DEVPATH=/devices/usb1/1-4\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0SEQNUM=7\0"
KERNEL = [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("3i", 0, 0, 0))]
Beside = list[tuple[int, int, bytes]]


class Wire:
    """A socket that gives one datagram, or one error."""

    def __init__(self, datagram: bytes = ADD, beside: Beside = KERNEL, flags: int = 0, fault: int = 0) -> None:
        self._answer = (datagram, beside, flags, (0, 0))
        self._fault = fault

    def recvmsg(self, *_: int) -> tuple[bytes, Beside, int, tuple[int, int]]:
        if self._fault:
            raise OSError(self._fault, "told by the test")
        return self._answer


def heard(wire: Wire) -> Uevent | Missed:
    events = KernelEvents()
    events.close()
    events._socket = wire  # type: ignore[assignment]
    return events.receive()


def test_an_event_of_the_kernel() -> None:
    found = heard(Wire())
    assert isinstance(found, Uevent)
    assert (found.action, found.port) == ("add", "1-4")


@pytest.mark.parametrize("process", [(1, 0, 0), (0, 1000, 0), (4711, 1000, 1000)])
def test_nobody_else_is_believed(process: tuple[int, int, int]) -> None:
    beside = [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("3i", *process))]
    assert heard(Wire(beside=beside)) is Missed.STRANGER
    assert not from_kernel(*process[:2])


@pytest.mark.parametrize(
    "beside",
    [
        [],
        [(socket.SOL_SOCKET, socket.SCM_RIGHTS, bytes(12))],
        [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, bytes(4))],
    ],
)
def test_without_credentials_nobody_is_believed(beside: Beside) -> None:
    assert heard(Wire(beside=beside)) is Missed.STRANGER


def test_what_counts_as_a_loss() -> None:
    assert heard(Wire(fault=errno.ENOBUFS)) is Missed.LOSS
    assert heard(Wire(flags=socket.MSG_TRUNC)) is Missed.LOSS
    assert heard(Wire(datagram=b"nonsense")) is Missed.LOSS


def test_silence_and_a_broken_socket() -> None:
    events = KernelEvents()
    while (first := events.receive()) is not Missed.NOTHING:
        assert isinstance(first, Uevent | Missed)
    assert events.fileno() > 0
    events.close()
    with pytest.raises(AgentError, match="told by the test"):
        heard(Wire(fault=errno.EIO))
