# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the descriptors that a virtual USB device shows (USB 2.0, 9.6). A device's side: it checks nothing it says."""

from collections.abc import Sequence
from dataclasses import dataclass

Shown = tuple[int, int, int]
"""Class, subclass, protocol."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a virtual device is: ids, texts, and for each interface its settings."""

    vendor: str
    product: str
    interfaces: tuple[tuple[Shown, ...], ...]
    """One entry an interface number; in it one entry an alternate setting."""
    name: str = ""
    serial: str = ""
    usb: int = 0x0200
    release: int = 0x0100
    raw: bytes | None = None
    """Descriptors as they are, for a device that lies about them."""

    @property
    def descriptors(self) -> bytes:
        """What the device shows, as the kernel hands it out: device, then configuration."""
        if self.raw is not None:
            return self.raw
        return device(self) + configuration(self.interfaces)


def device(model: Model) -> bytes:
    """A device descriptor (table 9-8). The class is the first interface's only for hubs, as with real devices."""
    first = model.interfaces[0][0] if model.interfaces else (0, 0, 0)
    shown = first if first[0] == 0x09 else (0, 0, 0)
    return (
        bytes((18, 1))
        + model.usb.to_bytes(2, "little")
        + bytes(shown)
        + bytes((64,))
        + bytes.fromhex(model.vendor)[::-1]
        + bytes.fromhex(model.product)[::-1]
        + model.release.to_bytes(2, "little")
        + bytes((1, 2, 3 if model.serial else 0, 1))
    )


def configuration(interfaces: Sequence[Sequence[Shown]]) -> bytes:
    """One configuration with its interfaces and an endpoint each (tables 9-10, 9-12, 9-13)."""
    body = b""
    for number, settings in enumerate(interfaces):
        for setting, shown in enumerate(settings):
            body += bytes((9, 4, number, setting, 1, *shown, 0))
            body += bytes((9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0)) if shown[0] == 0x03 else b""  # HID 1.11, 6.2.1
            body += bytes((7, 5, 0x81 + number % 15, 3, 8, 0, 10))
    return bytes((9, 2)) + (9 + len(body)).to_bytes(2, "little") + bytes((len(interfaces), 1, 0, 0x80, 50)) + body
