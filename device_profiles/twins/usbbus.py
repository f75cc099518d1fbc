# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual USB bus: devices in ports, and what a kernel does when it is told to authorise them. Judges nothing.

It behaves as Linux does with ``authorized_default=0`` and ``interface_authorized_default=0`` on its root hubs (measured
on 6.1): a new device is there with its descriptors, but has no interface and no driver. Once it is authorised its
interfaces appear, each dead until it is authorised too; then a driver takes it. Where nobody locked the root hubs, all
of that happens by itself, which is how a terminal without a guard is taken over.
"""

from dataclasses import dataclass, field

from device_profiles.twins.usb_descriptors import Model, Shown

ROOT = Model("1d6b", "0002", (((0x09, 0, 0),),), "xHCI Host Controller", "0000:00:14.0", release=0x0601)
CONTROLLER = "/devices/pci0000:00/0000:00:14.0"
_INPUT, _STORAGE = 0x03, 0x08


@dataclass(slots=True)
class Plugged:
    """A device in a port, and how much of it lives."""

    port: str
    model: Model
    connect_type: str = "hotplug"
    authorized: bool = False
    interfaces: dict[int, bool] = field(default_factory=dict)
    """Interface number to whether it is authorised; empty while the device is not."""

    def live(self) -> list[Shown]:
        """The interfaces that have a driver: every setting that a driver could switch to."""
        if not self.authorized:
            return []
        return [
            shown
            for number, lives in self.interfaces.items()
            if lives and number < len(self.model.interfaces)
            for shown in self.model.interfaces[number]
        ]


class UsbBus:
    """Bus 1 of one machine."""

    def __init__(self) -> None:
        self.devices = {"usb1": Plugged("usb1", ROOT, "", True, {0: True})}
        self.authorized_default = True
        self.interface_authorized_default = True
        self._sequence = 0

    def plug(self, port: str, model: Model, connect_type: str = "hotplug") -> bytes:
        """A device appears; the kernel's event about it."""
        if port in self.devices:
            raise ValueError(f"port {port} is taken")
        self.devices[port] = Plugged(port, model, connect_type)
        if self.authorized_default:
            self.authorise(port, True)
        return self._event("add", self.path(port))

    def unplug(self, port: str) -> list[bytes]:
        """A device goes, and with a hub all that hangs from it; the events, children first."""
        gone = [name for name in self.devices if name == port or name.startswith(f"{port}.")]
        for name in gone:
            del self.devices[name]
        return [self._event("remove", self.path(name)) for name in sorted(gone, key=len, reverse=True)]

    def change(self, port: str, model: Model) -> list[bytes]:
        """A device enumerates anew as something else, without being touched: what it was allowed it keeps."""
        one = self.devices.get(port)
        if one is None:
            return []
        one.model = model
        if one.authorized:
            fresh = self.interface_authorized_default
            one.interfaces = {number: one.interfaces.get(number, fresh) for number in range(len(model.interfaces))}
        return [self._event("change", self.path(port))]

    def interface_event(self, port: str, name: str) -> bytes:
        """The kernel's event about a new interface of a device, which it sends whenever it configures one."""
        return self._event("add", f"{self.path(port)}/{name}", "usb_interface")

    def lose(self) -> None:
        """An event that nobody got to see."""
        self._sequence += 1

    def authorise(self, port: str, allowed: bool) -> None:
        """What writing ``authorized`` does."""
        one = self.devices[port]
        if allowed and not one.authorized:
            fresh = self.interface_authorized_default
            one.interfaces = dict.fromkeys(range(len(one.model.interfaces)), fresh)
        if not allowed:
            one.interfaces = {}
        one.authorized = allowed

    def authorise_interface(self, port: str, number: int, allowed: bool) -> None:
        """What writing an interface's ``authorized`` does, and asking for its driver."""
        if number in self.devices[port].interfaces:
            self.devices[port].interfaces[number] = allowed

    def remove(self, port: str) -> None:
        """What writing ``remove`` does: the device is gone until it is plugged anew."""
        self.devices.pop(port, None)

    def inputs(self) -> int:
        """Input devices that could type or point right now."""
        return self._count(_INPUT)

    def disks(self) -> int:
        """Disks that could be mounted right now."""
        return self._count(_STORAGE)

    def path(self, port: str) -> str:
        """Where the kernel has a device, below sysfs."""
        if port == "usb1":
            return f"{CONTROLLER}/usb1"
        bus, _, chain = port.partition("-")
        steps = chain.split(".")
        names = [f"{bus}-{'.'.join(steps[: place + 1])}" for place in range(len(steps))]
        return "/".join((f"{CONTROLLER}/usb1", *names))

    def _count(self, base: int) -> int:
        return sum(shown[0] == base for one in self.devices.values() for shown in one.live())

    def _event(self, action: str, path: str, kind: str = "usb_device") -> bytes:
        self._sequence += 1
        texts = (f"{action}@{path}", f"ACTION={action}", f"DEVPATH={path}", "SUBSYSTEM=usb", f"DEVTYPE={kind}",
                 f"SEQNUM={self._sequence}")  # fmt: skip
        return "".join(f"{text}\0" for text in texts).encode()
