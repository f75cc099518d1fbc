# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel events about devices, as they come over netlink (NETLINK_KOBJECT_UEVENT). Opens no socket, trusts no sender.

The kernel's own form is ``add@/devices/…`` and then ``KEY=value`` texts, each ended by a NUL (lib/kobject_uevent.c).
udev, and a test bed that stands in for it, put a binary header before the same texts (libudev, monitor message).
Who sent an event is for whoever received it to check.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import unpack_from

from protocols.errors import DecodeError

LARGEST = 8_192  # the kernel's buffer has 2,048 octets of texts; udev adds its own
MOST_KEYS = 256
_UDEV = b"libudev\0"
_UDEV_MAGIC = 0xFEEDCAFE
ACTIONS = frozenset({"add", "remove", "change", "move", "online", "offline", "bind", "unbind"})


@dataclass(frozen=True, slots=True)
class Uevent:
    """One event."""

    action: str
    path: str
    """Below sysfs, such as ``/devices/pci0000:00/…/usb1/1-4``."""
    keys: Mapping[str, str]

    @property
    def is_usb_device(self) -> bool:
        """Whether it is about a whole USB device, not about one of its interfaces."""
        return self.keys.get("SUBSYSTEM") == "usb" and self.keys.get("DEVTYPE") == "usb_device"

    @property
    def is_usb_interface(self) -> bool:
        """Whether it is about one interface of a USB device, whose name is then its own: ``1-4:1.0``."""
        return self.keys.get("SUBSYSTEM") == "usb" and self.keys.get("DEVTYPE") == "usb_interface"

    @property
    def port(self) -> str:
        """The device's name in sysfs: ``1-4``."""
        return self.path.rpartition("/")[2]

    @property
    def sequence(self) -> int | None:
        """The kernel's number of this event; None where none is given."""
        text = self.keys.get("SEQNUM", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def decode(datagram: bytes) -> Uevent:
    """One datagram of the socket, in either form; :class:`DecodeError` says what is wrong with it."""
    if len(datagram) > LARGEST:
        raise DecodeError("uevent", f"{len(datagram)} octets; at most {LARGEST} expected")
    if datagram.startswith(_UDEV):
        keys = _keys(_udev_texts(datagram))
        return _event(keys.get("ACTION", ""), keys.get("DEVPATH", ""), keys)
    head, nul, texts = datagram.partition(b"\0")
    action, at, path = head.decode("utf-8", "surrogateescape").partition("@")
    if not nul or not at:
        raise DecodeError("uevent, octet 0", "ACTION@PATH and a NUL expected")
    keys = _keys(texts)
    if keys.get("ACTION", action) != action or keys.get("DEVPATH", path) != path:
        raise DecodeError("uevent", "head and keys contradict one another")
    return _event(action, path, keys)


def _event(action: str, path: str, keys: Mapping[str, str]) -> Uevent:
    if action not in ACTIONS:
        raise DecodeError("uevent, ACTION", f"one of {', '.join(sorted(ACTIONS))} expected")
    if not path.startswith("/") or "/../" in f"{path}/" or "\0" in path:
        raise DecodeError("uevent, DEVPATH", "an absolute path without .. expected")
    return Uevent(action, path, keys)


def _udev_texts(datagram: bytes) -> bytes:
    """What stands behind udev's header: its magic in network order, then offsets in the machine's own."""
    if len(datagram) < 40 or int.from_bytes(datagram[8:12], "big") != _UDEV_MAGIC:
        raise DecodeError("uevent, octet 8", "udev's magic number expected")
    for offset, length in (unpack_from("<II", datagram, 16), unpack_from(">II", datagram, 16)):
        if 40 <= offset <= len(datagram) and offset + length == len(datagram):
            return datagram[int(offset) :]
    raise DecodeError("uevent, octet 16", "place and length of the texts are not within the datagram")


def _keys(texts: bytes) -> dict[str, str]:
    parts = texts.split(b"\0")
    if parts.pop() != b"":
        raise DecodeError("uevent", "the last text has no NUL behind it")
    if len(parts) > MOST_KEYS:
        raise DecodeError("uevent", f"more than {MOST_KEYS} texts")
    keys: dict[str, str] = {}
    for place, part in enumerate(parts):
        name, equals, value = part.decode("utf-8", "surrogateescape").partition("=")
        if not equals or not name:
            raise DecodeError(f"uevent, text {place}", "KEY=value expected")
        if keys.setdefault(name, value) != value:
            raise DecodeError(f"uevent, text {place}", "a key stands twice with two values")
    return keys


class SequenceWatch:
    """Notices events that were lost: the kernel numbers them without a gap. After a loss, look at everything anew."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: int | None = None

    def lost_before(self, event: Uevent) -> bool:
        """Whether events are missing between the last one and this; an event without a number counts as a loss."""
        number, last = event.sequence, self._last
        if number is None:
            return True
        self._last = number if last is None else max(last, number)
        return last is not None and number > last + 1
