# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A GPIO chip as Linux's character device shows it: what its ioctls answer, and the events of its lines. Opens nothing.

linux/gpio.h, second version. Octets in, octets out, as the structures lie in memory; whoever plays the kernel has the
descriptors. A request that the kernel would refuse raises :class:`OSError` with the kernel's number.
"""

import errno
import struct
from collections.abc import Callable
from typing import Final

GET_LINE_IOCTL, GET_VALUES_IOCTL = 0xC250B407, 0xC010B40E
FLAG_INPUT, FLAG_RISING, FLAG_FALLING = 0x4, 0x10, 0x20
EVENT_RISING, EVENT_FALLING = 1, 2  # enum gpio_v2_line_event_id
REQUEST_OCTETS, VALUES_OCTETS, EVENT_OCTETS = 592, 16, 48
_NUM_LINES_AT, _DESCRIPTOR_AT, _CONSUMER_AT, _FLAGS_AT = 560, 588, 256, 288
LINES: Final = 32


class GpioChip:
    """One chip. Levels are 0 or 1; a line that nobody asked for may change too, and tells nobody."""

    def __init__(self, descriptor_for: Callable[[int], int], levels: dict[int, int] | None = None) -> None:
        """``descriptor_for`` makes the descriptor of a line that was asked for."""
        self._descriptor_for = descriptor_for
        self.levels = dict.fromkeys(range(LINES), 0) | (levels or {})
        self.asked: dict[int, tuple[str, int]] = {}
        """By offset: who asked, and with which flags."""
        self._by_descriptor: dict[int, int] = {}
        self._number = 0

    def ioctl(self, descriptor: int, number: int, octets: bytes) -> bytes:
        """What the kernel leaves in the structure that was handed over."""
        if number == GET_LINE_IOCTL and len(octets) == REQUEST_OCTETS:
            return self._get_line(octets)
        if number == GET_VALUES_IOCTL and len(octets) == VALUES_OCTETS and descriptor in self._by_descriptor:
            _, mask = struct.unpack("=QQ", octets)
            return struct.pack("=QQ", self.levels[self._by_descriptor[descriptor]] & mask, mask)
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    def set(self, offset: int, level: int) -> bytes:
        """A line changes: the event that its descriptor gives, if whoever asked wants that edge."""
        before, self.levels[offset] = self.levels[offset], level
        flags = self.asked.get(offset, ("", 0))[1]
        wanted = FLAG_RISING if level else FLAG_FALLING
        if before == level or not flags & wanted:
            return b""
        self._number += 1
        kind = EVENT_RISING if level else EVENT_FALLING
        return struct.pack("=QIIII24x", 0, kind, offset, self._number, self._number)

    def _get_line(self, octets: bytes) -> bytes:
        offset = int.from_bytes(octets[:4], "little")
        lines = int.from_bytes(octets[_NUM_LINES_AT : _NUM_LINES_AT + 4], "little")
        flags = int.from_bytes(octets[_FLAGS_AT : _FLAGS_AT + 8], "little")
        if lines != 1 or offset not in self.levels or not flags & FLAG_INPUT:
            raise OSError(errno.EINVAL, "Invalid argument")
        if offset in self.asked:
            raise OSError(errno.EBUSY, "Device or resource busy")
        consumer = octets[_CONSUMER_AT : _CONSUMER_AT + 32].rstrip(b"\0").decode("ascii")
        descriptor = self._descriptor_for(offset)
        self.asked[offset], self._by_descriptor[descriptor] = (consumer, flags), offset
        return octets[:_DESCRIPTOR_AT] + descriptor.to_bytes(4, "little")
