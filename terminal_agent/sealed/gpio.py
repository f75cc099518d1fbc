# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One input line of a GPIO chip, by Linux's character device: its level now, and a descriptor that reports each edge.

linux/gpio.h, the second version of the interface (Linux 5.10): a chip is asked for a line, and gives a descriptor of
its own for it, which is readable once the line has changed. Opens no chip; what an edge means is not known here.
"""

import ctypes
import struct
from dataclasses import dataclass
from typing import Final

from terminal_agent.sealed.fences import Kernel

GET_LINE: Final = 0xC250B407  # GPIO_V2_GET_LINE_IOCTL
GET_VALUES: Final = 0xC010B40E  # GPIO_V2_LINE_GET_VALUES_IOCTL
INPUT, EDGE_RISING, EDGE_FALLING = 1 << 2, 1 << 4, 1 << 5  # enum gpio_v2_line_flag
REQUEST: Final = struct.Struct("=I252x32sQ264xII20xi")
"""struct gpio_v2_line_request: the first of 64 offsets, consumer, flags of the config, lines, events, descriptor."""
VALUES: Final = struct.Struct("=QQ")  # struct gpio_v2_line_values: bits, mask
CONSUMER: Final = b"tillguard tamper"
EVENTS_KEPT: Final = 1


@dataclass(frozen=True, slots=True)
class GpioInput:
    """A line that was asked for: where its edges are reported, and how it stood then."""

    descriptor: int
    level: int


def ask_for(kernel: Kernel, chip: int, offset: int) -> GpioInput:
    """Line ``offset`` of an open chip as an input with both edges; :class:`OSError` where the kernel refuses it."""
    flags = INPUT | EDGE_RISING | EDGE_FALLING
    asked = ctypes.create_string_buffer(REQUEST.pack(offset, CONSUMER, flags, 1, EVENTS_KEPT, -1), REQUEST.size)
    kernel.call("ioctl", chip, GET_LINE, asked)
    line = REQUEST.unpack(asked.raw)[-1]
    values = ctypes.create_string_buffer(VALUES.pack(0, 1), VALUES.size)
    kernel.call("ioctl", line, GET_VALUES, values)
    return GpioInput(line, VALUES.unpack(values.raw)[0] & 1)
