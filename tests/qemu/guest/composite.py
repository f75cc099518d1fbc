# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A disk that is a keyboard too, made by the kernel's own gadget functions on dummy_hcd. Tells findings."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.qemu.guest import stage
from tests.qemu.guest.stage import Host, Witness, attribute, by_id, disks, guarded, inputs, until

GADGET = Path("/sys/kernel/config/usb_gadget/evil")
IDS = ("0781", "5567")
STICK = 'allow id 0781:5567 with-interface 08:06:50 label "stick"\n'
IN_PART = 'allow-interface id 0781:5567 with-interface 08:06:50 label "in part"\n'
REPORT = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810395057501050819012905910295017503910395067508150025650507"
    "190029658100c0"
)


def disk_with_keyboard(host: Host) -> Mapping[str, Any]:
    """First under a rule for such a disk, then under one that lets the disk alone live."""
    stage.load("dummy_hcd", "libcomposite", "usb_f_hid", "usb_f_mass_storage")
    subprocess.run(["/bin/busybox", "mount", "-t", "configfs", "none", "/sys/kernel/config"], check=False)
    _make()
    with guarded(STICK) as warden, Witness() as witness:
        controller = next(Path("/sys/class/udc").iterdir()).name
        (GADGET / "UDC").write_text(controller)
        port = until(lambda: by_id(*IDS))[0]
        until(lambda: warden.verdicts(port))
        whole = {"verdict": warden.verdicts(port), "live": witness.live(), "inputs": inputs(), "disks": disks()}
        seen, since = len(warden.verdicts(port)), len(witness.heard)
        warden.keep(IN_PART)
        until(lambda: len(warden.verdicts(port)) > seen)
        until(disks)
        drivers = {
            place.name: (place / "driver").resolve().name if (place / "driver").exists() else ""
            for place in (stage.DEVICES / port).glob(f"{port}:*")
        }
        nodes = [one for one in witness.live(since) if "/input/" in one]
        part = {"verdict": warden.verdicts(port)[-1], "inputs": inputs(), "disks": disks(), "drivers": drivers}
        (GADGET / "UDC").write_text("\n")
        until(lambda: not attribute(port, "idVendor"))
        return {"whole": whole, "in_part": part, "input_nodes": nodes}


def _make() -> None:
    if GADGET.exists():
        return
    (GADGET / "strings/0x409").mkdir(parents=True)
    for name, value in {"idVendor": "0x0781", "idProduct": "0x5567", "bcdDevice": "0x0100", "bcdUSB": "0x0200"}.items():
        (GADGET / name).write_text(value)
    (GADGET / "strings/0x409/serialnumber").write_text("4C530001")
    (GADGET / "strings/0x409/product").write_text("Cruzer Blade")
    (GADGET / "configs/c.1").mkdir(parents=True)
    disk = Path("/run/evil.img")
    disk.write_bytes(bytes(1 << 20))
    storage, keyboard = GADGET / "functions/mass_storage.0", GADGET / "functions/hid.0"
    storage.mkdir(parents=True)
    (storage / "lun.0/file").write_text(str(disk))
    keyboard.mkdir()
    for name, value in {"protocol": "1", "subclass": "1", "report_length": "8"}.items():
        (keyboard / name).write_text(value)
    (keyboard / "report_desc").write_bytes(REPORT)
    for function in (storage, keyboard):
        (GADGET / "configs/c.1" / function.name).symlink_to(function)
