# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keyboards on probation: held by the kernel's own grab until their cadence is judged. Judges none.

A grabbed input device (EVIOCGRAB) hands its events to the one that grabbed it and to nobody else: no console, no
window system, no SysRq. What is typed meanwhile is thrown away. Between the moment in which a driver takes the
keyboard and the grab stands the console of the kernel, which opens keyboards by itself; so it is switched off before
the driver comes, and on again once the grab holds. The other readers need a device node, which is root's alone until
udev has dealt with it, and by then it is grabbed.

A driver that has to be loaded first would come after the grab was looked for. So a keyboard is let in only while the
drivers for it are there.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from protocols.usb.conditions import Cadence
from terminal_agent.errors import AgentError
from terminal_agent.usb.cadence import CadenceWatch

EVIOCGRAB = 0x40044590  # _IOW('E', 0x90, int), linux/input.h
EVIOCSCLOCKID = 0x400445A0
EV_KEY, PRESSED = 1, 1
EVENT = struct.Struct("=qqHHi")  # struct input_event where a long has 64 bits
KDGKBMODE, KDSKBMODE, K_OFF = 0x4B44, 0x4B45, 0x04  # linux/kd.h
VT_LOCKSWITCH, VT_UNLOCKSWITCH = 0x560B, 0x560C  # linux/vt.h
CLOCK_MONOTONIC = 1
DRIVERS = ("bus/usb/drivers/usbhid", "bus/hid/drivers/hid-generic")
READ_OCTETS = 64 * EVENT.size


Ioctl = Callable[[int, int, int | bytes], object]
"""ioctl(2), so that a test bed can stand in for it."""


def _ioctl(descriptor: int, request: int, argument: int | bytes) -> object:
    return fcntl.ioctl(descriptor, request, argument)


class CannotHold(AgentError):
    """A keyboard cannot be held, so it must not live."""


class Console(Protocol):
    """The kernel's own reader of keyboards."""

    def deaf(self) -> contextlib.AbstractContextManager[None]:
        """Within it no key reaches the console."""
        ...


class VirtualConsole:
    """The consoles behind ``/dev/tty0``; a kernel without them has nothing to switch off."""

    def __init__(self, path: str = "/dev/tty0") -> None:
        try:
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            self._descriptor = None

    @contextlib.contextmanager
    def deaf(self) -> Iterator[None]:
        """See :class:`Console`; :class:`CannotHold` where the console does not let itself be switched off."""
        if self._descriptor is None:
            yield
            return
        try:
            fcntl.ioctl(self._descriptor, VT_LOCKSWITCH)
            mode = struct.unpack("i", fcntl.ioctl(self._descriptor, KDGKBMODE, bytes(4)))[0]
            fcntl.ioctl(self._descriptor, KDSKBMODE, K_OFF)
        except OSError as fault:
            raise CannotHold(f"the console's keyboard cannot be switched off: {fault.strerror}") from None
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._descriptor, KDSKBMODE, mode)
                fcntl.ioctl(self._descriptor, VT_UNLOCKSWITCH)


class Nodes(Protocol):
    """Which input devices belong to a USB device."""

    def input_nodes(self, port: str) -> list[str]:
        """Their names, such as ``event3``."""
        ...


@dataclass(slots=True)
class Held:
    """One keyboard: its open nodes, and how it types."""

    port: str
    nodes: dict[int, str] = field(default_factory=dict)
    watch: CadenceWatch = field(default_factory=CadenceWatch)
    grabbed: bool = True
    judged_by: Cadence | None = None
    """What it was last judged by."""


class Keyboards:
    """All that are on probation or watched after it."""

    def __init__(
        self,
        nodes: Nodes,
        console: Console,
        sysfs: str = "/sys",
        devices: str = "/dev/input",
        ioctl: Ioctl | None = None,
    ) -> None:
        self._nodes = nodes
        self._console = console
        self._sysfs = sysfs
        self._devices = devices
        self._ioctl: Ioctl = ioctl or _ioctl
        self.held: dict[str, Held] = {}

    @contextlib.contextmanager
    def hold(self, port: str) -> Iterator[None]:
        """Within it a keyboard is let in; at its end it is grabbed, or :class:`CannotHold` is raised.

        A keyboard that was let in before stays as it is: its probation may be over.
        """
        known = self.held.get(port)
        if known is not None and list(known.nodes.values()) == self._nodes.input_nodes(port) and known.nodes:
            yield
            return
        self.release(port)
        for driver in DRIVERS:
            if not os.access(f"{self._sysfs}/{driver}", os.F_OK):
                raise CannotHold(
                    f"the driver {driver.rpartition('/')[2]} is not loaded: load it when the machine starts"
                )
        held = Held(port)
        try:
            with self._console.deaf():
                yield
                for name in self._nodes.input_nodes(port):
                    self._take(held, name)
            if not held.nodes:
                raise CannotHold("no input device of it came that could be held")
        except BaseException:
            _close(held)
            raise
        self.held[port] = held

    def descriptors(self) -> dict[int, Held]:
        """What to wait for."""
        return {descriptor: held for held in self.held.values() for descriptor in held.nodes}

    def read(self, descriptor: int, held: Held) -> bool:
        """Take in what was typed; whether a key went down. A node that is gone is let go of."""
        try:
            octets = os.read(descriptor, READ_OCTETS)
        except BlockingIOError:
            return False
        except OSError:
            os.close(descriptor)
            held.nodes.pop(descriptor, None)
            return False
        pressed = False
        for seconds, micro, kind, _, value in EVENT.iter_unpack(octets[: len(octets) // EVENT.size * EVENT.size]):
            if kind == EV_KEY and value == PRESSED:
                held.watch.press(seconds + micro / 1e6)
                pressed = True
        return pressed

    def let_go(self, port: str) -> None:
        """Probation is over: its keys reach everybody, and are watched further."""
        held = self.held.get(port)
        if held is None or not held.grabbed:
            return
        held.grabbed = False
        for descriptor in held.nodes:
            with contextlib.suppress(OSError):
                self._ioctl(descriptor, EVIOCGRAB, 0)

    def release(self, port: str) -> None:
        """It is gone, or barred."""
        held = self.held.pop(port, None)
        if held is not None:
            _close(held)

    def _take(self, held: Held, name: str) -> None:
        try:
            descriptor = os.open(f"{self._devices}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as fault:
            raise CannotHold(f"{self._devices}/{name}: {fault.strerror}") from None
        held.nodes[descriptor] = name
        try:
            self._ioctl(descriptor, EVIOCGRAB, 1)
            self._ioctl(descriptor, EVIOCSCLOCKID, struct.pack("i", CLOCK_MONOTONIC))
        except OSError as fault:
            raise CannotHold(f"{self._devices}/{name} cannot be grabbed: {fault.strerror}") from None


def _close(held: Held) -> None:
    for descriptor in held.nodes:
        os.close(descriptor)
    held.nodes.clear()
