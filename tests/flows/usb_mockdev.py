# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The upper rung, a program under ``umockdev-wrapper``: /sys and kernel socket are umockdev's, libudev is real.

The guard reads and writes /sys as it would on a terminal and hears of devices through its own netlink socket. Beside it
stands libudev, which knows nothing of ours: it must have heard of the same devices, and read in ``authorized`` what the
guard decided. Prints one JSON document a story.
"""

import ctypes
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from device_profiles.serve.sysfs import Tree
from device_profiles.twins.usbbus import CONTROLLER, Plugged, UsbBus
from protocols.usb.uevent import Uevent
from terminal_agent.usb.netlink import KernelEvents, Missed, from_kernel
from terminal_agent.usb.sysfs import Sysfs
from tests.flows.usb_stage import FILES, missed, story

BED = ctypes.CDLL("libumockdev.so.0")
UDEV = ctypes.CDLL("libudev.so.1")
_P, _C = ctypes.c_void_p, ctypes.c_char_p
for _library, _name, _result, _arguments in (
    (BED, "umockdev_testbed_new", _P, ()),
    (BED, "umockdev_testbed_get_root_dir", _C, (_P,)),
    (BED, "umockdev_testbed_add_from_string", ctypes.c_int, (_P, _C, _P)),
    (BED, "umockdev_testbed_remove_device", None, (_P, _C)),
    (BED, "umockdev_testbed_uevent", None, (_P, _C, _C)),
    (UDEV, "udev_new", _P, ()),
    (UDEV, "udev_monitor_new_from_netlink", _P, (_P, _C)),
    (UDEV, "udev_monitor_enable_receiving", ctypes.c_int, (_P,)),
    (UDEV, "udev_monitor_receive_device", _P, (_P,)),
    (UDEV, "udev_device_get_action", _C, (_P,)),
    (UDEV, "udev_device_get_devtype", _C, (_P,)),
    (UDEV, "udev_device_get_sysname", _C, (_P,)),
    (UDEV, "udev_device_get_sysattr_value", _C, (_P, _C)),
    (UDEV, "udev_device_new_from_subsystem_sysname", _P, (_P, _C, _C)),
):  # fmt: skip
    _function = getattr(_library, _name)
    _function.restype, _function.argtypes = _result, _arguments


class MockTree(Tree):
    """The tree that umockdev keeps: devices appear and go through it, and each time it sends the kernel's event."""

    def __init__(self, bed: int, bus: UsbBus) -> None:
        self.bed = bed
        root = Path(BED.umockdev_testbed_get_root_dir(bed).decode()) / "sys"
        super().__init__(root, bus)
        self.add(CONTROLLER, "pci", {}, b"")

    def add(self, path: str, subsystem: str, texts: dict[str, bytes], descriptors: bytes, kind: str = "") -> None:
        lines = [f"P: {path}", f"E: SUBSYSTEM={subsystem}", *([f"E: DEVTYPE={kind}"] if kind else [])]
        lines += [f"H: {name}={text.hex()}" for name, text in texts.items()]
        lines += [f"H: descriptors={descriptors.hex()}"] if descriptors else []
        error = ctypes.c_void_p()
        if not BED.umockdev_testbed_add_from_string(self.bed, "\n".join([*lines, ""]).encode(), ctypes.byref(error)):
            raise RuntimeError(f"umockdev did not take {path}")

    def _write(self, port: str, one: Plugged) -> None:
        path = self._bus.path(port)
        fresh = port not in self._announced
        if fresh:
            self._announced.add(port)
            self.add(path, "usb", {"removable": b"unknown\n"}, one.model.descriptors, "usb_device")
        super()._write(port, one)  # before anybody reads the event
        if not fresh:
            BED.umockdev_testbed_uevent(self.bed, f"/sys{path}".encode(), b"change")

    def _drop(self, port: str) -> None:
        self._announced.discard(port)
        path = f"/sys{self._bus.path(port)}".encode()
        BED.umockdev_testbed_uevent(self.bed, path, b"remove")  # it does not send one by itself
        BED.umockdev_testbed_remove_device(self.bed, path)
        super()._drop(port)

    @property
    def _announced(self) -> set[str]:
        return self.__dict__.setdefault("announced", set())


class Mockdev:
    """The rung."""

    def __init__(self) -> None:
        self.twin = UsbBus()
        self._bed = BED.umockdev_testbed_new()
        self._tree = MockTree(self._bed, self.twin)
        self._socket = KernelEvents(lambda process, user: process == os.getpid() and user == os.getuid())
        self._strict = KernelEvents(from_kernel)  # to which all of this bed's events are a stranger's
        self._udev = UDEV.udev_new()
        self._monitor = UDEV.udev_monitor_new_from_netlink(self._udev, b"udev")
        UDEV.udev_monitor_enable_receiving(self._monitor)
        self.bus = Sysfs()
        self.heard: list[tuple[str, str]] = []
        self.udev_heard: list[tuple[str, str]] = []
        self.strangers = 0

    def show(self) -> None:
        self._tree.show()

    def settle(self) -> None:
        self._tree.settle()

    def lose(self) -> None:
        BED.umockdev_testbed_uevent(self._bed, f"/sys{self.twin.path('usb1')}".encode(), b"change")
        while self._socket.receive() is not Missed.NOTHING:
            pass

    def events(self, sent: Sequence[bytes]) -> list[Uevent]:
        found = []
        while (event := self._socket.receive()) is not Missed.NOTHING:
            if isinstance(event, Missed):
                raise RuntimeError(f"the guard's socket: {event.value}")
            if event.is_usb_device:
                self.heard.append((event.action, event.port))
            found.append(event)
        while device := UDEV.udev_monitor_receive_device(self._monitor):
            if UDEV.udev_device_get_devtype(device) == b"usb_device":
                action, port = UDEV.udev_device_get_action(device), UDEV.udev_device_get_sysname(device)
                self.udev_heard.append((action.decode(), port.decode()))
        while (event := self._strict.receive()) is not Missed.NOTHING:
            self.strangers += event is Missed.STRANGER
        return found

    def read_by_udev(self) -> dict[str, str | None]:
        """What libudev reads in ``authorized`` of every device."""
        found: dict[str, str | None] = {}
        for port in self.twin.devices:
            device = UDEV.udev_device_new_from_subsystem_sysname(self._udev, b"usb", port.encode())
            value = UDEV.udev_device_get_sysattr_value(device, b"authorized") if device else None
            found[port] = value.decode() if value else None
        return found


def main() -> int:
    """Play the stories named, or all."""
    for name in sys.argv[1:] or FILES:
        rung = Mockdev()
        wrong = missed(story(name), rung)
        expected = {port: "1" if one.authorized else "0" for port, one in rung.twin.devices.items()}
        found = {"story": name, "missed": wrong, "heard": rung.heard, "udev": rung.udev_heard}
        found |= {"authorized": rung.read_by_udev(), "expected": expected, "strangers": rung.strangers}
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
