# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Names of USB interface classes, for people (usb.org, Defined Class Codes). Data only."""

from protocols.usb.rules import InterfacePattern

AUDIO, COMMUNICATION, HID, IMAGE, PRINTER, STORAGE, HUB, DATA = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08, 0x09, 0x0A
SMART_CARD, VIDEO, WIRELESS, VENDOR = 0x0B, 0x0E, 0xE0, 0xFF

NAMES: dict[tuple[int, int | None, int | None], str] = {
    (AUDIO, None, None): "audio",
    (COMMUNICATION, None, None): "communication",
    (COMMUNICATION, 0x02, None): "serial line (CDC ACM)",
    (COMMUNICATION, 0x06, None): "network card (CDC ECM)",
    (COMMUNICATION, 0x0D, None): "network card (CDC NCM)",
    (COMMUNICATION, 0x0E, None): "network card (CDC MBIM)",
    (HID, None, None): "input device",
    (HID, 0x01, 0x01): "keyboard",
    (HID, 0x01, 0x02): "mouse",
    (0x05, None, None): "force feedback",
    (IMAGE, None, None): "camera or media player (PTP, MTP)",
    (PRINTER, None, None): "printer",
    (STORAGE, None, None): "storage",
    (STORAGE, 0x06, 0x62): "storage (UASP)",
    (HUB, None, None): "hub",
    (DATA, None, None): "data of a communication device",
    (SMART_CARD, None, None): "smart card reader (CCID)",
    (0x0D, None, None): "content security",
    (VIDEO, None, None): "video",
    (0x0F, None, None): "health care",
    (0x10, None, None): "audio and video",
    (0x11, None, None): "billboard",
    (0x12, None, None): "USB-C bridge",
    (0xDC, None, None): "diagnosis",
    (WIRELESS, None, None): "wireless controller",
    (WIRELESS, 0x01, 0x01): "Bluetooth controller",
    (WIRELESS, 0x01, 0x03): "network card (RNDIS)",
    (0xEF, None, None): "miscellaneous",
    (0xEF, 0x04, 0x01): "network card (RNDIS)",
    (0xFE, None, None): "application specific",
    (0xFE, 0x01, None): "firmware upgrade (DFU)",
    (VENDOR, None, None): "vendor's own",
}


def interface_name(interface: InterfacePattern) -> str:
    """What an interface or pattern is, in words; its code where nobody named it."""
    for key in (
        (interface.base, interface.sub, interface.protocol),
        (interface.base, interface.sub, None),
        (interface.base, None, None),
    ):
        if key in NAMES:
            return NAMES[key]
    return f"class {interface.base:02x}"


def with_name(interface: InterfacePattern) -> str:
    """``08:06:50 (storage)``."""
    return f"{interface} ({interface_name(interface)})"
