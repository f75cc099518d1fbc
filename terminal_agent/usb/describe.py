# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""From what sysfs says of a device to what the policy judges. Reads no file; a device that does not add up is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocols.errors import DecodeError
from protocols.usb.descriptors import decode
from protocols.usb.device import Device
from protocols.usb.identity import device_hash, device_hash_v2, root_parent_hash
from terminal_agent.usb.document import PortRole

TRIMMED = "\0\n\r\t\b"  # what usbguard takes off the end of a text of sysfs


@dataclass(frozen=True, slots=True)
class Raw:
    """A device as its folder in sysfs has it."""

    port: str
    vendor: str
    product: str
    descriptors: bytes
    name: str = ""
    serial: str = ""
    connect_type: str = ""
    controller_path: str = ""
    """Of the host controller, below sysfs: ``/devices/pci0000:00/0000:00:14.0``."""
    authorized: bool | None = None

    @property
    def controller(self) -> str:
        """The controller's name: ``0000:00:14.0``."""
        return self.controller_path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A device whose descriptors do not add up: never authorised."""

    port: str
    why: str


def describe(raw: Raw, parent_hash: str, roles: Sequence[PortRole]) -> Device | Unreadable:
    """What the policy judges. ``parent_hash`` is that of the hub above, by usbguard's reckoning."""
    try:
        found = decode(raw.descriptors)
        texts = (raw.name.rstrip(TRIMMED), raw.vendor, raw.product, raw.serial.rstrip(TRIMMED))
        if (f"{found.vendor:04x}", f"{found.product:04x}") != (raw.vendor, raw.product):
            raise DecodeError("descriptors", "other ids than the kernel says")
        return Device(
            port=raw.port,
            vendor=raw.vendor,
            product=raw.product,
            interfaces=found.shows,
            places=found.places,
            name=texts[0],
            serial=texts[3],
            hash=device_hash(*texts, raw.descriptors),
            hash2=device_hash_v2(*texts, raw.descriptors),
            parent_hash=root_parent_hash(raw.controller_path) if raw.port.startswith("usb") else parent_hash,
            connect_type=raw.connect_type,
            role=role_of(raw.port, raw.controller, roles),
        )
    except DecodeError as fault:
        return Unreadable(raw.port, str(fault))


def describe_all(raws: Sequence[Raw], roles: Sequence[PortRole]) -> list[Device | Unreadable]:
    """A whole tree, hubs before what hangs from them, each with its hub's hash."""
    found: list[Device | Unreadable] = []
    hashes: dict[str, str] = {}
    for raw in sorted(raws, key=lambda one: (not one.port.startswith("usb"), len(one.port), one.port)):
        one = describe(raw, hashes.get(parent_port(raw.port), ""), roles)
        if isinstance(one, Device):
            hashes[one.port] = one.hash
        found.append(one)
    return found


def parent_port(port: str) -> str:
    """The hub above: of ``1-4.2`` it is ``1-4``, of ``1-4`` ``usb1``, of ``usb1`` nothing."""
    return Device(port, "", "", ()).parent


def role_of(port: str, controller: str, roles: Sequence[PortRole]) -> str:
    """What the terminal calls a port; nothing where no entry holds it."""
    chain = port.partition("-")[2]
    names = (port, f"{controller}/{chain}")
    for entry in roles:
        for pattern in entry.ports:
            if pattern in names or (pattern.endswith(".*") and any(one.startswith(pattern[:-1]) for one in names)):
                return entry.role
    return ""


def ports_by_role(roles: Sequence[PortRole]) -> Mapping[str, tuple[str, ...]]:
    """Role to its patterns, for people."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in roles:
        found[entry.role] = (*found.get(entry.role, ()), *entry.ports)
    return found
