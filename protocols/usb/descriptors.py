# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""USB descriptors as sysfs gives them in the file ``descriptors``: device, then each configuration. Reads no file.

A device writes them, so nothing in them is believed that does not add up: a length of 0 or 1 would go in circles, one
beyond the end would hide what follows, an interface outside its configuration would be met by the kernel but not by us.
Whatever does not add up is a :class:`~protocols.errors.DecodeError`, and a device that has one is never authorised.
"""

from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError
from protocols.usb.rules import InterfacePattern

LARGEST = 18 + 8 * 65_535
"""A device descriptor and as many configurations as the kernel takes (USB_MAXCONFIG), each as long as can be said."""
MOST_CONFIGURATIONS = 8  # USB_MAXCONFIG of the kernel
MOST_INTERFACES = 32  # USB_MAXINTERFACES: interface numbers of one configuration
MOST_SETTINGS = 256  # what a configuration may hold of interface descriptors; audio devices come to some dozens


class Kind(IntEnum):
    """Descriptor types (USB 2.0, table 9-5; USB 3.2, table 9-6) that are looked into."""

    DEVICE = 1
    CONFIGURATION = 2
    INTERFACE = 4
    ENDPOINT = 5


LENGTHS = {Kind.DEVICE: (18,), Kind.CONFIGURATION: (9,), Kind.INTERFACE: (9,), Kind.ENDPOINT: (7, 9)}
"""How long these are: an audio endpoint has two octets more (USB Audio 1.0, 4.6.1.1)."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface descriptor (USB 2.0, 9.6.5)."""

    configuration: int
    number: int
    setting: int
    shows: InterfacePattern
    endpoints: int


@dataclass(frozen=True, slots=True)
class Descriptors:
    """What a device's descriptors say (USB 2.0, 9.6.1 to 9.6.5)."""

    usb: int
    """bcdUSB: 0x0200 is USB 2.0."""
    device_class: InterfacePattern
    vendor: int
    product: int
    release: int
    """bcdDevice."""
    configurations: tuple[int, ...]
    """bConfigurationValue of each."""
    interfaces: tuple[Interface, ...]

    @property
    def shows(self) -> tuple[InterfacePattern, ...]:
        """Class, subclass and protocol of every interface descriptor, in order."""
        return tuple(one.shows for one in self.interfaces)

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Configuration and number of every interface descriptor, in order."""
        return tuple((one.configuration, one.number) for one in self.interfaces)


def split(octets: bytes) -> tuple[bytes, ...]:
    """The single descriptors, one after the other; :class:`DecodeError` names the octet where it does not add up."""
    if len(octets) > LARGEST:
        raise DecodeError("descriptors", f"{len(octets)} octets; at most {LARGEST} expected")
    found, place, size = [], 0, len(octets)
    while place < size:
        length = octets[place]
        if length < 2:
            raise DecodeError(f"descriptors, octet {place}", f"a descriptor of length {length}; 2 or more expected")
        if place + length > size:
            raise DecodeError(
                f"descriptors, octet {place}", f"a descriptor of {length} octets; {size - place} are left"
            )
        kind = octets[place + 1]
        if kind in _LENGTHS and length not in _LENGTHS[kind]:
            raise DecodeError(
                f"descriptors, octet {place}", f"{length} octets; a descriptor of type {kind} has {_LENGTHS[kind][0]}"
            )
        found.append(octets[place : place + length])
        place += length
    return tuple(found)


def decode(octets: bytes) -> Descriptors:
    """What the file ``descriptors`` of a device says."""
    parts = split(octets)
    if not parts or parts[0][1] != Kind.DEVICE:
        raise DecodeError("descriptors, octet 0", "a device descriptor expected")
    device = parts[0]
    if sum(part[1] == Kind.DEVICE for part in parts) > 1:
        raise DecodeError("descriptors", "more than one device descriptor")
    configurations, interfaces = _configurations(parts[1:])
    if len(configurations) != device[17]:
        raise DecodeError("descriptors", f"{len(configurations)} configurations; {device[17]} announced")
    return Descriptors(
        usb=_u16(device, 2),
        device_class=InterfacePattern(device[4], device[5], device[6]),
        vendor=_u16(device, 8),
        product=_u16(device, 10),
        release=_u16(device, 12),
        configurations=configurations,
        interfaces=interfaces,
    )


def _configurations(parts: tuple[bytes, ...]) -> tuple[tuple[int, ...], tuple[Interface, ...]]:
    values: list[int] = []
    interfaces: list[Interface] = []
    left = announced = numbers = 0  # octets, interfaces of the present configuration; interface numbers met as bits
    place = 18
    for part in parts:
        where = f"descriptors, octet {place}"
        if part[1] == Kind.CONFIGURATION:
            if left or announced != numbers.bit_count():
                raise DecodeError(where, "the configuration before is shorter or has fewer interfaces than announced")
            if len(values) == MOST_CONFIGURATIONS:
                raise DecodeError(where, f"more than {MOST_CONFIGURATIONS} configurations")
            if part[5] in values:
                raise DecodeError(where, "two configurations of one value")
            values.append(part[5])
            left, announced, numbers = _u16(part, 2), part[4], 0
        elif not values:
            raise DecodeError(where, "a configuration descriptor expected")
        if len(part) > left:
            raise DecodeError(where, "a descriptor beyond the end of its configuration")
        left -= len(part)
        if part[1] == Kind.INTERFACE:
            one = Interface(values[-1], part[2], part[3], InterfacePattern(part[5], part[6], part[7]), part[4])
            numbers |= 1 << _number(one, interfaces, where)
            interfaces.append(one)
        place += len(part)
    if left or announced != numbers.bit_count():
        raise DecodeError("descriptors", "the last configuration is shorter or has fewer interfaces than announced")
    return tuple(values), tuple(interfaces)


def _number(one: Interface, before: list[Interface], where: str) -> int:
    if one.number >= MOST_INTERFACES:
        raise DecodeError(where, f"interface number {one.number}; at most {MOST_INTERFACES - 1} expected")
    same = [other for other in before if other.configuration == one.configuration]
    if len(same) == MOST_SETTINGS:
        raise DecodeError(where, f"more than {MOST_SETTINGS} interface descriptors in one configuration")
    if any(other.number == one.number and other.setting == one.setting for other in same):
        raise DecodeError(where, "one setting of one interface stands twice")
    return one.number


def _u16(octets: bytes, place: int) -> int:
    return int.from_bytes(octets[place : place + 2], "little")


_LENGTHS: dict[int, tuple[int, ...]] = {int(kind): lengths for kind, lengths in LENGTHS.items()}
