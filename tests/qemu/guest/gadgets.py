# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""USB devices made by the kernel's own gadget functions on its controller without wires, dummy_hcd. Judges none."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.qemu.guest import stage

CONFIGFS = Path("/sys/kernel/config")
Function = Callable[[Path], None]
"""Sets up a function in its folder of configfs."""


class Gadget:
    """One device: made when it is first plugged in, and kept."""

    def __init__(self, ids: tuple[str, str], name: str, serial: str, functions: Mapping[str, Function]) -> None:
        """``functions``: the kernel's name of each (``ecm.usb0``), and what sets it up."""
        self.ids = ids
        self._folder = CONFIGFS / "usb_gadget" / f"{ids[0]}-{ids[1]}"
        stage.load("dummy_hcd", "libcomposite", *(f"usb_f_{one.partition('.')[0]}" for one in functions))
        if not (CONFIGFS / "usb_gadget").exists():
            subprocess.run(["/bin/busybox", "mount", "-t", "configfs", "none", CONFIGFS], check=True)
        (self._folder / "strings/0x409").mkdir(parents=True)
        values = {"idVendor": f"0x{ids[0]}", "idProduct": f"0x{ids[1]}", "bcdDevice": "0x0100", "bcdUSB": "0x0200"}
        values |= {"strings/0x409/serialnumber": serial, "strings/0x409/product": name}
        for attribute, value in values.items():
            (self._folder / attribute).write_text(value)
        (self._folder / "configs/c.1").mkdir(parents=True)
        for function, set_up in functions.items():
            folder = self._folder / "functions" / function
            folder.mkdir()
            set_up(folder)
            (self._folder / "configs/c.1" / function).symlink_to(folder)

    def plug(self) -> None:
        """Into the only port of its controller."""
        (self._folder / "UDC").write_text(next(Path("/sys/class/udc").iterdir()).name)

    def pull(self) -> None:
        """Out of it."""
        (self._folder / "UDC").write_text("\n")
