# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keyboards on probation: held on the bus until their cadence is judged, and watched from then on. Judges none.

A keyboard on probation is authorised, and no driver has it: the warden has claimed its interfaces (usbfs.py) and reads
its reports by itself. There is no input device, so nothing can hear a key: no console, no window system, no SysRq.
What is typed meanwhile is thrown away. To let a driver have it and grab the input device then (EVIOCGRAB) would come
too late: the kernel's own proof shows one or two keys slip through before the grab, because the driver starts to
listen before there is anything to be grabbed (tests/qemu).

After probation a driver gets it, and the warden reads the input devices beside everybody else.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from protocols.errors import DecodeError
from protocols.usb.classes import HID
from protocols.usb.conditions import Cadence
from protocols.usb.descriptors import split
from terminal_agent.errors import AgentError
from terminal_agent.usb.cadence import CadenceWatch

EV_KEY, PRESSED = 1, 1
EVENT = struct.Struct("=qqHHi")  # struct input_event where a long has 64 bits
READ_OCTETS = 64 * EVENT.size
BOOT_REPORT = 8  # modifiers, one unused, six keys (HID 1.11, appendix B.1)
MOST_AT_ONCE = 64
_CONFIGURATION, _INTERFACE, _ENDPOINT = 0x02, 0x04, 0x05  # descriptor types (USB 2.0, table 9-5)


class CannotHold(AgentError):
    """A keyboard cannot be held, so it must not live."""


class Claimed(Protocol):
    """A device that no driver has: see usbfs.py."""

    descriptor: int

    def claim(self, interface: int) -> None: ...
    def ask(self, endpoint: int, size: int) -> None: ...
    def take(self) -> tuple[int, bytes] | None: ...
    def close(self) -> None: ...


class Places(Protocol):
    """Where a USB device is in the system: see sysfs.py."""

    def node(self, port: str) -> str: ...
    def descriptors(self, port: str) -> bytes: ...
    def interfaces(self, port: str) -> Sequence[tuple[int, int]]: ...


@dataclass(slots=True)
class Held:
    """One keyboard: what is open of it, and how it types."""

    port: str
    node: str
    """Its node in usbfs: a device that is plugged in anew has another."""
    device: Claimed | None = None
    """While it is on probation."""
    nodes: dict[int, str] = field(default_factory=dict)
    """Descriptor to input device, from then on."""
    watch: CadenceWatch = field(default_factory=CadenceWatch)
    judged_by: Cadence | None = None
    """What it was last judged by."""
    pressed: dict[int, bytes] = field(default_factory=dict)
    """Endpoint to its last report."""


class Keyboards:
    """All that are on probation, or watched after it."""

    def __init__(
        self,
        places: Places,
        claimed: Callable[[str], Claimed],
        clock: Callable[[], float],
        devices: str = "/dev/input",
    ) -> None:
        self._places = places
        self._claimed = claimed
        self._clock = clock
        self._devices = devices
        self.held: dict[str, Held] = {}

    def over(self, port: str) -> bool:
        """Whether the keyboard that is at a port now has its probation behind it."""
        held = self.held.get(port)
        return held is not None and held.device is None and held.node == self._places.node(port)

    def hold(self, port: str) -> None:
        """Claim a keyboard that was authorised and has no driver; :class:`CannotHold` where that fails."""
        held = self.held.get(port)
        node = self._places.node(port)
        if held is not None and held.device is not None and held.node == node:
            return
        self.release(port)
        try:
            pipes = interrupt_pipes(self._places.descriptors(port), self._places.interfaces(port))
            if not pipes:
                raise CannotHold("nothing of it could be held: it has no interrupt pipe to type by")
            device = self._claimed(node)
        except DecodeError as fault:
            raise CannotHold(str(fault)) from None
        self.held[port] = Held(port, node, device)
        try:
            for interface in sorted({interface for interface, _, _ in pipes}):
                device.claim(interface)
            for _, endpoint, size in pipes:
                device.ask(endpoint, size)
        except AgentError:
            self.release(port)
            raise

    def descriptors(self) -> dict[int, Held]:
        """What to wait for; those that are claimed say so as if they could be written."""
        found = {descriptor: held for held in self.held.values() for descriptor in held.nodes}
        return found | {held.device.descriptor: held for held in self.held.values() if held.device is not None}

    def read(self, descriptor: int, held: Held) -> bool:
        """Take in what was typed; whether a key went down. A keyboard that is gone is let go of."""
        before = held.watch.presses
        try:
            if held.device is not None:
                self._take_reports(held, held.device)
            else:
                self._take_events(held, os.read(descriptor, READ_OCTETS))
        except BlockingIOError:
            pass
        except (OSError, AgentError):
            self.release(held.port)
        return held.watch.presses > before

    def end(self, port: str) -> None:
        """Its probation is over: whoever claims its interfaces next has them."""
        held = self.held.get(port)
        if held is not None and held.device is not None:
            held.device.close()
            held.device = None

    def watch(self, port: str, name: str) -> None:
        """Read an input device of it from now on, beside everybody else."""
        held = self.held.get(port)
        if held is not None and name not in held.nodes.values():
            with contextlib.suppress(OSError):
                held.nodes[os.open(f"{self._devices}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)] = name

    def release(self, port: str) -> None:
        """It is gone, or barred."""
        held = self.held.pop(port, None)
        if held is None:
            return
        if held.device is not None:
            held.device.close()
        for descriptor in held.nodes:
            os.close(descriptor)

    def _take_reports(self, held: Held, device: Claimed) -> None:
        for _ in range(MOST_AT_ONCE):
            found = device.take()
            if found is None:
                return
            endpoint, report = found
            if newly_pressed(held.pressed.get(endpoint, b""), report):
                held.watch.press(self._clock())
            held.pressed[endpoint] = report

    def _take_events(self, held: Held, octets: bytes) -> None:
        for _, _, kind, _, value in EVENT.iter_unpack(octets[: len(octets) // EVENT.size * EVENT.size]):
            if kind == EV_KEY and value == PRESSED:
                held.watch.press(self._clock())


def newly_pressed(before: bytes, report: bytes) -> bool:
    """Whether a report shows a key that the one before did not: of a boot keyboard a usage, of others a bit."""
    if len(report) == BOOT_REPORT:
        return bool(set(report[2:]) - set(before[2:]) - {0}) or bool(report[0] & ~(before[0] if before else 0))
    old = int.from_bytes(before[: len(report)].ljust(len(report), b"\0"), "big")
    return bool(int.from_bytes(report, "big") & ~old)


def interrupt_pipes(descriptors: bytes, places: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Interface, endpoint and packet size of each pipe by which an input device of the configuration in use types."""
    return list(_pipes(descriptors, frozenset(places)))


def _pipes(descriptors: bytes, places: frozenset[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    configuration, interface, types = 0, 0, False
    for one in split(descriptors):
        if one[1] == _CONFIGURATION and len(one) >= 6:
            configuration = one[5]
        elif one[1] == _INTERFACE and len(one) >= 9:
            interface = one[2]
            types = one[5] == HID and one[3] == 0 and (configuration, interface) in places
        elif one[1] == _ENDPOINT and len(one) >= 7 and types and one[2] & 0x80 and one[3] & 0x03 == 0x03:
            yield interface, one[2], int.from_bytes(one[4:6], "little") & 0x07FF
