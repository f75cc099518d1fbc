# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Finds serial ports by what is plugged in: USB vendor, product and serial number. Opens none.

A port's number depends on who was plugged in first, so ``/dev/ttyUSB0`` may be another device tomorrow. The kernel's
view comes from pyserial's ``list_ports``. Whatever a device says of itself is its own word: text is cut and escaped.
"""

import re
from dataclasses import dataclass

from terminal_agent.line.port import LineAbsent, LineError

SHOWN = 64
_SPEC = re.compile(r"usb:([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?::(.+))?")
FORM = "usb:VVVV:PPPP or usb:VVVV:PPPP:SERIAL, vendor and product as four hexadecimal digits"


@dataclass(frozen=True, slots=True)
class Port:
    """One serial port. Without USB behind it vendor and product are None."""

    path: str
    words: str
    vendor: int | None = None
    product: int | None = None
    serial: str = ""

    @property
    def spec(self) -> str:
        """How a profile best names it."""
        if self.vendor is None or self.product is None:
            return self.path
        identity = f"usb:{self.vendor:04x}:{self.product:04x}"
        return f"{identity}:{self.serial}" if self.serial else identity


def ports() -> list[Port]:
    """Every serial port that is there, by path."""
    from serial.tools import list_ports

    return sorted(
        (
            Port(one.device, _shown(one.description or ""), one.vid, one.pid, one.serial_number or "")
            for one in list_ports.comports()
        ),
        key=lambda port: port.path,
    )


def found(spec: str) -> str:
    """The path of the one port that ``spec`` means; :class:`LineAbsent` for none, :class:`LineError` for several."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise LineError(f"{_shown(spec)}: not a USB identity", FORM)
    vendor, product, serial = int(match[1], 16), int(match[2], 16), match[3]
    fitting = [
        port
        for port in ports()
        if (port.vendor, port.product) == (vendor, product) and (serial is None or port.serial == serial)
    ]
    if not fitting:
        raise LineAbsent(
            f"{_shown(spec)}: no such device is plugged in",
            "terminal-agent line list shows what is, and how to name it",
        )
    if len(fitting) > 1:
        paths = ", ".join(port.path for port in fitting)
        raise LineError(f"{_shown(spec)}: several devices fit: {paths}", "add the serial number, or name the path")
    return fitting[0].path


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:SHOWN])
