# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A USB device as the policy sees it: what it says of itself, and where it is plugged in. Reads no sysfs."""

from dataclasses import dataclass

from protocols.usb.rules import InterfacePattern, printable, quoted

HUB = 0x09  # class code of hubs (USB 2.0, 11.23.1)


@dataclass(frozen=True, slots=True)
class Device:
    """One device. All of it but the port is the device's own claim."""

    port: str
    """Its sysfs name: ``1-4.2`` is port 2 of a hub at port 4 of bus 1, ``usb1`` is a root hub."""
    vendor: str
    product: str
    """Four small hexadecimal digits each, as sysfs has them."""
    interfaces: tuple[InterfacePattern, ...]
    """Every interface and alternate setting of every configuration, in the order of the descriptors."""
    name: str = ""
    serial: str = ""
    hash: str = ""
    """As usbguard computes it: base64 of SHA-256 (identity.py)."""
    hash2: str = ""
    """Ours, with ``v2:`` before it: its parts cannot flow into one another."""
    parent_hash: str = ""
    connect_type: str = ""
    """``hotplug``, ``hardwired``, ``not used``, ``unknown`` or nothing, as the firmware says of the port."""
    places: tuple[tuple[int, int], ...] = ()
    """Of each of ``interfaces`` its configuration and number; alternate settings share them. Empty: all differ."""
    role: str = ""
    """What the terminal's profile calls the port, such as ``payment``; nothing where it names none."""

    @property
    def is_hub(self) -> bool:
        """Whether it is a hub, a root hub included."""
        return any(one.base == HUB for one in self.interfaces)

    @property
    def is_root(self) -> bool:
        """Whether it is the root hub of a host controller."""
        return self.port.startswith("usb")

    @property
    def parent(self) -> str:
        """The port of its hub: of ``1-4.2`` it is ``1-4``, of ``1-4`` it is ``usb1``; of a root hub nothing."""
        if self.is_root:
            return ""
        upper, dot, _ = self.port.rpartition(".")
        return upper if dot else f"usb{self.port.partition('-')[0]}"

    def words(self) -> str:
        """One line for a person; what the device says of itself is escaped."""
        name = f" {quoted(self.name)}" if self.name else ""
        serial = f", serial {quoted(self.serial)}" if self.serial else ", no serial"
        return f"{printable(self.port)}: {self.vendor}:{self.product}{name}{serial}"


def order(device: Device) -> tuple[int, int, str]:
    """Sorts parents before children: root hubs, then by depth."""
    return (0 if device.is_root else 1, len(device.port), device.port)
