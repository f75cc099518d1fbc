# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A disk that is a keyboard too, made by the kernel's own gadget functions on dummy_hcd. Tells findings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.qemu.guest import stage
from tests.qemu.guest.gadgets import Gadget
from tests.qemu.guest.stage import Host, Witness, attribute, by_id, disks, guarded, inputs, until

IDS = ("0781", "5567")
STICK = 'allow id 0781:5567 with-interface 08:06:50 label "stick"\n'
IN_PART = 'allow-interface id 0781:5567 with-interface 08:06:50 label "in part"\n'
REPORT = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810395057501050819012905910295017503910395067508150025650507"
    "190029658100c0"
)


def disk_with_keyboard(host: Host) -> Mapping[str, Any]:
    """First under a rule for such a disk, then under one that lets the disk alone live."""
    evil = Gadget(IDS, "Cruzer Blade", "4C530001", {"mass_storage.0": _disk, "hid.0": _keyboard})
    with guarded(STICK) as warden, Witness() as witness:
        evil.plug()
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
        evil.pull()
        until(lambda: not attribute(port, "idVendor"))
        return {"whole": whole, "in_part": part, "input_nodes": nodes}


def _disk(folder: Path) -> None:
    image = Path("/run/evil.img")
    image.write_bytes(bytes(1 << 20))
    (folder / "lun.0/file").write_text(str(image))


def _keyboard(folder: Path) -> None:
    for name, value in {"protocol": "1", "subclass": "1", "report_length": "8"}.items():
        (folder / name).write_text(value)
    (folder / "report_desc").write_bytes(REPORT)
