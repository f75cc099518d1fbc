# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""USB devices in sysfs: read, authorise, deauthorise, remove, and read back. The only file of the room that touches it.

The root is an argument, so that the same code runs on a copy of a tree. Names come from the folder itself and must be
ports; nothing that a device says of itself ever becomes part of a path. Every read has a bound. Nothing waits: an
attribute that is not there is empty. Paths are text: pathlib would cost the warden half a megabyte.
"""

import os
from dataclasses import replace

from protocols.usb.descriptors import LARGEST
from terminal_agent.errors import AgentError
from terminal_agent.usb.describe import Raw
from terminal_agent.usb.document import PORT

DEVICE_NODES = "/dev/bus/usb"
LONGEST_TEXT = 4_096  # a page: what sysfs gives at most for a text
MOST_DEVICES = 4_096  # 127 a bus and some dozens of buses; more is no machine


class SysfsError(AgentError):
    """sysfs could not be read or written, or did not keep what was written."""


class Sysfs:
    """One tree: ``root`` is ``/sys`` on a terminal."""

    def __init__(self, root: str | os.PathLike[str] = "/sys") -> None:
        self._root = os.fspath(root)
        self._devices = f"{self._root}/bus/usb/devices"
        self._controllers: dict[str, str] = {}
        """Root hub to its controller's path: it costs more to find than all else, and stays until the bus is gone."""

    def ports(self) -> list[str]:
        """The devices that are there, hubs before what hangs from them."""
        try:
            names = [name for name in os.listdir(self._devices) if PORT.fullmatch(name)]  # noqa: PTH208 - names, not paths
        except OSError as fault:
            raise SysfsError(
                f"{self._devices}: {fault.strerror}", "is there a USB host controller, and is sysfs mounted?"
            ) from None
        if len(names) > MOST_DEVICES:
            raise SysfsError(f"{self._devices}: more than {MOST_DEVICES} devices", "is this a sysfs?")
        return sorted(names, key=lambda name: (not name.startswith("usb"), len(name), name))

    def read(self, port: str) -> Raw | None:
        """What sysfs says of one device, but whether it is authorised; None where it is gone."""
        folder = self._folder(port)
        vendor, product = self._text(f"{folder}/idVendor"), self._text(f"{folder}/idProduct")
        octets = self._octets(f"{folder}/descriptors", LARGEST + 1)
        if vendor is None or product is None or octets is None:
            return None
        return Raw(
            port=port,
            vendor=vendor,
            product=product,
            descriptors=octets,
            name=self._text(f"{folder}/product") or "",
            serial=self._text(f"{folder}/serial") or "",
            connect_type=self._text(f"{folder}/port/connect_type") or "",
            controller_path=self._controller(port),
        )

    def read_all(self) -> list[Raw]:
        """All devices that are there, and whether each is authorised."""
        self._controllers.clear()
        found = []
        for port in self.ports():
            raw, said = self.read(port), self._text(f"{self._folder(port)}/authorized")
            if raw is not None:
                found.append(replace(raw, authorized=None if said is None else said == "1"))
        return found

    def lock_roots(self) -> list[str]:
        """No new device and no new interface lives unless somebody says so: both defaults of every root hub to 0.

        What could not be locked is told, and the others are locked all the same.
        """
        return [fault for port in self.ports() if port.startswith("usb") for fault in self.lock_root(port)]

    def lock_root(self, port: str) -> list[str]:
        """The same for one root hub."""
        faults = []
        for name in ("authorized_default", "interface_authorized_default"):
            try:
                self._write(f"{self._folder(port)}/{name}", "0")
            except SysfsError as fault:
                faults.append(fault.what)
        return faults

    def authorise(self, port: str, allowed: bool) -> None:
        """The device lives or not; :class:`SysfsError` where the kernel did not take it."""
        self._write(f"{self._folder(port)}/authorized", "1" if allowed else "0")

    def interfaces(self, port: str) -> list[tuple[int, int]]:
        """Configuration and number of the interfaces that the kernel has now; none while the device is barred."""
        found = []
        for name in self._names(self._folder(port)):
            head, colon, tail = name.partition(":")
            configuration, dot, number = tail.partition(".")
            if head == _stem(port) and colon and dot and configuration.isdecimal() and number.isdecimal():
                found.append((int(configuration), int(number)))
        return sorted(found)

    def authorise_interface(self, port: str, place: tuple[int, int], allowed: bool) -> None:
        """One interface may have a driver, or not."""
        self._write(f"{self._folder(port)}/{_interface(port, place)}/authorized", "1" if allowed else "0")

    def find_driver(self, port: str, place: tuple[int, int]) -> None:
        """The kernel is asked to look for the driver of an interface that was authorised."""
        drivers = f"{self._root}/bus/usb/drivers_probe"
        if os.path.exists(drivers):  # noqa: PTH110 - text, see above
            self._write(drivers, _interface(port, place), kept=False)

    def interface_lives(self, port: str, place: tuple[int, int]) -> bool:
        """Whether an interface is there and may have a driver."""
        return self._text(f"{self._folder(port)}/{_interface(port, place)}/authorized") == "1"

    def remove(self, port: str) -> None:
        """The device is cut off until it is plugged anew."""
        self._write(f"{self._folder(port)}/remove", "1", kept=False)

    def disable_port(self, port: str, off: bool) -> None:
        """The hub's port itself, whatever is plugged into it: off, or on again (Linux 6.0, ``usbN-portM/disable``)."""
        hub, _, number = port.replace("-", ".").rpartition(".")
        hub = hub.replace(".", "-", 1)
        folder = (
            f"usb{hub}/{hub}-0:1.0/usb{hub}-port{number}" if "-" not in hub else f"{hub}/{hub}:1.0/{hub}-port{number}"
        )
        if not PORT.fullmatch(port) or port.startswith("usb"):
            raise SysfsError("a port that is none", "such as 1-4.2")
        self._write(f"{self._devices}/{folder}/disable", "1" if off else "0")

    def node(self, port: str) -> str:
        """The device's node in usbfs, which no later device of this bus has."""
        folder = self._folder(port)
        bus, device = self._text(f"{folder}/busnum") or "0", self._text(f"{folder}/devnum") or "0"
        return f"{DEVICE_NODES}/{int(bus):03d}/{int(device):03d}"

    def descriptors(self, port: str) -> bytes:
        """The descriptors of a device; nothing where it is gone."""
        return self._octets(f"{self._folder(port)}/descriptors", LARGEST + 1) or b""

    def _folder(self, port: str) -> str:
        if not PORT.fullmatch(port):
            raise SysfsError("a port that is none", "such as 1-4.2 or usb1")
        return f"{self._devices}/{port}"

    def _controller(self, port: str) -> str:
        """Path below sysfs of the host controller: what the root hub of the device's bus hangs from."""
        root_hub = port if port.startswith("usb") else f"usb{port.partition('-')[0]}"
        if root_hub in self._controllers and root_hub != port:
            return self._controllers[root_hub]
        try:
            real = os.path.realpath(f"{self._devices}/{root_hub}", strict=True)
        except OSError:
            return ""
        base = os.path.realpath(self._root)
        above = real.rpartition("/")[0]
        found = above.removeprefix(base) if above.startswith(base) else ""
        self._controllers[root_hub] = found
        return found

    def _names(self, folder: str) -> list[str]:
        try:
            return os.listdir(folder)  # noqa: PTH208 - names, not paths
        except OSError:
            return []

    def _text(self, path: str) -> str | None:
        octets = self._octets(path, LONGEST_TEXT)
        return None if octets is None else octets.decode("utf-8", "surrogateescape").rstrip("\n")

    def _octets(self, path: str, most: int) -> bytes | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            found = b""
            while len(found) < most and (piece := os.read(descriptor, most - len(found))):
                found += piece
            return found
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _write(self, path: str, text: str, *, kept: bool = True) -> None:
        """Write one attribute; where it is ``kept``, read it back."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                os.write(descriptor, text.encode("ascii"))
            finally:
                os.close(descriptor)
        except OSError as fault:
            raise SysfsError(f"{path}: {fault.strerror}", "is the device still there, and is this root?") from None
        if kept and self._text(path) != text:
            raise SysfsError(f"{path}: does not keep what was written", "the kernel refused; see its log")


def _stem(port: str) -> str:
    """What the names of a device's interfaces begin with: of a root hub its bus and 0 (usb_set_configuration)."""
    return f"{port.removeprefix('usb')}-0" if port.startswith("usb") else port


def _interface(port: str, place: tuple[int, int]) -> str:
    return f"{_stem(port)}:{place[0]}.{place[1]}"
