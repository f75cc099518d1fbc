# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A vault on a machine with a GPIO chip: the real program, its kernel answering the ioctls of GPIO by the twin.

The line's descriptor is a FIFO that the test writes the twin's events into. Run as a program.
"""

import ctypes
import json
import os
import sys

from device_profiles.twins.gpio_chip import GpioChip
from terminal_agent.processes.vault import compose
from terminal_agent.sealed.fences import LinuxKernel


class KernelWithChip(LinuxKernel):
    """This machine's, and the twin behind ioctl(2)."""

    def __init__(self, fifo: str, level: int, *, refuses: bool) -> None:
        super().__init__()
        self._refuses = refuses
        self._chip = GpioChip(lambda offset: os.open(fifo, os.O_RDWR | os.O_NONBLOCK), {17: level})

    def call(self, name: str, *arguments: object) -> int:
        if name != "ioctl":
            return super().call(name, *arguments)
        descriptor, number, buffer = arguments
        assert isinstance(descriptor, int)
        assert isinstance(number, int)
        assert isinstance(buffer, ctypes.Array)
        if self._refuses:
            raise OSError(16, "Device or resource busy")
        buffer.raw = self._chip.ioctl(descriptor, number, buffer.raw)
        return 0


def main() -> None:
    """Compose and serve."""
    order = json.loads(sys.argv[1])
    kernel = KernelWithChip(order.pop("fifo"), order.pop("level"), refuses=order.pop("refuses", False))
    compose(order, kernel).run()


if __name__ == "__main__":
    main()
