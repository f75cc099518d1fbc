# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual USB bus as a tree of files that stands for sysfs: written for a guard, and read back. Judges nothing.

Files are not a kernel: writing ``authorized`` makes no interface folder appear. So they are there from the beginning,
dead, and whoever plays the kernel calls :meth:`Tree.settle` to take over what was written.
"""

import shutil
from pathlib import Path

from device_profiles.twins.usb_descriptors import Shown
from device_profiles.twins.usbbus import Plugged, UsbBus


class Tree:
    """``root`` becomes a sysfs with the devices of ``bus``."""

    def __init__(self, root: Path, bus: UsbBus) -> None:
        self._root = root
        self._bus = bus
        self._shown: dict[str, bytes] = {}
        (root / "bus/usb/devices").mkdir(parents=True)
        (root / "bus/usb/drivers_probe").write_text("")

    def show(self) -> None:
        """Make the files say what the bus has: new devices appear, gone ones go, changed ones are written anew."""
        devices = self._bus.devices
        for port in sorted((port for port in self._shown if port not in devices), key=len, reverse=True):
            self._drop(port)
        for port in sorted(devices, key=len):
            one = devices[port]
            if self._shown.get(port) != one.model.descriptors:
                self._write(port, one)

    def settle(self) -> None:
        """Take over what was written into the files, as a kernel would have at once."""
        hub = self._folder("usb1")
        self._bus.authorized_default = _read(hub / "authorized_default") != "0"
        self._bus.interface_authorized_default = _read(hub / "interface_authorized_default") != "0"
        for port in list(self._shown):
            folder = self._folder(port)
            if _read(folder / "remove"):
                self._bus.remove(port)
                self._drop(port)
                continue
            one = self._bus.devices.get(port)
            if one is None:
                continue
            allowed = _read(folder / "authorized") == "1"
            self._bus.authorise(port, allowed)
            for number in one.interfaces:
                self._bus.authorise_interface(
                    port, number, _read(_interface(folder, port, number) / "authorized") == "1"
                )

    def _folder(self, port: str) -> Path:
        return self._root / self._bus.path(port).lstrip("/")

    def _write(self, port: str, one: Plugged) -> None:
        folder = self._folder(port)
        model = one.model
        for old in folder.glob(f"{_stem(port)}:*"):
            shutil.rmtree(old)
        (folder / "port").mkdir(parents=True, exist_ok=True)
        fresh = port not in self._shown
        texts = {
            "idVendor": model.vendor, "idProduct": model.product, "product": model.name, "serial": model.serial,
            "port/connect_type": one.connect_type, "busnum": "1", "devnum": str(len(self._shown) + 1), "remove": "",
        }  # fmt: skip
        if fresh:
            texts["authorized"] = "1" if one.authorized else "0"
        if port == "usb1":
            texts |= {"authorized_default": "1", "interface_authorized_default": "1"}
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode("utf-8", "surrogateescape") + (b"\n" if text else b""))
        (folder / "descriptors").write_bytes(model.descriptors)
        for number, settings in enumerate(model.interfaces):
            _write_interface(_interface(folder, port, number), number, settings[0], one.interfaces.get(number, False))
        link = self._root / "bus/usb/devices" / port
        if not link.is_symlink():
            link.symlink_to(folder)
        self._shown[port] = model.descriptors

    def _drop(self, port: str) -> None:
        (self._root / "bus/usb/devices" / port).unlink(missing_ok=True)
        shutil.rmtree(self._folder(port), ignore_errors=True)
        self._shown.pop(port, None)


def _interface(folder: Path, port: str, number: int) -> Path:
    return folder / f"{_stem(port)}:1.{number}"


def _stem(port: str) -> str:
    """What the kernel's names of a device's interfaces begin with: of a root hub its bus and 0."""
    return f"{port.removeprefix('usb')}-0" if port.startswith("usb") else port


def _write_interface(folder: Path, number: int, shown: Shown, lives: bool) -> None:
    folder.mkdir(exist_ok=True)
    names = ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol", "bInterfaceNumber")
    for name, value in zip(names, (*shown, number), strict=True):
        (folder / name).write_text(f"{value:02x}\n")
    (folder / "authorized").write_text("1\n" if lives else "0\n")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
