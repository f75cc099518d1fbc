# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Descriptors as a person reads them, by pyusb where libusb is present. A second pair of eyes: no verdict rests on it.

libusb reads what the kernel has read and opens no device; texts come from sysfs, never by asking the device.
"""

from collections.abc import Iterable

from protocols.usb.rules import printable
from terminal_agent.errors import AgentError

LONGEST = 65_536  # of one device's view


def views() -> dict[str, str]:
    """Port to the descriptors of the device there, in words; :class:`AgentError` where pyusb or libusb is missing."""
    try:
        from usb.core import NoBackendError, USBError, find
    except ImportError:
        raise AgentError("pyusb is not installed", "install the extra: pip install 'tillguard[usb]'") from None
    try:
        devices = list(find(find_all=True))
    except NoBackendError:
        raise AgentError("libusb is not installed", "Debian: apt-get install libusb-1.0-0") from None
    except USBError as fault:
        raise AgentError(f"libusb: {fault.strerror}", "is there a USB host controller?") from None
    found = {}
    for device in devices:
        chain = ".".join(str(number) for number in device.port_numbers or ())
        port = f"{device.bus}-{chain}" if chain else f"usb{device.bus}"
        found[port] = _view(device)[:LONGEST]
    return found


def _view(device: "Iterable[Iterable[Iterable[object]]]") -> str:
    """pyusb's own words for device, configurations, interfaces and endpoints. They ask the device for no text."""
    lines = [_words(device)]
    for configuration in device:
        lines.append(f"  {_words(configuration)}")
        for interface in configuration:
            lines.append(f"    {_words(interface)}")
            lines += [f"      {_words(endpoint)}" for endpoint in interface]
    return "\n".join(lines)


def _words(part: object) -> str:
    return printable(repr(part).strip("<>"))
